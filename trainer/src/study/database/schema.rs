//! The tables of Optuna, as of its schema `v3.2.0.a` (Optuna 3.2 to 5).

use super::connection::{Connection, Dialect, Failure};
use crate::study::StorageError;

/// The version of the tables, in the table of Alembic.
const VERSION: &str = "v3.2.0.a";

/// Versions before it.
const OLDER: [&str; 9] = [
    "v0.9.0.a", "v1.2.0.a", "v1.3.0.a", "v2.4.0.a", "v2.6.0.a", "v3.0.0.a", "v3.0.0.b", "v3.0.0.c",
    "v3.0.0.d",
];

/// What is written where Optuna notes who made the tables: the number of the schema before Alembic, and itself.
const MADE_BY: (i64, &str) = (12, "5.0.0");

/// Enumerations and their names.
const ENUMERATIONS: [(&str, &str); 4] = [
    ("studydirection", "'NOT_SET', 'MINIMIZE', 'MAXIMIZE'"),
    ("trialstate", "'RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING'"),
    ("trialvaluetype", "'FINITE', 'INF_POS', 'INF_NEG'"),
    ("trialintermediatevaluetype", "'FINITE', 'INF_POS', 'INF_NEG', 'NAN'"),
];

/// Widths of the columns that hold their names, where there are no such types.
const WIDTHS: [(&str, &str); 4] = [
    ("studydirection", "VARCHAR(8)"),
    ("trialstate", "VARCHAR(8)"),
    ("trialvaluetype", "VARCHAR(7)"),
    ("trialintermediatevaluetype", "VARCHAR(7)"),
];

/// Tables and their columns; `<serial>`, `<real>`, `<time>` and the enumerations stand for types.
const TABLES: [(&str, &str); 13] = [
    ("studies", "study_id <serial> NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id)"),
    (
        "version_info",
        "version_info_id INTEGER NOT NULL, schema_version INTEGER, library_version VARCHAR(256), \
         PRIMARY KEY (version_info_id), CHECK (version_info_id=1)",
    ),
    (
        "study_directions",
        "study_direction_id <serial> NOT NULL, direction <studydirection> NOT NULL, study_id INTEGER NOT NULL, \
         objective INTEGER NOT NULL, PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective), \
         FOREIGN KEY(study_id) REFERENCES studies (study_id)",
    ),
    ("study_user_attributes", STUDY_ATTRIBUTES),
    ("study_system_attributes", STUDY_ATTRIBUTES),
    (
        "trials",
        "trial_id <serial> NOT NULL, number INTEGER, study_id INTEGER, state <trialstate> NOT NULL, \
         datetime_start <time>, datetime_complete <time>, PRIMARY KEY (trial_id), \
         FOREIGN KEY(study_id) REFERENCES studies (study_id)",
    ),
    ("trial_user_attributes", TRIAL_ATTRIBUTES),
    ("trial_system_attributes", TRIAL_ATTRIBUTES),
    (
        "trial_params",
        "param_id <serial> NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value <real>, \
         distribution_json TEXT, PRIMARY KEY (param_id), UNIQUE (trial_id, param_name), \
         FOREIGN KEY(trial_id) REFERENCES trials (trial_id)",
    ),
    (
        "trial_values",
        "trial_value_id <serial> NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value <real>, \
         value_type <trialvaluetype> NOT NULL, PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective), \
         FOREIGN KEY(trial_id) REFERENCES trials (trial_id)",
    ),
    (
        "trial_intermediate_values",
        "trial_intermediate_value_id <serial> NOT NULL, trial_id INTEGER NOT NULL, step INTEGER NOT NULL, \
         intermediate_value <real>, intermediate_value_type <trialintermediatevaluetype> NOT NULL, \
         PRIMARY KEY (trial_intermediate_value_id), UNIQUE (trial_id, step), \
         FOREIGN KEY(trial_id) REFERENCES trials (trial_id)",
    ),
    (
        "trial_heartbeats",
        "trial_heartbeat_id <serial> NOT NULL, trial_id INTEGER NOT NULL, heartbeat <time> NOT NULL, \
         PRIMARY KEY (trial_heartbeat_id), UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id)",
    ),
    (
        "alembic_version",
        "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)",
    ),
];

