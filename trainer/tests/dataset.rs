//! Sound tables become exactly the arrays of the earlier system, whatever their format.

mod tables;

use std::{fs, path::Path};

use serde_json::Value;
use shared_model::{bags::Matrix, schema::TaskSchema};
use tables::{FIXTURE, FIXTURE_FILES, Small, expected, fixture_tables, fixture_train, gzip, parquet_of_csv};
use trainer::data::{self, Labels, Splits, Standardiser, TargetScales, Targets};

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("list").iter().map(|text| text.as_str().expect("text")).collect()
}

fn numbers(value: &Value) -> Vec<Option<f64>> {
    value.as_array().expect("list").iter().map(Value::as_f64).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().expect("list").iter().map(|index| index.as_u64().expect("index") as usize).collect()
}

/// Equal to 1e-6 of the value, or of 1 for smaller ones.
fn assert_close(found: &[f32], wanted: &[Option<f64>], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (index, (&found, wanted)) in found.iter().zip(wanted).enumerate() {
        let (found, wanted) = (f64::from(found), wanted.expect("a number"));
        assert!(
            (found - wanted).abs() <= 1e-6 * wanted.abs().max(1.0),
            "{what}[{index}]: {found}, not {wanted}"
        );
    }
}

fn assert_matrix(found: &Matrix, wanted: &Value, what: &str) {
    let wanted = wanted.as_array().expect("rows");
    assert_eq!(found.rows(), wanted.len(), "{what}");
    for (row, wanted) in wanted.iter().enumerate() {
        assert_close(found.row(row), &numbers(wanted), &format!("{what}[{row}]"));
    }
}

#[test]
fn molecules_keep_the_order_of_the_labels_and_those_without_instances_are_dropped() {
    let (dataset, expected) = (fixture_train(), expected());
    assert_eq!(dataset.ids(), texts(&expected["hpo_ids_kept"]));
    assert_eq!(dataset.report().dropped, texts(&expected["dropped"]));
    assert_eq!(dataset.report().absent_columns_notice(), None);
    assert!(
        dataset.report().dropped_notice().expect("a notice").contains("1 of the molecules (\"EOS100035\")")
    );
    assert_eq!(dataset.smiles()[0].as_deref(), Some("CO"));
    assert!(dataset.splits().iter().all(|split| split.as_deref() == Some("train")));
}

#[test]
fn molecule_features_are_sorted_by_name() {
    let (dataset, expected) = (fixture_train(), expected());
    assert_eq!(dataset.names_2d(), texts(&expected["x2d_columns"]));
    assert_matrix(dataset.bags().x2d(), &expected["x2d"], "x2d");
}

#[test]
fn bags_hold_the_joined_instances_with_duplicates_averaged_and_failures_dropped() {
    let (dataset, expected) = (fixture_train(), expected());
    assert_eq!(
        dataset.names_3d(),
        ["PMI1", "PMI2", "asphericity", "geom_a", "geom_b", "dipole", "gap", "homo", "lumo"]
    );
    for (molecule, id) in dataset.ids().iter().enumerate() {
        let bag = &expected["bags"][id];
        let instances = dataset.bags().instances(molecule);
        let mut conformers: Vec<&str> =
            dataset.conformers()[instances.clone()].iter().map(String::as_str).collect();
        for instance in instances {
            let conformer = dataset.conformers()[instance].as_str();
            let position = texts(&bag["conf_ids"]).iter().position(|&wanted| wanted == conformer);
            let wanted = &bag["x"][position.unwrap_or_else(|| panic!("{id} has no conformer {conformer}"))];
            assert_close(dataset.bags().x3d().row(instance), &numbers(wanted), &format!("{id}/{conformer}"));
        }
        conformers.sort_unstable();
        let mut wanted = texts(&bag["conf_ids"]);
        wanted.sort_unstable();
        assert_eq!(conformers, wanted, "{id}");
    }
}

