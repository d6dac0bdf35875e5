//! Running the program as a user does, on the chromophores or on tables of twelve molecules.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    root.join(path).to_str().expect("UTF-8").to_owned()
}

pub fn chromophores(file: &str) -> String {
    repository(&format!("data/chromophores/{file}"))
}

pub fn imported(file: &str) -> String {
    repository(&format!("trainer/tests/fixtures/imported/{file}"))
}

pub fn features() -> Vec<String> {
    ["feat2d", "feat3d", "feat3d-qm"]
        .into_iter()
        .flat_map(|table| {
            let file = format!("{}_scaled.csv.gz", table.replace('-', "_"));
            [format!("--{table}"), chromophores(&file)]
        })
        .collect()
}

pub fn optimil(arguments: &[&str], more: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_optimil"));
    // As where nobody is at a desktop.
    command.env_remove("XDG_RUNTIME_DIR").args(arguments).args(more).output().expect("the program starts")
}

pub fn succeeds(arguments: &[&str], more: &[String]) -> String {
    let output = optimil(arguments, more);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Asserts exit code 2 and one line on standard error that holds all of `parts`.
pub fn refuses(arguments: &[&str], more: &[String], parts: &[&str]) {
    let output = optimil(arguments, more);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "one sentence: {text}");
    for part in parts {
        assert!(text.contains(part), "\"{part}\" is not in: {text}");
    }
}

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("written");
        self.path(name)
    }

    /// The bundle of the imported checkpoint.
    pub fn imported_bundle(&self) -> String {
        let bundle = self.path("imported.optimil");
        let labels = imported("labels.csv");
        let checkpoint = imported("model.ckpt");
        succeeds(&["import", &checkpoint, "--labels", &labels, "-o", &bundle], &features());
        bundle
    }

    pub fn names(&self) -> Vec<PathBuf> {
        fs::read_dir(self.0.path()).expect("folder").map(|entry| entry.expect("entry").path()).collect()
    }
}

/// Parameters of a network that trains in a moment.
pub const SMALL: &str = r#"{
    "mol_hidden": 32, "mol_layers": 2, "inst_hidden": 32, "inst_layers": 2, "proj_dim": 32, "attn_heads": 4,
    "mixer_hidden": 32, "mixer_layers": 2, "head_num_layers": 1, "batch_size": 128, "accumulate_grad_batches": 3
}"#;

/// Options that name the tables of twelve molecules of one task, without auxiliary targets, with these two 2D
/// features and one 3D feature of molecule `row`: eight in the split `train`, four in `leaderboard`.
pub fn one_task(folder: &Folder, features: fn(usize) -> [String; 3]) -> Vec<String> {
    let table = |name: &str, header: &str, row: &dyn Fn(usize) -> String| {
        let rows: Vec<String> = (0..12).map(row).collect();
        folder.write(name, format!("{header}\n{}\n", rows.join("\n")).as_bytes())
    };
    let labels = table("labels.csv", "ID,split,active", &|row| {
        format!("M{row},{},{}", if row < 8 { "train" } else { "leaderboard" }, row % 2)
    });
    let feat2d = table("feat2d.csv", "ID,a,b", &|row| format!("M{row},{}", features(row)[..2].join(",")));
    let feat3d = table("feat3d.csv", "ID,conf_id,x", &|row| format!("M{row},0,{}", features(row)[2]));
    let schema = folder.write("schema.toml", b"[[task]]\nname = \"active\"\n");
    let options = [("labels", labels), ("schema", schema), ("feat2d", feat2d), ("feat3d", feat3d)];
    options.into_iter().flat_map(|(name, file)| [format!("--{name}"), file]).collect()
}

/// Features of small numbers, for [`one_task`].
pub fn small_numbers(row: usize) -> [String; 3] {
    [row, 3 * row % 7, 5 * row % 11].map(|number| (number as f32 / 5.0).to_string())
}
