//! What a person sees of a search for hours: a line at the bottom, and a line a trial, in a log as well.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::search::Tally;
use crate::search::jobs::AtATime;
use crate::search::session::Session;
use crate::search::worker::SearchEvent;
use crate::study::{Trial, TrialState, best};

pub(super) struct Display<'a> {
    session: &'a Session<'a>,
    bar: ProgressBar,
    budget: u64,
    state: Mutex<State>,
}

struct State {
    log: File,
    began: Instant,
    /// Trials with a value when this worker began.
    before: u64,
    /// What ran at last, by number.
    last_report: Option<(u64, f64)>,
    told_to_wait: bool,
}

impl<'a> Display<'a> {
    /// Begins the line at the bottom; appends to the log.
    pub fn begin(
        session: &'a Session<'a>,
        log: &Path,
        budget: u64,
        at_a_time: AtATime,
    ) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let log = file.with_context(|| format!("{} cannot be written", log.display()))?;
        let tally = Tally::of(&session.trials()?);
        let bar = ProgressBar::new(budget);
        let style = ProgressStyle::with_template("{bar:20} {msg}, {elapsed} so far");
        bar.set_style(style.expect("a valid template"));
        bar.enable_steady_tick(Duration::from_secs(1));
        let state = State {
            log,
            began: Instant::now(),
            before: tally.valued(),
            last_report: None,
            told_to_wait: false,
        };
        let display = Self { session, bar, budget, state: Mutex::new(state) };
        if tally.valued() > 0 {
            display.line(&format!("{} trials are there already, {at_a_time} go on", tally.valued()));
        }
        display.refresh();
        Ok(display)
    }

    /// Tells of an event.
    pub fn show(&self, event: &SearchEvent) {
        match event {
            SearchEvent::Begins(_) => {}
            SearchEvent::Reports { number, value, .. } => self.state().last_report = Some((*number, *value)),
            SearchEvent::Ends { trial, state, value, reason, elapsed } => {
                let best = self.session.trials().ok().and_then(|trials| best_of(&trials));
                let line = format!(
                    "trial {:>4}  {:<8}  {}  {:>6}{}",
                    trial.number,
                    state.name().to_lowercase(),
                    value.map_or_else(|| "  –   ".into(), |value| format!("{value:.4}")),
                    told(*elapsed),
                    match (reason, best) {
                        (Some(reason), _) => format!("  {reason}"),
                        (None, Some((number, _))) if number == trial.number => "  best so far".into(),
                        (None, Some((number, value))) => format!("  best {value:.4} (trial {number})"),
                        (None, None) => String::new(),
                    }
                );
                self.line(&line);
                let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
                // A full disk must not end the search.
                let _ = writeln!(self.state().log, "{time}  {line}");
            }
            SearchEvent::Waits => {
                if !std::mem::replace(&mut self.state().told_to_wait, true) {
                    self.line("waiting for the last trials, which other workers run");
                }
            }
        }
        self.refresh();
    }

    /// Removes the line at the bottom.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn refresh(&self) {
        let Ok(trials) = self.session.trials() else { return };
        let tally = Tally::of(&trials);
        let state = self.state();
        let mut message = format!("{} of {} trials", tally.valued(), self.budget);
        for (count, name) in [
            (tally.running, "running"),
            (tally.pruned, "pruned"),
            (tally.failed, "failed"),
            (tally.waiting, "waiting"),
        ] {
            if count > 0 {
                message += &format!(", {count} {name}");
            }
        }
        if let Some((number, value)) = best_of(&trials) {
            message += &format!(", best {value:.4} (trial {number})");
        }
        if let Some((number, value)) = state.last_report {
            message += &format!(", trial {number} at {value:.4}");
        }
        // By the pace since this worker began, of all workers together.
        let since = tally.valued().saturating_sub(state.before);
        if since > 0 {
            let left = self.budget.saturating_sub(tally.valued());
            let seconds = state.began.elapsed().as_secs_f64() / since as f64 * left as f64;
            message += &format!(", about {} left", told(Duration::from_secs_f64(seconds)));
        }
        self.bar.set_position(tally.valued());
        self.bar.set_message(message);
    }

    fn line(&self, line: &str) {
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn best_of(trials: &[Trial]) -> Option<(u64, f64)> {
    let best = best(trials, Session::DIRECTION).filter(|trial| trial.state == TrialState::Complete)?;
    Some((best.number, best.value()?))
}

/// A length of time for people.
pub(super) fn told(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 99.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
