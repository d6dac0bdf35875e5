//! Transactions that survive a lost connection and what others do at the same time.

use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::connection::{Cell, Connection, Dialect, Engine, Failure};
use crate::study::StorageError;

/// How long a database may be away, for instance while it is restarted.
const PATIENCE: Duration = Duration::from_secs(300);

/// Pauses between attempts to reach it grow up to this.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// How often a transaction is tried while others are in the way, or connections break.
const ATTEMPTS: u32 = 20;

/// A connection that is made again when it is lost.
pub(super) struct Session<E> {
    engine: E,
    connection: Mutex<Option<Box<dyn Connection>>>,
}

/// What became of a transaction.
enum Outcome<T> {
    Done(T),
    Failed(Failure),
    /// The connection was lost while it was committed, with this number.
    Unknown {
        result: T,
        transaction: i64,
        reason: String,
    },
}

impl<E: Engine> Session<E> {
    /// Connects, at once or not at all.
    pub fn open(engine: E) -> Result<Self, StorageError> {
        let connection = engine.connect();
        let session = Self { engine, connection: Mutex::default() };
        *session.lock() = Some(connection.map_err(|failure| session.error(failure))?);
        Ok(session)
    }

    pub fn describe(&self) -> String {
        self.engine.describe()
    }

    pub fn dialect(&self) -> &'static Dialect {
        self.engine.dialect()
    }

    pub fn warning(&self) -> Option<String> {
        self.engine.warning()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Connection>>> {
        self.connection.lock().expect("no thread panics while it talks to the database")
    }

    fn error(&self, failure: Failure) -> StorageError {
        let (Failure::Lost(reason) | Failure::Conflict(reason) | Failure::Refused(reason)) = failure else {
            let Failure::Storage(error) = failure else { unreachable!("all others are above") };
            return error;
        };
        StorageError::Unavailable { storage: self.describe(), reason }
    }

    /// Runs a transaction that changes nothing and sees one state.
    pub fn read<T>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        self.transact(self.dialect().begin_reading, None, work)
    }

    /// Runs a transaction; it happens once, whatever happens to the connection.
    pub fn write<T>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        self.transact(self.dialect().begin, self.dialect().transaction, work)
    }

    fn transact<T>(
        &self,
        begin: &str,
        number: Option<&str>,
        mut work: impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        let mut slot = self.lock();
        let (mut attempts, mut losses) = (0, 0);
        loop {
            let connection = self.connected(&mut slot)?;
            match attempt(connection.as_mut(), begin, number, &mut work) {
                Outcome::Done(result) => return Ok(result),
                Outcome::Failed(Failure::Lost(reason)) => {
                    *slot = None;
                    losses += 1;
                    if losses == ATTEMPTS {
                        return Err(self.error(Failure::Lost(reason)));
                    }
                }
                Outcome::Failed(Failure::Conflict(reason)) => {
                    attempts += 1;
                    if attempts == ATTEMPTS {
                        return Err(self.error(Failure::Conflict(reason)));
                    }
                    sleep(Duration::from_millis(10 * u64::from(attempts)));
                }
                Outcome::Failed(failure) => return Err(self.error(failure)),
                Outcome::Unknown { result, transaction, reason } => {
                    *slot = None;
                    match self.outcome(&mut slot, transaction)? {
                        Some(true) => return Ok(result),
                        Some(false) => {}
                        None => return Err(self.error(Failure::Lost(reason))),
                    }
                }
            }
        }
    }

    /// The connection; a lost one is made again, with patience.
    fn connected<'a>(
        &self,
        slot: &'a mut Option<Box<dyn Connection>>,
    ) -> Result<&'a mut Box<dyn Connection>, StorageError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(100);
        while slot.is_none() {
            match self.engine.connect() {
                Ok(connection) => *slot = Some(connection),
                Err(Failure::Lost(_)) if start.elapsed() < PATIENCE => {
                    sleep(pause);
                    pause = (2 * pause).min(MAX_PAUSE);
                }
                Err(failure) => return Err(self.error(failure)),
            }
        }
        Ok(slot.as_mut().expect("just made"))
    }

    /// Whether a transaction was committed, if the database knows. A server that crashes may give the number of a lost
    /// transaction to another one, whose outcome this then is.
    fn outcome(
        &self,
        slot: &mut Option<Box<dyn Connection>>,
        transaction: i64,
    ) -> Result<Option<bool>, StorageError> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let connection = self.connected(slot)?;
            match connection.run(self.dialect().outcome, &[Cell::Int(transaction)]) {
                Ok(rows) => match rows.first().and_then(|row| row[0].text()) {
                    Some("committed") => return Ok(Some(true)),
                    Some("aborted") => return Ok(Some(false)),
                    Some(_) => sleep(Duration::from_millis(100)),
                    None => return Ok(None),
                },
                Err(Failure::Lost(_)) => *slot = None,
                Err(failure) => return Err(self.error(failure)),
            }
        }
        Ok(None)
    }
}

fn attempt<T>(
    connection: &mut dyn Connection,
    begin: &str,
    number: Option<&str>,
    work: &mut impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
) -> Outcome<T> {
    let result = connection.run(begin, &[]).and_then(|_| {
        let result = work(connection)?;
        let rows = number.map(|number| connection.run(number, &[])).transpose()?;
        let transaction = rows.and_then(|rows| rows.first()?.first()?.int());
        Ok((result, transaction))
    });
    match result {
        Ok((result, transaction)) => match (connection.run("COMMIT", &[]), transaction) {
            (Ok(_), _) => Outcome::Done(result),
            (Err(Failure::Lost(reason)), Some(transaction)) => {
                Outcome::Unknown { result, transaction, reason }
            }
            (Err(failure), _) => {
                let _ = connection.run("ROLLBACK", &[]);
                Outcome::Failed(failure)
            }
        },
        Err(failure) => {
            let _ = connection.run("ROLLBACK", &[]);
            Outcome::Failed(failure)
        }
    }
}
