//! Wall and processor time of a piece of work.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Time that one piece of work took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Seconds on the clock.
    pub wall: f64,
    /// Seconds of all processors, user and system. On a machine shared with others this is the fairer measure.
    pub cpu: f64,
}

/// A clock that was started.
pub struct Clock {
    wall: Instant,
    cpu: f64,
}

impl Clock {
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: process_cpu_seconds() }
    }

    /// Time since the start.
    pub fn read(&self) -> Time {
        Time { wall: self.wall.elapsed().as_secs_f64(), cpu: process_cpu_seconds() - self.cpu }
    }
}

/// Processor time of this process in seconds, in steps of 10 ms; NaN where the system has no `/proc`.
fn process_cpu_seconds() -> f64 {
    let ticks = || -> Option<f64> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field, the name of the program, may contain spaces and ends with a parenthesis. Of the fields
        // after it, user time is number 12 and system time number 13, in ticks of 1/100 s.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut next = || fields.next()?.parse::<f64>().ok();
        Some(next()? + next()?)
    };
    ticks().map_or(f64::NAN, |ticks| ticks / 100.0)
}
