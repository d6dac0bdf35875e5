//! The folds of a trial, several at a time, told of in their order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::jobs::{threads_of_each, with_threads};

enum Message<E, R> {
    Event(E),
    Ended(R),
}

/// Who hears of what folds do.
pub(super) trait Audience<E, R> {
    /// Something happened in a fold.
    fn hear(&mut self, fold: usize, event: E);

    /// A fold ended. Says whether to go on.
    fn ended(&mut self, fold: usize, result: R) -> bool;
}

/// Runs the folds `0..count`, `jobs` at a time, which share the threads of the caller. `run` gets the number of a fold and
/// an ear for what happens in it.
///
/// The audience is told as if one fold had run after the other: of a later one when all before it have ended. Nothing
/// more is told as soon as it does not want to go on or `stop` is above 0, which then is set for the folds that still run:
/// they have to look at it, and are waited for.
pub(super) fn in_order<E: Send, R: Send>(
    count: usize,
    jobs: usize,
    stop: &AtomicUsize,
    run: impl Fn(usize, &mut dyn FnMut(E)) -> R + Sync,
    audience: &mut impl Audience<E, R>,
) {
    let stopped = || stop.load(Ordering::Relaxed) > 0;
    // A reason that stands there already stays.
    let cease = || _ = stop.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
    let jobs = jobs.clamp(1, count.max(1));
    if jobs == 1 {
        // On the caller's threads, which keep the memory that a training leaves behind for the next one.
        for fold in 0..count {
            let result = run(fold, &mut |event| {
                if !stopped() {
                    audience.hear(fold, event);
                }
            });
            if stopped() || !audience.ended(fold, result) {
                return cease();
            }
        }
        return;
    }
    let threads = threads_of_each(jobs);
    let (senders, ears): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel()).unzip();
    let queue = Mutex::new(senders.into_iter().enumerate());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped() {
            // Nobody is to wait for those that never begin.
            queue.by_ref().for_each(drop);
        }
        queue.next()
    };
    let job = || {
        while let Some((fold, sender)) = next() {
            // Nobody listens any more once the trial has stopped.
            let result = run(fold, &mut |event| drop(sender.send(Message::Event(event))));
            drop(sender.send(Message::Ended(result)));
        }
    };
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(|| with_threads(threads, job))).collect();
        let goes_on = ears.iter().enumerate().all(|(fold, ear)| {
            loop {
                match ear.recv() {
                    Ok(Message::Event(event)) => audience.hear(fold, event),
                    Ok(Message::Ended(result)) => break audience.ended(fold, result),
                    Err(_) => break false,
                }
                if stopped() {
                    break false;
                }
            }
        });
        if !goes_on {
            cease();
        }
        for job in jobs {
            job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what it is told; stops at an event, or after a fold.
    #[derive(Default)]
    struct Notes {
        told: Vec<(usize, Option<u32>)>,
        last_fold: Option<usize>,
    }

    impl Audience<u32, ()> for Notes {
        fn hear(&mut self, fold: usize, event: u32) {
            self.told.push((fold, Some(event)));
        }

        fn ended(&mut self, fold: usize, (): ()) -> bool {
            self.told.push((fold, None));
            self.last_fold != Some(fold)
        }
    }

    /// Tells 0, 1 and 2; the first fold is the slowest.
    fn three(fold: usize, tell: &mut dyn FnMut(u32)) {
        for event in 0..3 {
            thread::sleep(std::time::Duration::from_millis(if fold == 0 { 20 } else { 1 }));
            tell(event);
        }
    }

    #[test]
    fn folds_side_by_side_are_told_of_one_after_the_other() {
        let expected: Vec<_> = (0..4)
            .flat_map(|fold| [0, 1, 2].map(Some).into_iter().chain([None]).map(move |e| (fold, e)))
            .collect();
        for jobs in [1, 2, 9] {
            let mut notes = Notes::default();
            let stop = AtomicUsize::new(0);
            in_order(4, jobs, &stop, three, &mut notes);
            assert_eq!(notes.told, expected, "{jobs} at a time");
            assert_eq!(stop.into_inner(), 0);
        }
    }

    #[test]
    fn nothing_is_told_after_the_end_and_all_are_stopped() {
        for jobs in [1, 3] {
            let mut notes = Notes { last_fold: Some(1), ..Notes::default() };
            let stop = AtomicUsize::new(0);
            let begun = AtomicUsize::new(0);
            in_order(
                50,
                jobs,
                &stop,
                |fold, tell| {
                    begun.fetch_add(1, Ordering::Relaxed);
                    three(fold, tell);
                },
                &mut notes,
            );
            assert_eq!(notes.told.last(), Some(&(1, None)));
            assert_eq!(notes.told.len(), 8);
            assert_eq!(stop.into_inner(), 1);
            assert!(begun.into_inner() < 50, "those that wait never begin");
        }
    }

    #[test]
    fn a_stop_from_outside_ends_the_waiting() {
        let stop = AtomicUsize::new(0);
        let mut notes = Notes::default();
        let run = |fold: usize, tell: &mut dyn FnMut(u32)| {
            tell(0);
            if fold == 1 {
                stop.store(15, Ordering::Relaxed);
            }
        };
        in_order(5, 1, &stop, run, &mut notes);
        assert!(notes.told.iter().all(|&(fold, _)| fold <= 1), "{:?}", notes.told);
        assert_eq!(stop.load(Ordering::Relaxed), 15);
    }

    #[test]
    #[should_panic(expected = "a mistake in fold 2")]
    fn a_panic_is_handed_on() {
        let run = |fold: usize, _: &mut dyn FnMut(u32)| assert!(fold != 2, "a mistake in fold {fold}");
        in_order(4, 2, &AtomicUsize::new(0), run, &mut Notes::default());
    }
}
