//! What this module asks of a database: statements, and what differs between the two kinds.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::study::{StorageError, TrialState};

/// A value in a table, or for one.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::study) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

/// A row of a result.
pub(in crate::study) type Row = Vec<Cell>;

/// Why a statement failed.
#[derive(Debug)]
pub(in crate::study) enum Failure {
    /// There is no connection (any more).
    Lost(String),
    /// Somebody else was in the way; the transaction may be tried again.
    Conflict(String),
    /// The statement, or the database, is not as it should be.
    Refused(String),
    /// Found out while asking.
    Storage(StorageError),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// A connection to a database.
pub(in crate::study) trait Connection: Send {
    /// Runs a statement. Its parameters are called `$1`, `$2`, …
    fn run(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Row>, Failure>;
}

/// Where connections come from.
pub(in crate::study) trait Engine: Send + Sync {
    /// The database as a URL, without passwords.
    fn describe(&self) -> String;
    /// How it speaks.
    fn dialect(&self) -> &'static Dialect;
    /// A new connection.
    fn connect(&self) -> Result<Box<dyn Connection>, Failure>;
    /// What a user of this database should know.
    fn warning(&self) -> Option<String> {
        None
    }
}

/// How databases differ.
#[derive(Debug)]
pub(in crate::study) struct Dialect {
    /// Type of a key that counts up.
    pub serial: &'static str,
    /// Type of a number of 64 bits.
    pub real: &'static str,
    /// Type of a time.
    pub time: &'static str,
    /// Whether enumerations are types of their own.
    pub enumerations: bool,
    /// Begins a transaction that writes.
    pub begin: &'static str,
    /// Begins a transaction that reads, always the same state.
    pub begin_reading: &'static str,
    /// Keeps others from creating tables during a transaction.
    pub lock_schema: Option<&'static str>,
    /// After a `SELECT`: nobody else changes the row before the transaction ends.
    pub lock_row: &'static str,
    /// Makes the database itself refuse to start a trial twice, where Optuna looks at a trial before it locks it.
    pub guard_claims: Option<&'static str>,
    /// Whether a table of the name `$1` is there.
    pub has_table: &'static str,
    /// The time.
    pub now: &'static str,
    /// Seconds since the heartbeat `h.heartbeat`.
    pub age: &'static str,
    /// Whether a connection can be lost between a commit and the answer to it.
    pub remote: bool,
}

impl Cell {
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn real(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Null => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A time, which databases keep in UTC without saying so.
    pub fn time(&self) -> Option<jiff::Timestamp> {
        let time: civil::DateTime = self.text()?.parse().ok()?;
        time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
    }

    pub fn of_time(time: Option<jiff::Timestamp>) -> Self {
        time.map_or(Self::Null, |time| Self::Text(time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()))
    }

    /// A number as the value and its type, in two columns.
    pub fn of_number(number: f64) -> [Self; 2] {
        let (value, kind) = match number {
            f64::INFINITY => (Self::Null, "INF_POS"),
            f64::NEG_INFINITY => (Self::Null, "INF_NEG"),
            _ if number.is_nan() => (Self::Null, "NAN"),
            _ => (Self::Real(number), "FINITE"),
        };
        [value, kind.into()]
    }

    /// The number in two columns.
    pub fn number(value: &Self, kind: &Self) -> Option<f64> {
        match kind.text()? {
            "FINITE" => value.real(),
            "INF_POS" => Some(f64::INFINITY),
            "INF_NEG" => Some(f64::NEG_INFINITY),
            "NAN" => Some(f64::NAN),
            _ => None,
        }
    }

    pub fn state(&self) -> Option<TrialState> {
        let name = self.text()?;
        TrialState::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