#[test]
fn labels_and_weights_are_those_expected() {
    let (dataset, expected) = (fixture_train(), expected());
    for (molecule, wanted) in expected["y_cls"].as_array().expect("rows").iter().enumerate() {
        let labels: Vec<usize> = dataset.labels_of(molecule).iter().map(|&label| label.into()).collect();
        assert_eq!(labels, indices(wanted), "{}", dataset.ids()[molecule]);
    }
    assert_eq!(dataset.labels().len(), 4 * dataset.len());
    assert_matrix(dataset.weights(), &expected["w_cls"], "w_cls");
}

#[test]
fn auxiliary_targets_are_masked_with_zeros() {
    let (dataset, expected) = (fixture_train(), expected());
    for (targets, name) in [(dataset.absorbance(), "abs"), (dataset.fluorescence(), "fluo")] {
        assert_matrix(targets.weights(), &expected[format!("w_{name}")], name);
        let (values, masks) = (&expected[format!("y_{name}")], &expected[format!("m_{name}")]);
        let mut masked = 0;
        for molecule in 0..dataset.len() {
            for (output, wanted) in numbers(&values[molecule]).into_iter().enumerate() {
                let present = masks[molecule][output].as_bool().expect("mask");
                assert_eq!(targets.mask()[molecule * targets.outputs() + output], present);
                assert_eq!(targets.get(molecule, output).is_some(), present);
                assert_close(&[targets.values().row(molecule)[output]], &[wanted.or(Some(0.0))], name);
                masked += usize::from(!present);
            }
        }
        assert!(masked > 0, "the fixture must have masked targets");
    }
}

#[test]
fn folds_divide_the_training_molecules() {
    let (dataset, expected) = (fixture_train(), expected());
    assert_eq!(dataset.fold_numbers().expect("folds"), [0, 1, 2, 3]);
    for wanted in expected["folds"].as_array().expect("folds") {
        let fold = dataset.fold(wanted["fold"].as_u64().expect("number") as u32).expect("exists");
        assert_eq!(fold.train, indices(&wanted["train"]));
        assert_eq!(fold.validation, indices(&wanted["val"]));
    }
}

#[test]
fn standardisers_are_fitted_on_the_labelled_training_molecules() {
    let (dataset, expected) = (fixture_train(), expected());
    let scales = TargetScales::fit(&dataset, &dataset.fold(1).expect("fold").train);
    let wanted = &expected["fold1"];
    assert_close(&scales.absorbance.mean, &numbers(&wanted["abs_mean"]), "abs_mean");
    assert_close(&scales.absorbance.std, &numbers(&wanted["abs_std"]), "abs_std");
    assert_close(&scales.fluorescence.mean, &numbers(&wanted["fluo_mean"]), "fluo_mean");
    assert_close(&scales.fluorescence.std, &numbers(&wanted["fluo_std"]), "fluo_std");
    let target = dataset.absorbance().get(1, 0).expect("a target");
    let standardised = scales.absorbance.standardise(0, target);
    assert!((scales.absorbance.restore(0, standardised) - target).abs() < 1e-4);
}

#[test]
fn constant_and_absent_targets_are_not_divided_by_zero() {
    let small = Small::new();
    let dataset = small.sound();
    let fit = |targets: &Targets, rows: &[usize]| Standardiser::fit(targets, rows);
    assert_eq!(fit(dataset.absorbance(), &[0]), Standardiser { mean: vec![400.0], std: vec![1.0] });
    assert_eq!(fit(dataset.absorbance(), &[1]), Standardiser { mean: vec![0.0], std: vec![1.0] });
}

