//! Task schemas in TOML files.

use std::{fs, path::PathBuf};

use shared_model::schema::TaskSchema;
use trainer::data::read_schema;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("schema.toml");
    fs::write(&path, text).expect("written");
    (folder, path)
}

fn refused(text: &str, parts: &[&str]) {
    let (_folder, path) = file(text);
    let message = read_schema(&path).expect_err("must be refused").to_string();
    for part in parts.iter().chain(&["schema.toml"]) {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains('\n'), "more than one line: {message}");
}

#[test]
fn the_built_in_schema_survives_a_file() {
    let (_folder, path) = file(&toml::to_string(&TaskSchema::euos25()).expect("serialises"));
    assert_eq!(read_schema(&path), Ok(TaskSchema::euos25()));
}

#[test]
fn what_is_left_out_has_defaults() {
    let (_folder, path) = file("[[task]]\nname = \"musk\"\n[columns]\nid = \"molecule\"\n");
    let schema = read_schema(&path).expect("sound");
    assert_eq!(schema.tasks[0].name, "musk");
    assert_eq!((schema.columns.id.as_str(), schema.columns.conformer.as_str()), ("molecule", "conf_id"));
    assert!(schema.absorbance.is_empty() && schema.fluorescence.is_empty());
}

#[test]
fn mistakes_are_named_by_file_and_line() {
    refused("[[task]]\nname = \"a\"\nweigth = \"w\"\n", &["line 3", "weigth"]);
    refused("[[task]]\nname = 3\n", &["line 2", "string"]);
    refused("[[task]\nname = \"a\"\n", &["line 1"]);
    refused("[[task]]\nweight = \"w\"\n", &["name"]);
}

#[test]
fn broken_rules_are_named_with_the_file() {
    refused("[[task]]\nname = \"a\"\n[[task]]\nname = \"a\"\n", &["\"a\" twice"]);
    refused("task = []\n", &["no task"]);
}

#[test]
fn a_schema_that_is_not_a_readable_file_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let says = |path: PathBuf, part: &str| {
        let message = read_schema(&path).expect_err("must be refused").to_string();
        assert!(message.contains(part) && message.contains(&path.display().to_string()), "{message}");
    };
    says(folder.path().join("nothing.toml"), "no such file");
    says(folder.path().to_owned(), "folder");
    let (_folder, path) = file("");
    fs::write(&path, b"\xff\xfe").expect("written");
    says(path, "UTF-8");
}
