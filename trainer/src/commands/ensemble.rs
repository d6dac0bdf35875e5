//! `optimil ensemble`

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use shared_model::bundle::BundleReader;

use crate::bundle_file;
use crate::ensemble::{Part, join};

#[derive(Debug, Args)]
pub(super) struct EnsembleArgs {
    /// The model bundles, of the same tasks and features
    #[arg(required = true, num_args = 2.., value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Names of the members, one a bundle, separated by commas [default: their files, or folders, without endings]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    names: Option<Vec<String>>,
    /// The bundle to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &EnsembleArgs) -> anyhow::Result<()> {
    let names = match &args.names {
        Some(names) => given_names(names, args.bundles.len())?,
        None => default_names(&args.bundles)?,
    };
    let files: Vec<String> = args.bundles.iter().map(|path| path.display().to_string()).collect();
    let bytes: Vec<Vec<u8>> = args
        .bundles
        .iter()
        .zip(&files)
        .map(|(path, file)| fs::read(path).with_context(|| file.clone()))
        .collect::<Result<_, _>>()?;
    let parts: Vec<Part> = bytes
        .iter()
        .zip(&files)
        .zip(names)
        .map(|((bytes, file), name)| {
            let bundle = BundleReader::open(bytes).with_context(|| file.clone())?;
            Ok(Part { file: file.clone(), name, bundle })
        })
        .collect::<anyhow::Result<_>>()?;
    let contents = join(&parts)?;
    bundle_file::write(&args.out, &contents)
        .with_context(|| format!("{} cannot be written", args.out.display()))?;
    println!(
        "joined {} models with {} molecules: {}",
        contents.models.len(),
        contents.molecules.as_ref().map_or(0, |(molecules, _)| molecules.len()),
        args.out.display()
    );
    Ok(())
}

fn given_names(names: &[String], bundles: usize) -> anyhow::Result<Vec<String>> {
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    ensure!(
        names.len() == bundles,
        "--names has {} names for {bundles} bundles: give one a bundle, separated by commas",
        names.len()
    );
    ensure!(names.iter().all(|name| !name.is_empty()), "--names has an empty name: give one a bundle");
    Ok(names)
}

/// File names without their endings; the names of their folders where all files are called alike, as in run folders.
fn default_names(bundles: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let of: [fn(&Path) -> Option<&OsStr>; 2] = [|path| path.file_stem(), |path| path.parent()?.file_name()];
    for name in of {
        let names: Option<Vec<String>> =
            bundles.iter().map(|path| Some(name(path)?.to_string_lossy().into_owned())).collect();
        if let Some(names) = names
            && names.iter().collect::<HashSet<_>>().len() == names.len()
        {
            return Ok(names);
        }
    }
    bail!(
        "neither the names of the bundles nor those of their folders tell them apart: name the members with --names"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_called_like_their_files_or_else_their_folders() {
        let names =
            |bundles: &[&str]| default_names(&bundles.iter().map(PathBuf::from).collect::<Vec<_>>()).ok();
        let owned = |names: [&str; 2]| Some(names.map(str::to_owned).to_vec());
        assert_eq!(names(&["a.optimil", "runs/b.optimil"]), owned(["a", "b"]));
        assert_eq!(names(&["seed 0/model.optimil", "seed 1/model.optimil"]), owned(["seed 0", "seed 1"]));
        assert_eq!(names(&["a/x/model.optimil", "b/x/model.optimil"]), None);
        assert_eq!(names(&["model.optimil", "b/model.optimil"]), None);
    }
}
