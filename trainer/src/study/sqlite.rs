//! SQLite files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, ToSql};

use super::database::{Cell, Connection, Dialect, Engine, Failure, Row};
use super::{Access, StorageError};

/// How long to wait for others that write.
const PATIENCE: Duration = Duration::from_secs(60);

static DIALECT: Dialect = Dialect {
    serial: "INTEGER",
    real: "FLOAT",
    time: "DATETIME",
    enumerations: false,
    begin: "BEGIN IMMEDIATE",
    begin_reading: "BEGIN",
    lock_schema: None,
    lock_row: "",
    // Python's driver begins a transaction at the first statement that writes: between Optuna's look at a waiting trial
    // and its claim, others may claim the trial, and finish it. Optuna takes the error as "somebody else was first".
    guard_claims: Some(
        "CREATE TRIGGER IF NOT EXISTS optimil_trial_starts_once BEFORE UPDATE OF state ON trials \
         WHEN NEW.state = 'RUNNING' AND OLD.state <> 'WAITING' \
         BEGIN SELECT RAISE(ABORT, 'somebody else has claimed this trial'); END",
    ),
    has_table: "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
    now: "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
    age: "(julianday('now') - julianday(h.heartbeat)) * 86400.0",
    remote: false,
};

/// A file of SQLite. Its journal mode is left as it is, as Optuna leaves it.
pub(super) struct Sqlite {
    path: PathBuf,
    access: Access,
}

impl Sqlite {
    /// The file that a URL names after `sqlite://`.
    ///
    /// # Errors
    /// That it names none.
    pub fn new(rest: &str, access: Access) -> Result<Self, StorageError> {
        let path = rest.strip_prefix('/').filter(|path| !path.is_empty() && !path.contains('?'));
        let Some(path) = path else {
            return Err(StorageError::Unavailable {
                storage: format!("sqlite://{rest}"),
                reason: "write sqlite:///study.db, or with four slashes, sqlite:////data/study.db, for a path from \
                         the root; options are not known"
                    .into(),
            });
        };
        let sqlite = Self { path: path.into(), access };
        if access == Access::Existing && !sqlite.path.exists() {
            let (storage, reason) = (sqlite.describe(), "there is no such file".into());
            return Err(StorageError::Unavailable { storage, reason });
        }
        Ok(sqlite)
    }
}

impl Engine for Sqlite {
    fn describe(&self) -> String {
        format!("sqlite:///{}", self.path.display())
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn connect(&self) -> Result<Box<dyn Connection>, Failure> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if self.access == Access::Create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let open = || {
            let connection = rusqlite::Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            Ok(Box::new(connection))
        };
        Ok(open().map_err(failure)?)
    }

    fn warning(&self) -> Option<String> {
        let kind = network_file_system(self.path.parent().unwrap_or(Path::new(".")))?;
        Some(format!(
            "{} lies on a network file system ({kind}), where SQLite's locks may fail and damage it; use a journal (a \
             path instead of a URL) or PostgreSQL, or only one worker",
            self.path.display()
        ))
    }
}

impl Connection for rusqlite::Connection {
    fn run(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Row>, Failure> {
        let run = || {
            let mut statement = self.prepare_cached(sql)?;
            for (i, cell) in parameters.iter().enumerate() {
                if let Some(index) = statement.parameter_index(&format!("${}", i + 1))? {
                    statement.raw_bind_parameter(index, cell)?;
                }
            }
            let columns = statement.column_count();
            let mut rows = statement.raw_query();
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push((0..columns).map(|i| Ok(cell(row.get_ref(i)?))).collect::<rusqlite::Result<_>>()?);
            }
            Ok(all)
        };
        run().map_err(failure)
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn cell(value: ValueRef) -> Cell {
    match value {
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Real(value) => Cell::Real(value),
        ValueRef::Text(bytes) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
    }
}

fn failure(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::Conflict("somebody else keeps it locked".into())
        }
        Some(ErrorCode::NotADatabase) => Failure::Refused("it is no database of SQLite".into()),
        _ => Failure::Refused(error.to_string()),
    }
}

/// The kind of file system, if it is one whose locks SQLite cannot rely on.
#[cfg(target_os = "linux")]
fn network_file_system(folder: &Path) -> Option<&'static str> {
    /// Numbers of `linux/magic.h`, and of systems whose makers publish theirs.
    const KINDS: [(u32, &str); 10] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB"),
        (0x0BD0_0BD0, "Lustre"),
        (0x00C3_6400, "Ceph"),
        (0x4750_4653, "GPFS"),
        (0x1983_0326, "BeeGFS"),
        (0x5346_414F, "AFS"),
        (0x0102_1997, "9P"),
    ];
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let kind = rustix::fs::statfs(folder).ok()?.f_type as u32;
    KINDS.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}
