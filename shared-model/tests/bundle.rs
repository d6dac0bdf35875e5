//! The bundle: what is written reads back, and what is broken, forged or foreign is refused in one sentence.

use std::io::{Cursor, Read, Write};

use burn::backend::Flex;
use serde_json::{Value, json};
use shared_model::bags::{Bags, Matrix};
use shared_model::bundle::{
    BundleContents, BundleError, BundleReader, Manifest, ModelEntry, Molecule, write,
};
use shared_model::config::ModelConfig;
use shared_model::ensemble::{combine, load};
use shared_model::network::{Model, NetworkError};
use shared_model::predict::{PredictError, Prediction, predict};
use shared_model::schema::TaskSchema;
use shared_model::state_dict::HostTensor;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

fn config() -> ModelConfig {
    serde_json::from_value(json!({
        "mol_dim": 3, "inst_dim": 2, "n_tasks": 4, "n_absorbance": 2, "n_fluorescence": 4,
        "n_bitmask_groups": 7, "mol_hidden": 8, "mol_layers": 1, "mol_dropout": 0.1, "inst_hidden": 8,
        "inst_layers": 1, "inst_dropout": 0.1, "proj_dim": 8, "attn_heads": 4, "attn_dropout": 0.1,
        "mixer_hidden": 8, "mixer_layers": 1, "mixer_dropout": 0.1, "activation": "GELU", "head_num_layers": 1,
        "head_dropout": 0.1, "head_stochastic_depth": 0.1, "head_fc2_gain_non_last": 0.01
    }))
    .expect("a complete configuration")
}

/// Three molecules with 1, 2 and 3 conformers.
fn bags() -> Bags {
    let numbers = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
    let x2d = Matrix::new(3, 3, numbers(9)).expect("filled");
    let x3d = Matrix::new(6, 2, numbers(12)).expect("filled");
    Bags::new(x2d, x3d, vec![0, 1, 3, 6]).expect("bags")
}

fn contents() -> BundleContents {
    let molecule = |id: &str, conformers: usize| Molecule {
        id: id.into(),
        smiles: Some("CCO".into()),
        split: Some("leaderboard".into()),
        labels: Some(vec![0, 1, 0, 1]),
        conformers: (0..conformers).map(|conformer| conformer.to_string()).collect(),
    };
    let molecules = vec![molecule("A", 1), molecule("B", 2), molecule("C", 3)];
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let manifest: Manifest = serde_json::from_value(json!({
        "format_version": { "major": 1, "minor": 0 }, "producer": "a test", "created": "2026-01-01T00:00:00Z",
        "schema": TaskSchema::euos25(), "model": config(), "features_2d": names(&["a", "b", "c"]),
        "features_3d": names(&["x", "y"]), "members": {},
    }))
    .expect("a complete manifest");
    let model = Model::<Flex>::initialise(&config(), 1, &Default::default()).expect("valid configuration");
    BundleContents {
        manifest,
        models: vec![(ModelEntry::new(config()), model.state_dict())],
        molecules: Some((molecules, bags())),
        conformers: Some(b"coordinates".to_vec()),
    }
}

/// Three models of the same tasks and features, the second of another size.
fn ensemble() -> BundleContents {
    let larger = ModelConfig { mol_hidden: 16, ..config() };
    let models = [("fold 0", config()), ("fold 1", larger), ("seed 3", config())];
    let models = models.into_iter().zip(1..).map(|((name, config), seed)| {
        let model = Model::<Flex>::initialise(&config, seed, &Default::default()).expect("valid");
        (ModelEntry { name: name.into(), ..ModelEntry::new(config) }, model.state_dict())
    });
    BundleContents { models: models.collect(), ..contents() }
}

/// Opens the bundle and reads everything in it.
fn read_all(bytes: &[u8]) -> Result<Manifest, BundleError> {
    let reader = BundleReader::open(bytes)?;
    for model in &reader.manifest().models {
        reader.weights(model)?;
    }
    reader.molecules()?;
    reader.features()?;
    reader.conformers()?;
    Ok(reader.manifest().clone())
}

/// The same archive with some members replaced (`Some`) or left out (`None`).
fn with_members(bytes: &[u8], changes: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a bundle is a ZIP");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, SimpleFileOptions::default()).expect("memory");
        zip.write_all(bytes).expect("memory");
    };
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("member");
        if changes.iter().all(|(name, _)| *name != file.name()) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).expect("member");
            add(file.name(), &bytes);
        }
    }
    for (name, bytes) in changes {
        if let Some(bytes) = bytes {
            add(name, bytes);
        }
    }
    zip.finish().expect("memory").into_inner()
}

