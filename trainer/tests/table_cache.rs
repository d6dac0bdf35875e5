//! Datasets are kept for the next run, and what is kept is never wrong.

mod tables;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use tables::Small;
use trainer::data::{self, Cache, Dataset, Labels, Splits};

/// A cache that also keeps small tables.
fn cache(folder: &Path) -> Cache {
    Cache { least_bytes: 0, ..Cache::new(folder.join("cache")) }
}

fn cached(small: &Small, cache: &Cache) -> (Dataset, Option<String>) {
    data::load_cached(&small.tables(), &small.schema, &small.splits, small.labels, cache)
        .expect("sound tables")
}

fn direct(small: &Small) -> Dataset {
    data::load(&small.tables(), &small.schema, &small.splits, small.labels).expect("sound tables")
}

/// The files in the cache, the most recently used last.
fn entries(cache: &Cache) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(&cache.folder) else { return Vec::new() };
    let mut entries: Vec<PathBuf> = files.map(|file| file.expect("file").path()).collect();
    entries.sort_by_key(|path| last_use(path));
    entries
}

fn last_use(path: &Path) -> SystemTime {
    path.metadata().and_then(|metadata| metadata.modified()).expect("time")
}

/// Makes an entry look as if it was used so many hours ago.
fn age(path: &Path, hours: u64) -> SystemTime {
    let time = SystemTime::now() - Duration::from_hours(hours);
    File::options().append(true).open(path).and_then(|file| file.set_modified(time)).expect("time set");
    last_use(path)
}

#[test]
fn the_second_reading_is_the_same_dataset_from_the_cache() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    let expected = direct(&small);
    assert_eq!(cached(&small, &cache), (expected.clone(), None));
    let written = entries(&cache);
    assert_eq!(written.len(), 1);
    let before = age(&written[0], 5);
    let (found, notice) = cached(&small, &cache);
    assert!(last_use(&written[0]) > before, "the entry was used");
    assert_eq!((&found, notice), (&expected, None));
    assert_eq!(found.sha256(), expected.sha256());
    assert_eq!(entries(&cache), written);
}

#[test]
fn other_tables_and_other_questions_are_other_entries() {
    let (mut small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    cached(&small, &cache);
    for (count, change) in (2..).zip([
        (|small| small.edit("feat3d.csv", "0.5", "0.75")) as fn(&mut Small),
        |small| small.edit("labels.csv", "A,train,0,1", "A,train,0,0"),
        |small| small.edit("qm.csv", "B,0,30,ok", "B,0,30,failed"),
        |small| small.splits = Splits::All,
        |small| small.labels = Labels::Optional,
        |small| small.schema.tasks[0].weight = None,
    ]) {
        change(&mut small);
        assert_eq!(cached(&small, &cache), (direct(&small), None));
        assert_eq!(entries(&cache).len(), count);
        assert_eq!(cached(&small, &cache), (direct(&small), None));
        assert_eq!(entries(&cache).len(), count);
    }
}

#[test]
fn the_content_counts_and_not_the_name_or_time_of_a_table() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    cached(&small, &cache);
    let copy = Small::new();
    assert_eq!(cached(&copy, &cache), (direct(&small), None));
    assert_eq!(entries(&cache).len(), 1);
}

#[test]
fn a_damaged_or_foreign_entry_is_noted_and_written_anew() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    let expected = cached(&small, &cache).0;
    let entry = entries(&cache).remove(0);
    let sound = fs::read(&entry).expect("entry");
    let mut damaged: Vec<Vec<u8>> =
        [0, 8, 63, 64, 200, sound.len() - 1].map(|length| sound[..length].to_vec()).into();
    for position in [0, 20, 64, 70, 97, 130, sound.len() / 2, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[position] ^= 1;
        damaged.push(bytes);
    }
    damaged.push([sound.as_slice(), b"more"].concat());
    damaged.push(b"something else\n".to_vec());
    for bytes in damaged {
        fs::write(&entry, &bytes).expect("written");
        let (found, notice) = cached(&small, &cache);
        assert_eq!(found, expected);
        let notice = notice.expect("a notice");
        assert!(notice.contains(&entry.display().to_string()) && notice.contains("read instead"), "{notice}");
        assert_eq!(cached(&small, &cache), (expected.clone(), None));
        assert_eq!(fs::read(&entry).expect("entry"), sound);
    }
}

#[test]
fn the_least_recently_used_entries_make_room() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let mut cache = cache(folder.path());
    cached(&small, &cache);
    let first = entries(&cache).remove(0);
    cache.most_bytes = 5 * first.metadata().expect("entry").len() / 2;
    age(&first, 5);
    small.edit("feat3d.csv", "0.5", "0.75");
    cached(&small, &cache);
    let second = entries(&cache).remove(1);
    age(&second, 2);
    small.edit("feat3d.csv", "0.75", "0.25");
    cached(&small, &cache);
    let left = entries(&cache);
    assert!(left.len() == 2 && left[0] == second && !left.contains(&first), "{left:?}");
}

#[test]
fn files_of_a_run_that_was_killed_are_removed_after_a_day() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    fs::create_dir_all(&cache.folder).expect("folder");
    let [old, new, foreign] =
        [".old.partial", ".new.partial", "notes.txt"].map(|name| cache.folder.join(name));
    for path in [&old, &new, &foreign] {
        fs::write(path, "").expect("written");
    }
    age(&old, 30);
    age(&foreign, 30);
    cached(&small, &cache);
    assert_eq!([old, new, foreign].map(|path| path.exists()), [false, true, true]);
}

#[test]
fn small_tables_and_bad_tables_leave_nothing_behind() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    assert_eq!(cached(&small, &Cache::new(folder.path().join("cache"))), (direct(&small), None));
    let cache = cache(folder.path());
    assert_eq!(entries(&cache).len(), 0);
    small.edit("feat3d.csv", "0.5", "x");
    let result = data::load_cached(&small.tables(), &small.schema, &small.splits, small.labels, &cache);
    let expected = data::load(&small.tables(), &small.schema, &small.splits, small.labels);
    assert!(result.is_err());
    assert_eq!(result.map(|(dataset, _)| dataset), expected);
    assert_eq!(entries(&cache).len(), 0);
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    fs::write(&cache.folder, "a file where the folder should be").expect("written");
    let (found, notice) = cached(&small, &cache);
    assert_eq!(found, direct(&small));
    assert!(notice.is_some());
}

#[test]
fn several_runs_at_once_do_not_disturb_each_other() {
    let (small, folder) = (Small::new(), tempfile::tempdir().expect("folder"));
    let cache = cache(folder.path());
    let expected = direct(&small);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope
                .spawn(|| (0..10).for_each(|_| assert_eq!(cached(&small, &cache), (expected.clone(), None))));
        }
    });
    assert_eq!(entries(&cache).len(), 1);
}
