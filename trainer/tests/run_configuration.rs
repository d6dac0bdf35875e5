//! How a run is described: options and parameters, and what of them is refused.

mod program;

use std::fs;

use self::program::{Folder, one_task, optimil, refuses, small_numbers};

#[test]
fn options_may_have_the_names_and_underscores_of_the_earlier_system() {
    let folder = Folder::new();
    let tables: Vec<String> = one_task(&folder, small_numbers)
        .into_iter()
        .map(|word| match word.as_str() {
            "--feat2d" => "--feat2d_scaled".into(),
            "--feat3d" => "--feat3d_scaled".into(),
            _ => word,
        })
        .collect();
    let parameters = folder.write("best_params.json", b"{ \"mol_hidden\": 16 }");
    let out = folder.path("run");
    let arguments =
        ["train", "--best_params_json", &parameters, "--max_epochs=1", "--device", "cpu", "-o", &out];
    let output = optimil(&arguments, &tables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let resolved = fs::read_to_string(folder.path("run/params.json")).expect("parameters");
    assert!(resolved.contains("\"mol_hidden\": 16"), "{resolved}");
}

#[test]
fn training_without_2d_features_names_the_option() {
    let folder = Folder::new();
    let tables = one_task(&folder, small_numbers);
    let without_2d: Vec<String> =
        tables.chunks_exact(2).filter(|option| option[0] != "--feat2d").flatten().cloned().collect();
    let out = folder.path("run");
    refuses(&["train", "--device", "cpu", "-o", &out], &without_2d, &["--feat2d"]);
}
