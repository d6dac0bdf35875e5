//! What became of a commit whose answer was lost.
//!
//! Each transaction that writes notes its number in a table of ours, one row a session, so that the row tells whether it
//! was committed. Numbers of the server's own transactions would not do: a server that crashes forgets those that it
//! lost, and gives their numbers to others.

use super::connection::{Cell, Connection, Dialect, Failure};
use crate::study::unique_name::unique_name;

const TABLE: &str = "optimil_commits";

/// Rows of sessions that ended are dropped after this many seconds.
const KEPT: f64 = 7.0 * 86_400.0;

/// The transactions of one session.
pub(super) struct Commits {
    session: String,
    last: i64,
    /// Whether the table is known to be there.
    ready: bool,
}

impl Commits {
    pub fn new() -> Self {
        Self { session: unique_name(), last: 0, ready: false }
    }

    /// Gives a transaction its number, as its first statements: two transactions of a session never overlap.
    pub fn number(&mut self, connection: &mut dyn Connection, dialect: &Dialect) -> Result<i64, Failure> {
        if !self.ready {
            make_table(connection, dialect)?;
        }
        self.last += 1;
        let sql = format!(
            "INSERT INTO {TABLE} (session, number, heartbeat) VALUES ($1, $2, {now}) ON CONFLICT (session) \
             DO UPDATE SET number = excluded.number, heartbeat = excluded.heartbeat",
            now = dialect.now
        );
        connection.run(&sql, &[(&*self.session).into(), self.last.into()])?;
        Ok(self.last)
    }

    /// Learns that a numbered transaction was committed.
    pub fn committed(&mut self) {
        self.ready = true;
    }

    /// Whether the transaction of this number was committed. Waits for it, should the server still be at it: that it
    /// writes the same row again is what it waits by.
    pub fn holds(
        &self,
        number: i64,
        connection: &mut dyn Connection,
        dialect: &Dialect,
    ) -> Result<bool, Failure> {
        connection.run(dialect.begin, &[])?;
        let settled = self.settle(number, connection, dialect);
        let ended = connection.run(if settled.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[]);
        settled.and_then(|settled| ended.map(|_| settled))
    }

    fn settle(
        &self,
        number: i64,
        connection: &mut dyn Connection,
        dialect: &Dialect,
    ) -> Result<bool, Failure> {
        if connection.run(dialect.has_table, &[TABLE.into()])?.is_empty() {
            // The first of all transactions makes the table, which may still happen: nobody makes one meanwhile.
            make_table(connection, dialect)?;
        }
        let sql = format!(
            "INSERT INTO {TABLE} AS noted (session, number, heartbeat) VALUES ($1, 0, {now}) ON CONFLICT (session) \
             DO UPDATE SET heartbeat = excluded.heartbeat RETURNING noted.number",
            now = dialect.now
        );
        let rows = connection.run(&sql, &[(&*self.session).into()])?;
        Ok(rows.first().and_then(|row| row.first()?.int()) == Some(number))
    }
}

/// Makes the table where it is missing, and drops what is too old, within a transaction.
fn make_table(connection: &mut dyn Connection, dialect: &Dialect) -> Result<(), Failure> {
    if let Some(lock) = dialect.lock_schema {
        connection.run(lock, &[])?;
    }
    if connection.run(dialect.has_table, &[TABLE.into()])?.is_empty() {
        let sql = format!(
            "CREATE TABLE {TABLE} (session VARCHAR(36) NOT NULL, number BIGINT NOT NULL, heartbeat {time} NOT NULL, \
             PRIMARY KEY (session))",
            time = dialect.time
        );
        connection.run(&sql, &[])?;
    }
    connection
        .run(&format!("DELETE FROM {TABLE} AS h WHERE {} > $1", dialect.age), &[Cell::Real(KEPT)])
        .map(drop)
}