#[test]
fn gzipped_and_parquet_tables_give_the_same_dataset() {
    let (dataset, folder) = (fixture_train(), tempfile::tempdir().expect("folder"));
    for name in FIXTURE_FILES {
        let text = fs::read_to_string(Path::new(FIXTURE).join(name)).expect("fixture");
        // Several row groups; the gzip file is known by its content, not its name.
        let path = folder.path().join(name);
        fs::write(path.with_extension("parquet"), parquet_of_csv(&text, 50)).expect("written");
        fs::write(path.with_extension("gz-by-content"), gzip(text.as_bytes())).expect("written");
    }
    for ending in ["parquet", "gz-by-content"] {
        let tables = fixture_tables(folder.path(), ending);
        let other = data::load(&tables, &TaskSchema::euos25(), &Splits::named(["train"]), Labels::Required);
        let other = other.unwrap_or_else(|error| panic!("{ending}: {error}"));
        assert!(other == dataset, "{ending} differs");
        assert_eq!(other.sha256(), dataset.sha256(), "{ending}");
    }
}

#[test]
fn several_splits_are_loaded_together_and_found_by_name() {
    let tables = fixture_tables(Path::new(FIXTURE), "csv");
    let load = |splits| data::load(&tables, &TaskSchema::euos25(), &splits, Labels::Required).expect("sound");
    let both = load(Splits::named(["train", "leaderboard"]));
    assert_eq!(both, load(Splits::All));
    assert_eq!(both.split_rows("train").expect("rows"), (0..43).collect::<Vec<_>>());
    let leaderboard = both.split_rows("leaderboard").expect("rows");
    assert_eq!(leaderboard, (43..both.len()).collect::<Vec<_>>());
    // Folds divide the training molecules only.
    assert_eq!(both.fold(1).expect("fold"), fixture_train().fold(1).expect("fold"));
    assert_eq!(load(Splits::named(["leaderboard"])).ids(), &both.ids()[43..]);
}

#[test]
fn conformers_keep_the_order_of_the_file_also_when_bags_are_interleaved() {
    let small = Small::new();
    small.write("feat3d.csv", "ID,conf_id,g\nB,z,1\nA,z,2\nB,a,3\nA,a,4\n");
    small.write("qm.csv", "ID,conf_id,q\nA,a,40\nA,z,20\nB,a,30\nB,z,10\n");
    let dataset = small.sound();
    assert_eq!(dataset.conformers(), ["z", "a", "z", "a"]);
    assert_eq!(dataset.bags().offsets(), [0, 2, 4]);
    assert_eq!(dataset.bags().x3d().data(), [2.0, 20.0, 4.0, 40.0, 1.0, 10.0, 3.0, 30.0]);
}

#[test]
fn duplicated_conformers_are_averaged_in_each_table_before_the_join() {
    let small = Small::new();
    small.edit("feat3d.csv", "A,1,0.25\n", "A,1,0.25\nA,0,1.5\nA,0,4\n");
    small.edit("qm.csv", "A,0,10,ok,\n", "A,0,10,ok,\nA,0,11,OK,\nA,0,99,failed,\nA,0,99,ok,diverged\n");
    let dataset = small.sound();
    assert_eq!(dataset.bags().instances(0), 0..2);
    assert_eq!(dataset.bags().x3d().row(0), [2.0, 10.5]);
    assert_eq!(dataset.bags().x3d().row(1), [0.25, 20.0]);
}

#[test]
fn rows_that_are_not_used_may_hold_anything() {
    let small = Small::new();
    small.edit("qm.csv", "A,1,20,ok,", "A,1,nan,failed,");
    small.edit("feat3d.csv", "C,0,3", "C,0,junk");
    small.edit("feat2d.csv", "C,5,6", "C,inf,");
    assert_eq!(small.sound().conformers(), ["0", "0"]);
}

#[test]
fn features_of_conformers_without_a_quantum_row_may_be_missing_in_csv_and_parquet() {
    let small = Small::new();
    small.edit("qm.csv", "A,1,20,ok,", "A,1,20,failed,");
    small.edit("feat3d.csv", "A,1,0.25", "A,1,");
    assert_eq!(small.sound().conformers(), ["0", "0"]);
    let text = fs::read_to_string(small.path("feat3d.csv")).expect("read");
    small.write("feat3d.csv", parquet_of_csv(&text, 2));
    assert_eq!(small.sound().conformers(), ["0", "0"]);
    small.edit("qm.csv", "A,1,20,failed,", "A,1,20,ok,");
    small.refused(&["feat3d.csv", "row 2", "\"g\"", "missing"]);
}

