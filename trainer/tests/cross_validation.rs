//! Cross-validation: folds that cover every molecule once, kept folds, and variants without something.

mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tables::fixture_train;
use trainer::cross_validation::{
    Ablation, CrossValidationError, CvProgress, FoldPlan, FoldResult, FoldStore, OutOfFold, Subject,
    cross_validate, fold_seed,
};
use trainer::data::Dataset;
use trainer::device::{self, Precision};
use trainer::parameters::RunParameters;
use trainer::prediction_table::FoldKey;
use trainer::training::{Checkpoint, Partition, RunControl, TrainSettings, train_controlled};

fn parameters(dataset: &Dataset) -> RunParameters {
    let parameters = json!({
        "mol_hidden": 8, "mol_layers": 1, "inst_hidden": 8, "inst_layers": 1, "attn_heads": 2, "proj_dim": 8,
        "mixer_hidden": 8, "mixer_layers": 1, "head_num_layers": 1, "batch_size": 16
    });
    RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters")
}

fn settings(seed: u64) -> TrainSettings {
    let device = device::select("cpu".parse().expect("known")).expect("always there").device;
    TrainSettings { seed, max_epochs: 2, patience: 2, device, precision: Precision::Float32 }
}

/// Runs the cross-validation and returns its results and the folds that were trained.
fn run(
    dataset: &Dataset,
    plan: &FoldPlan,
    folder: &Path,
) -> (Result<Vec<FoldResult>, CrossValidationError>, Vec<FoldKey>) {
    let (parameters, settings) = (parameters(dataset), settings(3));
    let subject = Subject { dataset, parameters: &parameters, settings: &settings, device: "CPU" };
    let mut trained = Vec::new();
    let results = cross_validate(subject, plan, &FoldStore::new(folder), None, |progress| {
        if let CvProgress::Done { result, resumed: false, .. } = progress {
            trained.push(result.record.key);
        }
    });
    (results, trained)
}

#[test]
fn every_training_molecule_is_validated_once_a_repeat() {
    let dataset = fixture_train();
    let from_table = FoldPlan::from_label_table(&dataset).expect("folds").expect("numbered");
    assert_eq!((from_table.folds(), from_table.repeats()), (4, 1));
    assert_eq!(from_table.rounds()[2].fold, dataset.fold(2).expect("fold"));

    let drawn = FoldPlan::stratified(&dataset, 3, 2, 7).expect("folds");
    assert_eq!((drawn.folds(), drawn.repeats(), drawn.rounds().len()), (3, 2, 6));
    let all: BTreeSet<usize> = dataset.split_rows("train").expect("rows").into_iter().collect();
    for repeat in drawn.rounds().chunks(3) {
        let validated: Vec<usize> = repeat.iter().flat_map(|round| &round.fold.validation).copied().collect();
        assert_eq!(validated.len(), all.len());
        assert_eq!(validated.into_iter().collect::<BTreeSet<_>>(), all);
        for round in repeat {
            let both: BTreeSet<usize> =
                round.fold.train.iter().chain(&round.fold.validation).copied().collect();
            assert_eq!(
                (both, round.fold.train.len() + round.fold.validation.len()),
                (all.clone(), all.len())
            );
        }
    }
    assert_ne!(drawn.rounds()[0].fold, drawn.rounds()[3].fold, "each repeat deals anew");
    assert_eq!(FoldPlan::stratified(&dataset, 3, 2, 7).expect("folds"), drawn, "the seed decides");
    for folds in [1, 10_000] {
        let message = FoldPlan::stratified(&dataset, folds, 1, 0).expect_err("refused").to_string();
        assert!(message.contains("at least 2 folds"), "{message}");
    }
}

#[test]
fn folds_and_repeats_have_seeds_of_their_own() {
    let keys = (0..20).flat_map(|repeat| (0..20).map(move |fold| FoldKey { repeat, fold }));
    let seeds: BTreeSet<u64> = keys.flat_map(|key| [fold_seed(0, key), fold_seed(1, key)]).collect();
    assert_eq!(seeds.len(), 800);
}

