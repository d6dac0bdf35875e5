//! What attention pooling can learn of bags, and what it cannot: the quick part of the benchmark of the same name.

#[path = "../benches/synthetic_bags/bags.rs"]
mod bags;

use burn::backend::Flex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared_model::bags::{Bags, Matrix};
use shared_model::config::ModelConfig;
use shared_model::network::Model;
use shared_model::predict::predict;

#[test]
fn one_positive_instance_makes_a_bag_positive() {
    let roc_auc = bags::test_roc_auc(&bags::STANDARD, 8, 0);
    assert!(roc_auc > 0.9, "ROC AUC {roc_auc}");
}

/// A softmax has one sum: twice the instances at half the weight are the same mean. So no attention pool can count.
#[test]
fn instances_that_are_repeated_change_nothing() {
    let config: ModelConfig = serde_json::from_value(json!({
        "mol_dim": 3, "inst_dim": 5, "n_tasks": 2, "n_absorbance": 0, "n_fluorescence": 0, "n_bitmask_groups": 0,
        "mol_hidden": 8, "mol_layers": 1, "mol_dropout": 0.0, "inst_hidden": 16, "inst_layers": 2, "inst_dropout": 0.0,
        "proj_dim": 8, "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": 8, "mixer_layers": 1,
        "mixer_dropout": 0.0, "activation": "GELU", "head_num_layers": 1, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "head_fc2_gain_non_last": 1.0,
    }))
    .expect("a configuration");
    let device = Default::default();
    let model = Model::<Flex>::initialise(&config, 5, &device).expect("a possible configuration");
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut values =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-2.0..2.0)).collect() };
    let (molecule, instances) = (values(3), values(4 * 5));
    // The first molecule has four instances, the second the same ones three times, the third only the first two.
    let x2d = Matrix::new(3, 3, molecule.repeat(3)).expect("filled");
    let rows = [instances.clone(), instances.repeat(3), instances[..10].to_vec()].concat();
    let x3d = Matrix::new(4 + 12 + 2, 5, rows).expect("filled");
    let bags = Bags::new(x2d, x3d, vec![0, 4, 16, 18]).expect("three bags");
    let predictions = pollster::block_on(predict(&model, &bags, &[0, 1, 2], &device)).expect("predictions");
    let largest_difference = |other: usize| {
        let pairs = predictions[0].logits.iter().zip(&predictions[other].logits);
        pairs.map(|(one, two)| (one - two).abs()).fold(0.0, f32::max)
    };
    assert!(largest_difference(1) < 1e-6, "{predictions:?}");
    assert!(largest_difference(2) > 1e-5, "other instances do change the prediction: {predictions:?}");
}
