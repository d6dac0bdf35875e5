//! PostgreSQL, through its own client library.

mod libpq;

use super::database::{Cell, Connection, Dialect, Engine, Failure, Row};
use libpq::{Client, Error};

static DIALECT: Dialect = Dialect {
    serial: "SERIAL",
    real: "FLOAT(53)",
    time: "TIMESTAMP WITHOUT TIME ZONE",
    enumerations: true,
    begin: "BEGIN",
    begin_reading: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    // Any number does that every worker takes.
    lock_schema: Some("SELECT pg_advisory_xact_lock(7306363)"),
    lock_row: " FOR UPDATE",
    guard_claims: None,
    has_table: "SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass($1)",
    // Optuna's heartbeats are on the clock of the session's time zone.
    now: "LOCALTIMESTAMP",
    age: "EXTRACT(EPOCH FROM LOCALTIMESTAMP - h.heartbeat)",
    remote: true,
};

/// A database of PostgreSQL.
pub(super) struct Postgres {
    url: String,
}

impl Postgres {
    /// The database that a URL names, without the driver that SQLAlchemy's URLs may name after a plus sign.
    pub fn new(url: &str) -> Self {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        Self { url: format!("postgresql://{rest}") }
    }
}

impl Engine for Postgres {
    fn describe(&self) -> String {
        without_password(&self.url)
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn connect(&self) -> Result<Box<dyn Connection>, Failure> {
        let mut client = Client::connect(&self.url).map_err(failure)?;
        for setting in [
            "SET client_min_messages = warning",
            "SET datestyle = 'ISO'",
            // Before version 12 numbers lose digits otherwise.
            "SET extra_float_digits = 3",
            // A transaction whose client is gone may keep its rows until the server notices.
            "SET lock_timeout = '10s'",
        ] {
            client.run(setting, &[])?;
        }
        Ok(Box::new(client))
    }
}

impl Connection for Client {
    fn run(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Row>, Failure> {
        let text = |cell: &Cell| match cell {
            Cell::Null => None,
            Cell::Int(value) => Some(value.to_string()),
            Cell::Real(value) => Some(value.to_string()),
            Cell::Text(text) => Some(text.clone()),
        };
        let parameters: Vec<_> = parameters.iter().map(text).collect();
        let rows = self.execute(sql, &parameters).map_err(failure)?;
        let cells =
            |row: Vec<Option<String>>| row.into_iter().map(|cell| cell.map_or(Cell::Null, Cell::Text));
        Ok(rows.into_iter().map(|row| cells(row).collect()).collect())
    }
}

fn failure(error: Error) -> Failure {
    /// Serialisation failure, deadlock, a lock waited for too long; two that make the tables at the same time: unique
    /// violation, duplicate table, type.
    const CONFLICTS: [&str; 6] = ["40001", "40P01", "55P03", "23505", "42P07", "42710"];
    match error {
        Error::NoLibrary(reason) => Failure::Refused(reason),
        Error::Lost(reason) => Failure::Lost(reason),
        Error::Refused { state, reason } if CONFLICTS.contains(&state.as_str()) => Failure::Conflict(reason),
        Error::Refused { reason, .. } => Failure::Refused(reason),
    }
}

/// A URL without the password, wherever it stands.
fn without_password(url: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let (scheme, rest) = base.split_once("://").unwrap_or(("", base));
    // A password may hold an @ that nobody escaped.
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let options = query.split('&').filter(|option| !option.to_lowercase().contains("password"));
        options.collect::<Vec<_>>().join("&")
    });
    let query = query.filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{rest}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgresql://host/db", "postgresql://host/db"),
            ("postgresql+psycopg2://me:secret@host:5432/db", "postgresql://me@host:5432/db"),
            ("postgres://me:sec@ret@host/db", "postgresql://me@host/db"),
            ("postgresql:///db?host=/tmp&password=secret&user=me", "postgresql:///db?host=/tmp&user=me"),
            ("postgresql://host/db?sslpassword=secret", "postgresql://host/db"),
        ] {
            assert_eq!(Postgres::new(url).describe(), shown);
        }
    }
}