#[test]
fn an_interrupted_cross_validation_ends_as_an_undisturbed_one() {
    let dataset = fixture_train();
    let plan = FoldPlan::from_label_table(&dataset).expect("folds").expect("numbered");
    let folder = tempfile::tempdir().expect("folder");
    let [whole, broken] = ["whole", "broken"].map(|name| folder.path().join(name));
    let (undisturbed, trained) = run(&dataset, &plan, &whole);
    let undisturbed = undisturbed.expect("runs");
    assert_eq!(trained.len(), 4);

    run(&dataset, &plan, &broken).0.expect("runs");
    // As if it had been killed in the third fold, before its record was written, and the fourth never begun.
    fs::remove_file(broken.join("folds/repeat-0-fold-2/fold.json")).expect("removed");
    fs::remove_dir_all(broken.join("folds/repeat-0-fold-3")).expect("removed");
    let (resumed, trained) = run(&dataset, &plan, &broken);
    assert_eq!(trained.iter().map(|key| key.fold).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(resumed.expect("runs"), undisturbed);
    for fold in 0..4 {
        let predictions = |folder: &Path| {
            fs::read(folder.join(format!("folds/repeat-0-fold-{fold}/predictions.csv"))).expect("predictions")
        };
        assert_eq!(predictions(&whole), predictions(&broken));
    }

    assert!(!Checkpoint::path(&whole.join("folds/repeat-0-fold-2")).exists(), "finished");

    // Another molecule in the kept predictions: not the fold it claims to be.
    let path = broken.join("folds/repeat-0-fold-1/predictions.csv");
    let text = fs::read_to_string(&path).expect("predictions").replacen("EOS", "XYZ", 1);
    fs::write(&path, text).expect("written");
    let error = run(&dataset, &plan, &broken).0.expect_err("refused");
    assert!(matches!(error, CrossValidationError::ForeignFold { .. }), "{error}");
}

#[test]
fn a_fold_that_was_begun_goes_on_after_its_last_epoch() {
    let dataset = fixture_train();
    let plan = FoldPlan::from_label_table(&dataset).expect("folds").expect("numbered");
    let folder = tempfile::tempdir().expect("folder");
    let [whole, broken] = ["whole", "broken"].map(|name| folder.path().join(name));
    let undisturbed = run(&dataset, &plan, &whole).0.expect("runs");

    // The first epoch of the second fold, as a cross-validation that was killed leaves it.
    let round = &plan.rounds()[1];
    let begun = FoldStore::new(&broken).fold(round.key);
    fs::create_dir_all(&begun).expect("created");
    let settings = TrainSettings { max_epochs: 1, ..settings(fold_seed(3, round.key)) };
    let partition = Partition { train: &round.fold.train, validation: &round.fold.validation };
    let control = RunControl { folder: Some(&begun), ..RunControl::default() };
    {
        train_controlled(&dataset, partition, &parameters(&dataset), &settings, control, |_| ())
            .expect("trains");
    }
    assert!(Checkpoint::path(&begun).exists());
    let (resumed, trained) = run(&dataset, &plan, &broken);
    assert_eq!((resumed.expect("runs"), trained.len()), (undisturbed, 4));
    assert!(!Checkpoint::path(&begun).exists(), "finished");

    // Of other parameters it is another fold.
    fs::remove_file(begun.join("fold.json")).expect("removed");
    let settings = TrainSettings { seed: 1, ..settings };
    let control = RunControl { folder: Some(&begun), ..RunControl::default() };
    {
        train_controlled(&dataset, partition, &parameters(&dataset), &settings, control, |_| ())
            .expect("trains");
    }
    let error = run(&dataset, &plan, &broken).0.expect_err("refused").to_string();
    assert!(error.contains("seed 1 (now"), "{error}");
}

#[test]
fn out_of_fold_predictions_stand_with_their_molecules() {
    let dataset = fixture_train();
    let plan = FoldPlan::stratified(&dataset, 3, 2, 1).expect("folds");
    let folder = tempfile::tempdir().expect("folder");
    let results = run(&dataset, &plan, folder.path()).0.expect("runs");
    let out_of_fold = OutOfFold::new(&dataset, &plan, &results);
    let table = out_of_fold.table(&dataset);
    assert_eq!(table.len(), 2 * out_of_fold.rows.len());
    for (round, result) in plan.rounds().iter().zip(&results) {
        for (row, probabilities) in round.fold.validation.iter().zip(result.probabilities.chunks(4)) {
            let at = out_of_fold.rows.iter().position(|known| known == row).expect("validated");
            let at = round.key.repeat as usize * out_of_fold.rows.len() + at;
            assert_eq!(table.ids[at], dataset.ids()[*row]);
            assert_eq!(table.probabilities[4 * at..4 * at + 4], *probabilities);
            assert_eq!(table.labels[4 * at..4 * at + 4], *dataset.labels_of(*row));
        }
    }
}

#[test]
fn a_folder_is_claimed_for_one_cross_validation() {
    let folder = tempfile::tempdir().expect("folder");
    let run = folder.path().join("run");
    let identity = |lr: f64, seed: u64| json!({ "seed": seed, "parameters": { "lr": lr, "batch_size": 8 } });
    FoldStore::claim(&run, &identity(0.1, 0), false).expect("a new folder");
    let message =
        |identity: Value, resume| FoldStore::claim(&run, &identity, resume).expect_err("refused").to_string();
    assert!(message(identity(0.1, 0), false).contains("--resume"));
    FoldStore::claim(&run, &identity(0.1, 0), true).expect("the same");
    assert!(
        message(identity(0.2, 1), true).contains("differs in lr, seed"),
        "{}",
        message(identity(0.2, 1), true)
    );
}

#[test]
fn one_conformer_is_the_first_of_each_molecule() {
    let full = fixture_train();
    let one = Ablation::OneConformer.dataset(&full);
    assert_eq!((one.len(), one.bags().x3d().rows()), (full.len(), full.len()));
    assert!(full.bags().x3d().rows() > full.len());
    for molecule in 0..full.len() {
        let first = full.bags().instances(molecule).start;
        assert_eq!(one.bags().x3d().row(molecule), full.bags().x3d().row(first));
        assert_eq!(one.conformers()[molecule], full.conformers()[first]);
    }
    assert_eq!((one.ids(), one.labels(), one.bags().x2d()), (full.ids(), full.labels(), full.bags().x2d()));
    assert_ne!(one.sha256(), full.sha256());
    let network = parameters(&full).model_config(1, 1, 0);
    assert!(Ablation::ALL.iter().all(|ablation| ablation.applies_to(&full, &network)));
    assert!(!Ablation::MeanPool.applies_to(&one, &network) && Ablation::Only2d.applies_to(&one, &network));
    let uniform = Ablation::UniformAttention.parameters(&parameters(&full).resolved);
    let uniform =
        RunParameters::from_json(&uniform, full.schema()).expect("valid parameters").model_config(1, 1, 0);
    assert!(
        !Ablation::MeanPool.applies_to(&full, &uniform) && Ablation::OneConformer.applies_to(&full, &uniform)
    );
    assert_eq!(full.first_conformers().first_conformers(), *one);
}

#[test]
fn epochs_chosen_on_inner_splits_never_see_what_is_reported() {
    let dataset = fixture_train();
    let outer = FoldPlan::stratified(&dataset, 3, 1, 7).expect("folds");
    let plan = outer.clone().with_inner_splits(&dataset, 7);
    for (round, outer) in plan.rounds().iter().zip(outer.rounds()) {
        assert_eq!(round.fold, outer.fold);
        let Partition { train, validation } = round.partition();
        let parts: BTreeSet<usize> = train.iter().chain(validation).copied().collect();
        assert_eq!(parts, round.fold.train.iter().copied().collect(), "the training molecules, each once");
        assert_eq!(train.len() + validation.len(), parts.len());
        assert!(validation.len().abs_diff(parts.len() / 5) <= 1, "a fifth: {}", validation.len());
    }
    // The predictions are those of the model that the inner split chose.
    let folder = tempfile::tempdir().expect("folder");
    let results = run(&dataset, &plan, folder.path()).0.expect("trained");
    let (parameters, settings) = (parameters(&dataset), settings(3));
    let round = &plan.rounds()[1];
    let settings = TrainSettings { seed: fold_seed(settings.seed, round.key), ..settings };
    let Partition { train, validation } = round.partition();
    let trained = train_controlled(
        &dataset,
        Partition { train, validation },
        &parameters,
        &settings,
        RunControl::default(),
        |_| {},
    )
    .expect("trained");
    let rows = &round.fold.validation;
    assert_eq!(
        trained.predict(&dataset, rows, &settings.device).expect("predicted"),
        results[1].probabilities
    );
    assert_eq!(results[1].probabilities.len(), rows.len() * dataset.schema().task_count());
    assert_eq!(
        trained.predict(&dataset, validation, &settings.device).expect("predicted"),
        trained.evaluation.probabilities
    );
}
