//! Ctrl-C and SIGTERM while a run goes on: the first is a request, the second ends the program at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Stands between the signals and the program until it is dropped.
#[derive(Debug)]
pub(super) struct Interruption {
    requested: Arc<AtomicUsize>,
    at_once: Arc<AtomicBool>,
}

/// The signal that ended the work, for the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Interrupted(String, usize);

impl Interrupted {
    /// A sentence for the user, and the signal that it is about.
    pub fn new(sentence: String, signal: usize) -> Self {
        Self(sentence, signal)
    }

    /// The code of a program that a signal ended: 128 and its number.
    pub fn exit_code(&self) -> u8 {
        u8::try_from(128 + self.1).unwrap_or(u8::MAX)
    }
}

impl Interruption {
    /// Begins to listen.
    pub fn listen() -> io::Result<Self> {
        let (requested, at_once) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal only sets the flag by which the second ends the program.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&at_once))?;
            flag::register(signal, Arc::clone(&at_once))?;
            flag::register_usize(signal, Arc::clone(&requested), signal as usize)?;
        }
        Ok(Self { requested, at_once })
    }

    /// The number of the signal that came; 0: none.
    pub fn requested(&self) -> &AtomicUsize {
        &self.requested
    }
}

impl Drop for Interruption {
    fn drop(&mut self) {
        // Nobody asks any more whether to stop.
        self.at_once.store(true, Ordering::SeqCst);
    }
}
