//! Work on several threads whose results arrive in the order of the input, whatever the number of threads.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// As many threads as the machine runs at once.
pub(super) fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Takes items from `next` until there are none, gives each to `work` on some thread, and its result to `done`.
///
/// `next` and `done` are never called twice at once, and `done` in the order of the items. Only a few results per
/// thread wait for their turn. The first error, in the order of the items, ends everything.
pub(super) fn in_order<I, R, E>(
    threads: NonZeroUsize,
    mut next: impl FnMut() -> Result<Option<I>, E> + Send,
    work: impl Fn(I) -> Result<R, E> + Sync,
    mut done: impl FnMut(R) -> Result<(), E> + Send,
) -> Result<(), E>
where
    I: Send,
    R: Send,
    E: Send,
{
    if threads == NonZeroUsize::MIN {
        while let Some(item) = next()? {
            done(work(item)?)?;
        }
        return Ok(());
    }
    let line = Line {
        source: Mutex::new(Source { next, given: 0, ended: false }),
        queue: Mutex::new(Queue { waiting: BTreeMap::new(), turn: 0, serving: false, stopped: false }),
        moved: Condvar::new(),
        places: 2 * threads.get(),
    };
    let done = Mutex::new(done);
    let outcome = Mutex::new(Ok(()));
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| {
                let _stop = StopOnPanic(&line);
                while let Some((number, item)) = line.take() {
                    if !line.enter(number, item.and_then(&work)) {
                        continue;
                    }
                    // Only one thread at a time serves the queue; the others go on working.
                    let mut done = lock(&done);
                    while let Some(result) = line.leave() {
                        if let Err(error) = result.and_then(&mut *done) {
                            *lock(&outcome) = Err(error);
                            line.stop();
                        }
                    }
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Items on their way from the source to the end of the queue.
struct Line<N, R> {
    source: Mutex<Source<N>>,
    queue: Mutex<Queue<R>>,
    /// Told when the queue moves or stops.
    moved: Condvar,
    /// Results that may wait.
    places: usize,
}

struct Source<N> {
    next: N,
    given: usize,
    ended: bool,
}

struct Queue<R> {
    waiting: BTreeMap<usize, R>,
    /// Number of the result that is served next.
    turn: usize,
    serving: bool,
    stopped: bool,
}

impl<N, R> Line<N, R> {
    /// The next item and its number. A failure to get it is an item too, and the last.
    fn take<I, E>(&self) -> Option<(usize, Result<I, E>)>
    where
        N: FnMut() -> Result<Option<I>, E>,
    {
        let mut source = lock(&self.source);
        if source.ended || lock(&self.queue).stopped {
            return None;
        }
        let item = (source.next)().transpose();
        source.ended = !matches!(item, Some(Ok(_)));
        source.given += 1;
        item.map(|item| (source.given - 1, item))
    }

    /// Queues a result, when there is room; whether the caller is to serve the queue.
    fn enter(&self, number: usize, result: R) -> bool {
        let mut queue = lock(&self.queue);
        // The result whose turn it is always finds room.
        while number >= queue.turn + self.places && !queue.stopped {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.waiting.insert(number, result);
        !std::mem::replace(&mut queue.serving, true)
    }

    /// The result whose turn it is; `None` ends the service.
    fn leave(&self) -> Option<R> {
        let mut queue = lock(&self.queue);
        let turn = queue.turn;
        let result = if queue.stopped { None } else { queue.waiting.remove(&turn) };
        queue.serving = result.is_some();
        queue.turn += usize::from(result.is_some());
        self.moved.notify_all();
        result
    }

    fn stop(&self) {
        lock(&self.queue).stopped = true;
        self.moved.notify_all();
    }
}

/// Lets nobody wait for the result of a thread that has panicked.
struct StopOnPanic<'a, N, R>(&'a Line<N, R>);

impl<N, R> Drop for StopOnPanic<'_, N, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// A panic elsewhere ends the program's work anyway, so that what it left behind does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(end: usize) -> impl FnMut() -> Result<Option<usize>, usize> {
        let mut numbers = 0..end;
        move || Ok(numbers.next())
    }

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).expect("not 0")
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [1, 2, 3, 8] {
            let mut squares = Vec::new();
            let uneven = |number: usize| {
                (0..number % 7 * 1000).for_each(|step| _ = std::hint::black_box(step));
                Ok(number * number)
            };
            let result = in_order(threads(count), numbers(500), uneven, |square| {
                squares.push(square);
                Ok(())
            });
            assert_eq!(result, Ok(()));
            assert!(squares.into_iter().eq((0..500).map(|number| number * number)), "{count} threads");
        }
    }

    #[test]
    fn the_first_error_of_the_order_is_the_one_reported_and_nothing_behind_it_is_done() {
        for count in [1, 2, 8] {
            let mut last = None;
            let work = |number: usize| if number % 40 == 39 { Err(number) } else { Ok(number) };
            let result = in_order(threads(count), numbers(500), work, |number| {
                last = Some(number);
                Ok(())
            });
            assert_eq!((result, last), (Err(39), Some(38)), "{count} threads");
        }
    }

    #[test]
    fn errors_of_the_source_and_of_the_end_are_reported() {
        for count in [1, 4] {
            let mut left = 10;
            let source = || {
                left -= 1;
                if left == 0 { Err("source") } else { Ok(Some(left)) }
            };
            assert_eq!(in_order(threads(count), source, Ok, |_| Ok(())), Err("source"));
            let result =
                in_order(
                    threads(count),
                    numbers(9),
                    Ok,
                    |number| if number < 5 { Ok(()) } else { Err(number) },
                );
            assert_eq!(result, Err(5));
        }
    }

    #[test]
    #[should_panic = "a scoped thread panicked"]
    fn a_panic_ends_the_work_instead_of_blocking_it() {
        let work = |number: usize| if number == 3 { panic!("expected") } else { Ok(number) };
        let _: Result<(), usize> = in_order(threads(4), numbers(1000), work, |_| Ok(()));
    }
}
