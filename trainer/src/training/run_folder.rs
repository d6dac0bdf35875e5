//! What a run leaves in its folder after every epoch: the checkpoint, the table of metrics, the event file.

use std::io;
use std::path::{Path, PathBuf};

use shared_model::schema::TaskSchema;

use super::checkpoint::Checkpoint;
use super::event_file::EventFile;
use super::history::{EpochRecord, write_history};

/// A run folder while its run goes on.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    schema: TaskSchema,
    events: EventFile,
}

impl RunFolder {
    /// Begins, or goes on after this history.
    pub fn open(path: &Path, schema: &TaskSchema, history: &[EpochRecord]) -> io::Result<Self> {
        let events = EventFile::create(path, schema, history)?;
        Ok(Self { path: path.into(), schema: schema.clone(), events })
    }

    /// Keeps the state after an epoch. The checkpoint first: what comes after it is made good on resuming.
    pub fn record(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        checkpoint.write(&self.path)?;
        write_history(&self.path.join("metrics.csv"), &self.schema, &checkpoint.history)?;
        checkpoint.history.last().map_or(Ok(()), |epoch| self.events.append(epoch))
    }
}
