//! The lock of a journal: a symbolic link beside it, which works on network file systems too.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::study::unique_name::unique_name;

/// After so long without any sign of its owner, a lock is taken from a process that is taken for dead.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// A lock that is held; released when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    link: PathBuf,
}

impl Lock {
    /// Waits for the lock of a journal.
    ///
    /// A lock whose owner does not write to the journal for `grace` is taken over.
    ///
    /// # Errors
    /// What the operating system says, except that somebody else has it.
    pub fn acquire(journal: &Path, grace: Duration) -> io::Result<Self> {
        let link = with_suffix(journal, ".lock");
        let mut pause = Duration::from_millis(1);
        let mut patience = Patience::default();
        loop {
            match create(journal, &link) {
                Ok(()) => return Ok(Self { link }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if patience.is_over(sign_of_life(&link), Instant::now(), grace) {
                let _ = release(&link);
                (patience, pause) = (Patience::default(), Duration::from_millis(1));
                continue;
            }
            sleep(pause);
            pause = (2 * pause).min(Duration::from_secs(1)).min(grace);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Where somebody took it for abandoned there is nothing to release.
        let _ = release(&self.link);
    }
}

/// Optuna's two locks have one name: a symbolic link, or a file. Whichever is there keeps the other out.
fn create(journal: &Path, link: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(journal, link);
    #[cfg(not(unix))]
    return fs::File::create_new(link).map(drop).inspect(|()| _ = journal);
}

/// Renames before removing: of two that release one lock, one fails here, and does not remove the next owner's.
fn release(link: &Path) -> io::Result<()> {
    let renamed = with_suffix(link, &format!("{}.rename", unique_name()));
    fs::rename(link, &renamed)?;
    fs::remove_file(renamed)
}

/// What changes with every owner and with everything that an owner writes.
type Sign = [Option<SystemTime>; 2];

/// How long there was no new sign of life.
#[derive(Debug, Default)]
struct Patience(Option<(Sign, Instant)>);

impl Patience {
    /// Whether the same sign was seen for longer than `grace`.
    fn is_over(&mut self, sign: Option<Sign>, now: Instant, grace: Duration) -> bool {
        match (self.0, sign) {
            (Some((seen, since)), Some(sign)) if seen == sign => now.duration_since(since) > grace,
            _ => {
                self.0 = sign.map(|sign| (sign, now));
                false
            }
        }
    }
}

/// The sign of a lock's owner; none if the lock is gone.
fn sign_of_life(link: &Path) -> Option<Sign> {
    let modified = |metadata: Metadata| metadata.modified().ok();
    let owner = fs::symlink_metadata(link).ok()?;
    Some([modified(owner), fs::metadata(link).ok().and_then(modified)])
}

/// A path with more at its end.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn journal(folder: &Path) -> PathBuf {
        let journal = folder.join("journal.log");
        fs::write(&journal, "").expect("written");
        journal
    }

    #[test]
    fn one_at_a_time_has_it() {
        let folder = tempfile::tempdir().expect("folder");
        let journal = journal(folder.path());
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let lock = Lock::acquire(&journal, GRACE).expect("lock");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
    }

    #[test]
    fn a_lock_of_the_dead_is_taken_over() {
        let folder = tempfile::tempdir().expect("folder");
        let journal = journal(folder.path());
        std::mem::forget(Lock::acquire(&journal, GRACE).expect("lock"));
        drop(Lock::acquire(&journal, Duration::from_millis(20)).expect("taken over"));
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
    }

    #[test]
    fn patience_ends_when_nothing_changes_for_long_enough() {
        let (start, grace) = (Instant::now(), Duration::from_secs(30));
        let sign = |seconds| Some([Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), None]);
        let mut patience = Patience::default();
        let mut is_over = |sign, seconds| patience.is_over(sign, start + Duration::from_secs(seconds), grace);
        assert!(!is_over(sign(1), 0));
        assert!(!is_over(sign(1), 30));
        assert!(!is_over(sign(2), 31), "its owner wrote, or is another");
        assert!(!is_over(None, 50), "it is free");
        assert!(!is_over(sign(2), 62));
        assert!(is_over(sign(2), 93));
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = Lock::acquire(Path::new("/nowhere/journal.log"), GRACE).expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
