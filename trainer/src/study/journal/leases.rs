//! Heartbeats of running trials: a file each, in a folder beside the journal, renewed by its worker.
//!
//! Ages are taken between times that the file system gave, since the clocks of machines differ.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::lock::with_suffix;
use crate::study::unique_name::unique_name;
use crate::study::{Trial, TrialId};

#[derive(Debug)]
pub(super) struct Leases {
    folder: PathBuf,
}

impl Leases {
    pub fn beside(journal: &Path) -> Self {
        Self { folder: with_suffix(journal, ".leases") }
    }

    fn file(&self, trial: TrialId) -> PathBuf {
        self.folder.join(trial.0.to_string())
    }

    /// Notes that the worker of a running trial lives.
    pub fn renew(&self, trial: &Trial) -> io::Result<()> {
        self.write(&self.file(trial.id), &run(trial))
    }

    /// Writes a file; the folder goes with the last lease, perhaps at this moment.
    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        loop {
            match fs::write(file, text) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::create_dir(&self.folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                },
                result => return result,
            }
        }
    }

    /// Ends the lease of a trial that does not run any more. Nothing depends on it.
    pub fn end(&self, trial: TrialId) {
        let _ = fs::remove_file(self.file(trial));
        let _ = fs::remove_dir(&self.folder);
    }

    /// Those of the running trials whose lease was not renewed for `grace`.
    pub fn stale(&self, running: &[Trial], grace: Duration) -> io::Result<Vec<TrialId>> {
        let mut leases = Vec::new();
        for trial in running {
            let file = self.file(trial.id);
            match fs::read_to_string(&file).and_then(|text| Ok((text, modified(&file)?))) {
                // Another text is of a journal that was here before, or just being written.
                Ok((text, renewed)) if text == run(trial) => leases.push((trial.id, renewed)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now()?;
        let old = |renewed| now.duration_since(renewed).is_ok_and(|age| age > grace);
        Ok(leases.into_iter().filter(|(_, renewed)| old(*renewed)).map(|(trial, _)| trial).collect())
    }

    /// The time on the clock of the file system.
    fn now(&self) -> io::Result<SystemTime> {
        let probe = self.folder.join(unique_name());
        self.write(&probe, "now")?;
        let now = modified(&probe);
        fs::remove_file(&probe)?;
        now
    }
}

fn modified(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}

/// Which run of which trial a lease is for.
fn run(trial: &Trial) -> String {
    format!("trial {} since {}", trial.number, trial.started.map(|time| time.to_string()).unwrap_or_default())
}
