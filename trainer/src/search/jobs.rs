//! How many trials and folds to run at a time, by a short measurement.

use std::fmt;
use std::thread;

use rayon::ThreadPoolBuilder;

/// A number of trials at a time, and how many batches a second they trained on together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throughput {
    /// Trials at a time.
    pub jobs: usize,
    /// Batches a second, all together.
    pub batches_per_second: f64,
}

/// How much of a search runs at a time in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtATime {
    /// Trials.
    pub trials: usize,
    /// Folds of each.
    pub folds: usize,
}

/// Trials of the budget for each that runs at a time: one that begins knows nothing of those beside it.
const TRIALS_FOR_EACH: u64 = 10;

impl AtATime {
    /// Shares so many trainings at a time among trials and their folds; `fixed` is a number of folds that was asked for.
    ///
    /// Trials come first: of a trial that is given up early, folds ahead are wasted. But no more of them than a tenth of
    /// the budget, so that the later ones can learn from those before.
    pub fn share(trainings: usize, budget: u64, folds: usize, fixed: Option<usize>) -> Self {
        let most = usize::try_from(budget / TRIALS_FOR_EACH).unwrap_or(usize::MAX).max(1);
        let trials = (trainings / fixed.unwrap_or(1).max(1)).clamp(1, most);
        Self { trials, folds: fixed.unwrap_or((trainings / trials).clamp(1, folds)) }
    }
}

impl fmt::Display for AtATime {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.folds {
            1 => write!(f, "{} at a time", self.trials),
            folds => write!(f, "{} at a time ({folds} folds of each)", self.trials),
        }
    }
}

/// What more trials must gain to be worth their memory.
const WORTH: f64 = 1.05;

/// Measures 1, 2, 4 … and `most` trials at a time, as long as more are faster, and tells all that was measured, the
/// fastest last.
///
/// # Errors
/// What the measurement says.
pub fn fastest<E>(
    most: usize,
    mut measure: impl FnMut(usize) -> Result<f64, E>,
) -> Result<Vec<Throughput>, E> {
    let mut measured: Vec<Throughput> = Vec::new();
    let powers = std::iter::successors(Some(1), |jobs| Some(2 * jobs)).take_while(|&jobs| jobs < most);
    for jobs in powers.chain([most.max(1)]) {
        let batches_per_second = measure(jobs)?;
        let now = Throughput { jobs, batches_per_second };
        match measured.last() {
            Some(best) if batches_per_second < WORTH * best.batches_per_second => {
                measured.insert(measured.len() - 1, now);
                break;
            }
            _ => measured.push(now),
        }
    }
    Ok(measured)
}

/// Does the same so many times at once, each with its share of the threads of the machine, as trials are run.
///
/// # Errors
/// What one of them says.
pub fn side_by_side<T: Send, E: Send>(
    jobs: usize,
    work: impl Fn() -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let threads = threads_of_each(jobs);
    thread::scope(|scope| {
        let job = || with_threads(threads, &work);
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(job)).collect();
        let join = |job: thread::ScopedJoinHandle<'_, Result<T, E>>| {
            job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        jobs.into_iter().map(join).collect()
    })
}

/// Threads of one of so many jobs.
pub(super) fn threads_of_each(jobs: usize) -> usize {
    (rayon::current_num_threads() / jobs.max(1)).max(1)
}

/// Does something with threads of its own, so that what runs beside it takes none of them.
pub(super) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    pool.install(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(most: usize, speeds: &[f64]) -> (usize, usize) {
        let mut asked = 0;
        let measured = fastest::<()>(most, |jobs| {
            asked += 1;
            Ok(speeds[jobs - 1])
        })
        .expect("no error");
        (measured.last().expect("one was measured").jobs, asked)
    }

    #[test]
    fn trials_come_before_folds_but_learn_from_each_other() {
        let share = |trainings, budget, folds, fixed| {
            let shared = AtATime::share(trainings, budget, folds, fixed);
            (shared.trials, shared.folds)
        };
        assert_eq!(share(2, 100, 5, None), (2, 1));
        assert_eq!(share(32, 100, 5, None), (10, 3));
        assert_eq!(share(32, 20, 5, None), (2, 5), "no more folds than there are");
        assert_eq!(share(2, 5, 5, None), (1, 2), "a small budget");
        assert_eq!(share(8, 1000, 5, Some(4)), (2, 4));
        assert_eq!(share(2, 1000, 5, Some(5)), (1, 5));
    }

    #[test]
    fn more_are_taken_as_long_as_they_are_worth_it() {
        assert_eq!(chosen(1, &[1.0]), (1, 1));
        assert_eq!(chosen(4, &[1.0, 1.8, 2.0, 3.0]), (4, 3));
        assert_eq!(chosen(4, &[1.0, 1.03, 9.0, 9.0]), (1, 2), "not faster: the search ends");
        assert_eq!(chosen(3, &[1.0, 1.5, 1.7]), (3, 3));
    }
}