#[test]
fn identifiers_are_text_whatever_they_look_like() {
    let small = Small::new();
    small.write(
        "labels.csv",
        "ID,split,active,toxic,peak,w\n007,train,1,0,,\n7,train,0,0,,\nNA,train,0,0,,\n1e3,train,0,0,,\n",
    );
    small.write("feat2d.csv", "ID,a\n7,1\n007,2\nNA,3\n1e3,4\n");
    small.write("feat3d.csv", "ID,conf_id,g\n7,00,1\n7,0,2\n007,0,3\nNA,nan,4\n1e3,-,5\n");
    small.write("qm.csv", "ID,conf_id,q\n7,00,1\n7,0,2\n007,0,3\nNA,nan,4\n1e3,-,5\n");
    let dataset = small.sound();
    assert_eq!(dataset.ids(), ["007", "7", "NA", "1e3"]);
    assert_eq!(dataset.conformers(), ["0", "00", "0", "nan", "-"]);
}

#[test]
fn whole_number_identifiers_of_parquet_match_the_text_of_csv() {
    let small = Small::new();
    for name in ["labels.csv", "feat2d.csv", "feat3d.csv", "qm.csv"] {
        let text = fs::read_to_string(small.path(name)).expect("read");
        small.write(name, text.replace("\nA,", "\n12,").replace("\nB,", "\n34,").replace("\nC,", "\n56,"));
    }
    let csv = small.sound();
    let text = fs::read_to_string(small.path("feat3d.csv")).expect("read");
    small.write("feat3d.csv", parquet_of_csv(&text, 2));
    let mixed = small.sound();
    assert_eq!(mixed.ids(), ["12", "34"]);
    assert_eq!(mixed, csv);
}