/// `<table>` is its name without the plural.
const STUDY_ATTRIBUTES: &str = "<table>_id <serial> NOT NULL, study_id INTEGER, \"key\" VARCHAR(512), value_json TEXT, \
    PRIMARY KEY (<table>_id), UNIQUE (study_id, \"key\"), FOREIGN KEY(study_id) REFERENCES studies (study_id)";
const TRIAL_ATTRIBUTES: &str = "<table>_id <serial> NOT NULL, trial_id INTEGER, \"key\" VARCHAR(512), value_json TEXT, \
    PRIMARY KEY (<table>_id), UNIQUE (trial_id, \"key\"), FOREIGN KEY(trial_id) REFERENCES trials (trial_id)";

const INDICES: [&str; 2] = [
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)",
    "CREATE INDEX ix_trials_study_id ON trials (study_id)",
];

/// Whether the tables are there.
pub(super) fn exists(connection: &mut dyn Connection, dialect: &Dialect) -> Result<bool, Failure> {
    Ok(!connection.run(dialect.has_table, &["studies".into()])?.is_empty())
}

/// Makes the tables, within a transaction.
pub(super) fn create(connection: &mut dyn Connection, dialect: &Dialect) -> Result<(), Failure> {
    if let Some(lock) = dialect.lock_schema {
        connection.run(lock, &[])?;
    }
    if exists(connection, dialect)? {
        return Ok(());
    }
    if dialect.enumerations {
        for (name, values) in ENUMERATIONS {
            connection.run(&format!("CREATE TYPE {name} AS ENUM ({values})"), &[])?;
        }
    }
    for (name, columns) in TABLES {
        let singular = name.strip_suffix('s').unwrap_or(name);
        let mut columns = columns.replace("<table>", singular);
        for (token, text) in [("serial", dialect.serial), ("real", dialect.real), ("time", dialect.time)] {
            columns = columns.replace(&format!("<{token}>"), text);
        }
        for (token, width) in WIDTHS {
            columns =
                columns.replace(&format!("<{token}>"), if dialect.enumerations { token } else { width });
        }
        connection.run(&format!("CREATE TABLE {name} ({columns})"), &[])?;
    }
    for index in INDICES {
        connection.run(index, &[])?;
    }
    guard_claims(connection, dialect)?;
    let (number, library) = MADE_BY;
    connection.run("INSERT INTO version_info VALUES (1, $1, $2)", &[number.into(), library.into()])?;
    connection.run("INSERT INTO alembic_version VALUES ($1)", &[VERSION.into()])?;
    Ok(())
}

/// Sees to it that a trial starts once, also in tables that Optuna made, within a transaction.
pub(super) fn guard_claims(connection: &mut dyn Connection, dialect: &Dialect) -> Result<(), Failure> {
    if let Some(guard) = dialect.guard_claims {
        connection.run(guard, &[])?;
    }
    Ok(())
}

/// Checks that the tables are of the version that is written here.
pub(super) fn check(
    connection: &mut dyn Connection,
    dialect: &Dialect,
    storage: &str,
) -> Result<(), Failure> {
    let unsuitable = |reason: String| StorageError::Unavailable { storage: storage.to_owned(), reason };
    let upgrade = "Optuna's command `optuna storage upgrade` brings it up to date";
    if connection.run(dialect.has_table, &["alembic_version".into()])?.is_empty() {
        return Err(unsuitable(format!("its tables are older than those of Optuna 3.2; {upgrade}")).into());
    }
    let rows = connection.run("SELECT version_num FROM alembic_version", &[])?;
    let version = rows.first().and_then(|row| row.first()?.text()).unwrap_or_default();
    if version == VERSION {
        return Ok(());
    }
    let reason = if OLDER.iter().any(|older| version.starts_with(older)) {
        format!("its tables have the version {version}, older than {VERSION}; {upgrade}")
    } else {
        format!(
            "its tables have the version \"{version}\", which is not known here (known is {VERSION}): a newer Optuna \
             wrote them, which needs a newer optimil"
        )
    };
    Err(unsuitable(reason).into())
}