/// The same bundle with a changed manifest.
fn with_manifest(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_manifest_of(&contents(), change)
}

fn with_manifest_of(contents: &BundleContents, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let bytes = write(contents);
    let reader = BundleReader::open(&bytes).expect("bundle");
    let mut manifest = serde_json::to_value(reader.manifest()).expect("JSON");
    change(&mut manifest);
    with_members(&bytes, &[("manifest.json", Some(serde_json::to_vec(&manifest).expect("JSON")))])
}

fn message(bytes: &[u8]) -> String {
    read_all(bytes).expect_err("refused").to_string()
}

#[test]
fn what_is_written_reads_back() {
    let contents = contents();
    let bytes = write(&contents);
    assert_eq!(bytes, write(&contents), "the same contents give the same bytes");
    let reader = BundleReader::open(&bytes).expect("bundle");
    assert_eq!(reader.weights(&reader.manifest().models[0]).expect("weights"), contents.models[0].1);
    let (molecules, bags) = contents.molecules.expect("given");
    assert_eq!(reader.molecules().expect("molecules"), Some(molecules));
    assert_eq!(reader.features().expect("features"), Some(bags));
    assert_eq!(reader.conformers().expect("conformers"), contents.conformers);
    let members: Vec<&str> = reader.manifest().members.keys().map(String::as_str).collect();
    let expected = ["conformers.sdf", "features.safetensors", "molecules.json", "weights.safetensors"];
    assert_eq!(members, expected);
}

#[test]
fn a_bundle_may_hold_nothing_but_a_model() {
    let bytes = write(&BundleContents { molecules: None, conformers: None, ..contents() });
    let reader = BundleReader::open(&bytes).expect("bundle");
    assert_eq!(reader.molecules().expect("none"), None);
    assert_eq!(reader.features().expect("none"), None);
    reader.weights(&reader.manifest().models[0]).expect("weights");
}

#[test]
fn a_bundle_of_one_model_keeps_the_layout_of_the_first_version() {
    let bytes = with_manifest(|manifest| {
        // What version 1.0 wrote.
        manifest["format_version"] = json!({ "major": 1, "minor": 0 });
        let weights = manifest.as_object_mut().expect("an object").remove("weights");
        assert_eq!(weights, Some(json!("weights.safetensors")));
        assert_eq!(manifest["model"]["mol_hidden"], json!(8), "its configuration is not in a list");
        assert_eq!((manifest.get("ensemble"), manifest.get("name")), (None, None));
    });
    let manifest = read_all(&bytes).expect("readable");
    assert_eq!(manifest.models, contents().models.iter().map(|(model, _)| model.clone()).collect::<Vec<_>>());
    let written = BundleReader::open(&write(&contents())).expect("bundle").manifest().format_version;
    assert_eq!(written.major, 1, "readers of 1.0 open it");
}

#[test]
fn the_members_of_an_ensemble_read_back_with_their_own_weights() {
    let contents = ensemble();
    let bytes = write(&contents);
    let reader = BundleReader::open(&bytes).expect("bundle");
    let found = &reader.manifest().models;
    assert_eq!(reader.manifest().format_version.major, 2, "readers of one model must not take the first one");
    for (found, (written, weights)) in found.iter().zip(&contents.models) {
        assert_eq!((&found.name, &found.config), (&written.name, &written.config));
        assert_eq!(&reader.weights(found).expect("weights"), weights);
    }
    let files: Vec<&str> = found.iter().map(|model| &*model.weights).collect();
    assert_eq!(files, ["weights.safetensors", "weights.1.safetensors", "weights.2.safetensors"]);
}

#[test]
fn a_damaged_member_of_an_ensemble_is_named() {
    let contents = ensemble();
    let missing = with_members(&write(&contents), &[("weights.1.safetensors", None)]);
    assert!(message(&missing).contains("no weights.1.safetensors"));

    let mut weights = contents.models[2].1.clone();
    weights.insert("attn_pool.log_tau", HostTensor::new([], vec![5.0]));
    let tampered = [("weights.2.safetensors", Some(weights.to_safetensors()))];
    let text = message(&with_members(&write(&contents), &tampered));
    assert!(text.contains("weights.2.safetensors") && text.contains("SHA-256"), "{text}");

    let mut contents = contents;
    contents.models[1].1.remove("mixer.res_scales.0");
    let bytes = write(&contents);
    let reader = BundleReader::open(&bytes).expect("bundle");
    let loaded = load::<Flex>(&reader, &reader.manifest().models[1], &Default::default());
    let text = loaded.map(drop).expect_err("refused").to_string();
    assert!(text.contains("fold 1") && text.contains("mixer.res_scales.0"), "{text}");
}

