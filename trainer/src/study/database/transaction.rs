//! Transactions that survive a lost connection and what others do at the same time.

use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::commits::Commits;
use super::connection::{Connection, Dialect, Engine, Failure};
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
    line: Mutex<Line>,
}

/// What one transaction at a time uses.
struct Line {
    connection: Option<Box<dyn Connection>>,
    commits: Commits,
}

/// What became of a transaction.
enum Outcome<T> {
    Done(T),
    Failed(Failure),
    /// The connection was lost while it was committed, with this number.
    Unknown {
        result: T,
        number: i64,
        reason: String,
    },
}

impl<E: Engine> Session<E> {
    /// Connects, at once or not at all.
    pub fn open(engine: E) -> Result<Self, StorageError> {
        let connection = engine.connect();
        let line = Line { connection: None, commits: Commits::new() };
        let session = Self { engine, line: Mutex::new(line) };
        session.lock().connection = Some(connection.map_err(|failure| session.error(failure))?);
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

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("no thread panics while it talks to the database")
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
        self.transact(self.dialect().begin_reading, false, work)
    }

    /// Runs a transaction; it happens once, whatever happens to the connection.
    pub fn write<T>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        self.transact(self.dialect().begin, self.dialect().remote, work)
    }

    fn transact<T>(
        &self,
        begin: &str,
        numbered: bool,
        mut work: impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        let mut line = self.lock();
        let (mut attempts, mut losses) = (0, 0);
        loop {
            match self.attempt(&mut line, begin, numbered, &mut work)? {
                Outcome::Done(result) => return Ok(result),
                Outcome::Failed(Failure::Lost(reason)) => {
                    line.connection = None;
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
                Outcome::Unknown { result, number, reason } => {
                    line.connection = None;
                    if self.was_committed(&mut line, number, reason)? {
                        line.commits.committed();
                        return Ok(result);
                    }
                }
            }
        }
    }

    /// Tries a transaction once.
    fn attempt<T>(
        &self,
        line: &mut Line,
        begin: &str,
        numbered: bool,
        work: &mut impl FnMut(&mut dyn Connection) -> Result<T, Failure>,
    ) -> Result<Outcome<T>, StorageError> {
        let connection = self.connected(&mut line.connection)?.as_mut();
        let commits = &mut line.commits;
        let result = connection.run(begin, &[]).and_then(|_| {
            let number = numbered.then(|| commits.number(connection, self.dialect())).transpose()?;
            Ok((work(connection)?, number))
        });
        let (failure, result) = match result {
            Ok((result, number)) => match connection.run("COMMIT", &[]) {
                Ok(_) => {
                    if numbered {
                        commits.committed();
                    }
                    return Ok(Outcome::Done(result));
                }
                Err(failure) => (failure, number.zip(Some(result))),
            },
            Err(failure) => (failure, None),
        };
        Ok(match (failure, result) {
            (Failure::Lost(reason), Some((number, result))) => Outcome::Unknown { result, number, reason },
            (failure, _) => {
                let _ = connection.run("ROLLBACK", &[]);
                Outcome::Failed(failure)
            }
        })
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

    /// Whether the transaction of this number was committed, over a new connection. The old one was lost for `reason`.
    fn was_committed(&self, line: &mut Line, number: i64, reason: String) -> Result<bool, StorageError> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let connection = self.connected(&mut line.connection)?;
            match line.commits.holds(number, connection.as_mut(), self.dialect()) {
                Ok(committed) => return Ok(committed),
                Err(Failure::Lost(_)) => line.connection = None,
                Err(Failure::Conflict(_)) => sleep(Duration::from_millis(100)),
                Err(failure) => return Err(self.error(failure)),
            }
        }
        Err(self.error(Failure::Lost(reason)))
    }
}
