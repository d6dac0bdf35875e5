//! Files that are either complete or not there.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

/// Writes a file as a whole: `write` fills a temporary file in the same folder, which is brought to disk and then
/// takes the place of `path`. On failure, what stood at `path` before stands there still.
///
/// # Errors
/// What `write` returns, or what the operating system says.
pub fn write<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".partial");
    // A temporary file is private by default; this one becomes a result, with the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let (file, temporary) = builder.tempfile_in(folder)?.into_parts();
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    drop(file);
    temporary.persist(path).map_err(io::Error::from)?;
    // The new name is on disk once its folder is. Windows cannot open folders as files.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("folder");
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect()
    }

    #[test]
    fn a_finished_file_takes_the_place_of_the_old_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("result.txt");
        std::fs::write(&path, "old").expect("written");
        write(&path, |file| file.write_all(b"new")).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(names(folder.path()), ["result.txt"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("result.txt");
        std::fs::write(&path, "old").expect("written");
        let result = write(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::other("out of luck"))
        });
        assert_eq!(result.expect_err("fails").to_string(), "out of luck");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "old");
        assert_eq!(names(folder.path()), ["result.txt"]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().expect("folder");
        let result: io::Result<()> = write(&folder.path().join("nowhere/result.txt"), |_| Ok(()));
        assert_eq!(result.expect_err("fails").kind(), io::ErrorKind::NotFound);
    }
}