#[test]
fn an_ensemble_that_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut Value), parts: [&str; 2]| {
        let text = message(&with_manifest_of(&ensemble(), change));
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} are not in: {text}");
    };
    refused(|manifest| manifest["ensemble"][1]["name"] = json!("fold 0"), ["fold 0", "different names"]);
    refused(|manifest| manifest["ensemble"][1]["name"] = json!(" "), ["name", "different names"]);
    refused(|manifest| manifest["ensemble"][2]["model"]["n_tasks"] = json!(3), ["seed 3", "number of tasks"]);
    refused(|manifest| manifest["ensemble"][1]["model"]["mol_dim"] = json!(9), ["fold 1", "2D feature"]);
    refused(|manifest| manifest["ensemble"][1]["model"]["mol_layers"] = json!(0), ["fold 1", "mol_layers"]);
    refused(|manifest| manifest["ensemble"] = json!([]), ["0 models", "export"]);
    refused(
        |manifest| manifest["ensemble"] = json!(vec![manifest["ensemble"][0].clone(); 300]),
        ["300 models", "256"],
    );
    refused(|manifest| manifest["ensemble"][1]["model"]["activation"] = json!("Sine"), ["Sine", "GELU"]);
}

#[test]
fn unknown_members_and_manifest_fields_are_ignored() {
    let bytes = with_manifest(|manifest| {
        manifest["from_the_future"] = json!(1);
        manifest["format_version"]["minor"] = json!(9);
    });
    read_all(&with_members(&bytes, &[("notes.txt", Some(b"hello".to_vec()))])).expect("readable");
}

#[test]
fn a_newer_major_version_is_refused_by_name() {
    let text =
        message(&with_manifest(|manifest| manifest["format_version"] = json!({"major": 3, "minor": 3})));
    assert!(text.contains("3.3") && text.contains("newer version of Optimil"), "{text}");
}

#[test]
fn foreign_files_are_refused() {
    assert!(message(b"ID,conf_id\n1,2\n").contains("not an Optimil model bundle"));
    assert!(message(b"").contains("not an Optimil model bundle"));
    let other_zip = with_members(&write(&contents()), &[("manifest.json", None)]);
    assert!(message(&other_zip).contains("no manifest.json"));
}

#[test]
fn a_truncated_bundle_is_refused_wherever_it_ends() {
    let bytes = write(&contents());
    for end in (2..bytes.len()).step_by(211) {
        assert!(message(&bytes[..end]).contains("incomplete or damaged"), "cut at {end}");
    }
}

#[test]
fn no_changed_byte_gets_through_unnoticed_or_panics() {
    let bytes = write(&contents());
    let reader = BundleReader::open(&bytes).expect("bundle");
    let (weights, features) = (
        reader.weights(&reader.manifest().models[0]).expect("weights"),
        reader.features().expect("features"),
    );
    for position in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[position] ^= 0x20;
        // Some bytes of a ZIP say nothing (times, attributes): then what is read must be what was written.
        if let Ok(reader) = BundleReader::open(&changed)
            && let (Ok(found_weights), Ok(found_features)) =
                (reader.weights(&reader.manifest().models[0]), reader.features())
        {
            assert_eq!((&found_weights, &found_features), (&weights, &features), "byte {position}");
        }
    }
}

#[test]
fn a_tampered_member_is_named() {
    let mut weights = contents().models.remove(0).1;
    weights.insert("attn_pool.log_tau", HostTensor::new([], vec![5.0]));
    let bytes = with_members(&write(&contents()), &[("weights.safetensors", Some(weights.to_safetensors()))]);
    let text = message(&bytes);
    assert!(text.contains("weights.safetensors") && text.contains("SHA-256"), "{text}");
    let missing = with_members(&write(&contents()), &[("weights.safetensors", None)]);
    assert!(message(&missing).contains("no weights.safetensors"));
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let text = message(&with_manifest(|manifest| manifest["features_2d"] = json!(["a"])));
    assert!(text.contains("number of 2D feature names is 1") && text.contains('3'), "{text}");
    let text = message(&with_manifest(|manifest| manifest["model"]["mol_layers"] = json!(1_000_000)));
    assert!(text.contains("mol_layers"), "{text}");
    let text = message(&with_manifest(|manifest| manifest["model"]["aggregator_name"] = json!("max_pool")));
    assert!(text.contains("max_pool") && text.contains("task_attention_pool"), "{text}");
}