#[test]
fn labels_are_positive_above_zero_and_weights_are_clipped() {
    let small = Small::new();
    small.write(
        "labels.csv",
        "ID,split,cv_fold,active,toxic,peak,w\nA,train,0.0,0.5,-1,NaN,-3\nB,train,,NA,True,1e2,nan\nC,leaderboard,,0,0,,\n",
    );
    let dataset = small.sound();
    assert_eq!(dataset.labels(), [true, false, false, true]);
    assert_eq!(dataset.weights().data(), [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(dataset.folds(), [Some(0), None]);
    assert_eq!(dataset.absorbance().mask(), [false, true]);
    assert_eq!(dataset.absorbance().values().data(), [0.0, 100.0]);
    // A training molecule without a fold trains in every fold.
    assert_eq!(dataset.fold(0).expect("fold").train, [1]);
}

#[test]
fn without_a_label_table_the_2d_table_names_the_molecules() {
    let small = Small::new();
    let labelled = data::load(&small.tables(), &small.schema, &Splits::All, Labels::Required).expect("sound");
    let tables = data::Tables { labels: None, ..small.tables() };
    let dataset = data::load(&tables, &small.schema, &Splits::All, Labels::Optional).expect("sound");
    assert_eq!(dataset.ids(), labelled.ids());
    assert_eq!(dataset.bags(), labelled.bags());
    let error = data::load(&tables, &small.schema, &Splits::All, Labels::Required).expect_err("unlabelled");
    assert!(error.to_string().contains("feat2d.csv"), "{error}");
}

#[test]
fn absent_auxiliary_and_weight_columns_are_without_effect_and_reported() {
    let small = Small::new();
    small.write("labels.csv", "ID,split,active,toxic\nA,train,1,0\nB,train,0,0\n");
    let dataset = small.sound();
    assert_eq!(dataset.absorbance().mask(), [false, false]);
    assert_eq!(dataset.weights().data(), [1.0; 4]);
    assert_eq!(dataset.report().absent_columns, ["w", "peak"]);
    assert!(dataset.report().absent_columns_notice().expect("a notice").contains("\"w\", \"peak\""));
    assert_eq!(dataset.folds(), [None, None]);
}

#[test]
fn unlabelled_tables_are_enough_for_prediction() {
    let mut small = Small::new();
    small.write("labels.csv", "ID\nC\nA\n");
    (small.splits, small.labels) = (Splits::All, Labels::Optional);
    let dataset = small.sound();
    assert_eq!(dataset.ids(), ["C", "A"]);
    assert_eq!(dataset.labels(), [false; 4]);
    assert_eq!(dataset.splits(), [None, None]);
    assert_eq!(dataset.report().absent_columns, ["active", "w", "toxic", "peak"]);
}

#[test]
fn the_2d_and_quantum_tables_may_be_left_out() {
    let small = Small::new();
    let tables = data::Tables { feat2d: None, feat3d_qm: None, ..small.tables() };
    let dataset = data::load(&tables, &small.schema, &small.splits, Labels::Required).expect("sound");
    assert_eq!((dataset.bags().x2d().rows(), dataset.bags().x2d().columns()), (2, 0));
    assert_eq!(dataset.names_3d(), ["g"]);
    assert_eq!(dataset.bags().x3d().data(), [0.5, 0.25, 1.5]);
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_are_no_obstacle() {
    let small = Small::new();
    let dataset = small.sound();
    for name in ["labels.csv", "feat2d.csv", "feat3d.csv", "qm.csv"] {
        let text = fs::read_to_string(small.path(name)).expect("read");
        small.write(name, format!("\u{feff}{}", text.replace('\n', "\r\n")));
    }
    assert_eq!(small.sound(), dataset);
}

#[test]
fn the_hash_follows_the_data_and_nothing_else() {
    let small = Small::new();
    let hash = small.sound().sha256();
    assert_eq!(hash.len(), 64);
    // Other columns' order, another number format and unused rows mean the same data.
    small.write("feat2d.csv", "a,ID,b\n2.0,A,1e0\n4,B,3\n7,C,8\n");
    assert_eq!(small.sound().sha256(), hash);
    for (name, old, new) in [
        ("labels.csv", "A,train,0,1,0", "A,train,0,1,1"),
        ("labels.csv", "B,train,1", "B,train,2"),
        ("labels.csv", ",400,", ",401,"),
        ("labels.csv", "B,train,1,0,0,,2", "B,train,1,0,0,,3"),
        ("feat2d.csv", "a,ID,b", "a,ID,c"),
        ("feat2d.csv", "4,B,3", "4,B,3.5"),
        ("feat3d.csv", "A,1,0.25", "A,2,0.25"),
        ("feat3d.csv", "B,0,1.5", "B,0,1.25"),
    ] {
        let before = fs::read(small.path(name)).expect("read");
        let quantum = fs::read(small.path("qm.csv")).expect("read");
        small.edit(name, old, new);
        if new == "A,2,0.25" {
            small.edit("qm.csv", "A,1,20", "A,2,20");
        }
        assert_ne!(small.sound().sha256(), hash, "{old} -> {new}");
        small.write(name, before);
        small.write("qm.csv", quantum);
    }
    assert_eq!(small.sound().sha256(), hash);
}

#[test]
fn features_are_checked_against_a_models() {
    let dataset = Small::new().sound();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let check = |two: &[&str], three: &[&str]| dataset.check_features(&names(two), &names(three));
    assert_eq!(check(&["a", "b"], &["g", "q"]), Ok(()));
    let says = |result: Result<(), data::DataError>, parts: &[&str]| {
        tables::says(&result.expect_err("must be refused"), parts);
    };
    says(check(&["a", "b", "c"], &["g", "q"]), &["2D", "it has 3 and the tables 2", "missing: \"c\""]);
    says(check(&["a", "b"], &["g"]), &["3D", "it has 1 and the tables 2", "additional: \"q\""]);
    says(check(&["a", "x"], &["g", "q"]), &["2D", "missing: \"x\"", "additional: \"b\""]);
    says(check(&["b", "a"], &["g", "q"]), &["2D", "order"]);
}