#[test]
fn features_that_do_not_fit_the_molecules_are_refused() {
    let mut contents = contents();
    let (molecules, _) = contents.molecules.as_mut().expect("given");
    molecules[2].conformers.pop();
    assert!(message(&write(&contents)).contains("molecules.json"));
}

#[test]
fn weights_that_do_not_fit_the_configuration_are_named() {
    let build = |change: fn(&mut shared_model::state_dict::StateDict)| {
        let mut weights = contents().models.remove(0).1;
        change(&mut weights);
        Model::<Flex>::from_state(&config(), &weights, &Default::default()).map(drop)
    };
    assert_eq!(
        build(|weights| drop(weights.remove("mixer.res_scales.0"))),
        Err(NetworkError::MissingTensor("mixer.res_scales.0".into()))
    );
    assert_eq!(
        build(|weights| weights.insert("extra", HostTensor::new([1], vec![0.0]))),
        Err(NetworkError::UnexpectedTensors(vec!["extra".into()]))
    );
    assert_eq!(
        build(|weights| weights.insert("proj2d.1.bias", HostTensor::new([2], vec![0.0; 2]))),
        Err(NetworkError::WrongShape { name: "proj2d.1.bias".into(), expected: vec![8], found: vec![2] })
    );
}

#[test]
fn predictions_do_not_depend_on_the_company_a_molecule_keeps() {
    let device = Default::default();
    let model = Model::<Flex>::from_state(&config(), &contents().models.remove(0).1, &device).expect("fits");
    let bags = bags();
    let together = pollster::block_on(predict(&model, &bags, &[0, 1, 2], &device)).expect("predicted");
    for (molecule, expected) in together.iter().enumerate() {
        let alone = pollster::block_on(predict(&model, &bags, &[molecule], &device)).expect("predicted");
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&alone[0].logits, &expected.logits) && close(&alone[0].attention, &expected.attention));
        assert_eq!(expected.attention.len(), 4 * bags.instances(molecule).len());
        for task in expected.attention.chunks(bags.instances(molecule).len()) {
            assert!((task.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }
    let reversed = pollster::block_on(predict(&model, &bags, &[2, 0], &device)).expect("predicted");
    assert_eq!(reversed[1].attention.len(), 4, "results come in the order asked for");
    assert_eq!(
        pollster::block_on(predict(&model, &bags, &[3], &device)),
        Err(PredictError::NoSuchMolecule { index: 3, count: 3 })
    );
}

#[test]
fn an_ensemble_predicts_the_mean_of_its_members() {
    let device = Default::default();
    let bytes = write(&ensemble());
    let reader = BundleReader::open(&bytes).expect("bundle");
    let members: Vec<Model<Flex>> =
        reader.manifest().models.iter().map(|model| load(&reader, model, &device).expect("fits")).collect();
    let bags = bags();
    let each = members.iter().map(|model| pollster::block_on(predict(model, &bags, &[2, 0], &device)));
    let together = combine(each.collect::<Result<_, _>>().expect("predicted"));
    for (position, molecule) in [2, 0].into_iter().enumerate() {
        let found = &together[position];
        let alone: Vec<_> = members
            .iter()
            .map(|model| pollster::block_on(predict(model, &bags, &[molecule], &device)).expect("predicted"))
            .map(|mut predictions| predictions.remove(0))
            .collect();
        let mean = |value: fn(&Prediction) -> &[f32], index: usize| {
            alone.iter().map(|prediction| value(prediction)[index]).sum::<f32>() / 3.0
        };
        for (index, probability) in found.probabilities.iter().enumerate() {
            assert!((probability - mean(|p| &p.probabilities, index)).abs() < 1e-6);
        }
        for (index, weight) in found.attention.iter().enumerate() {
            assert!((weight - mean(|p| &p.attention, index)).abs() < 1e-6);
        }
        let spread = found.spread.as_ref().expect("three members");
        assert!(spread.probabilities.iter().all(|&deviation| deviation > 0.0), "the members differ");
        assert_eq!(spread.attention.len(), found.attention.len());
    }
}
