//! Loss weights and bitmask groups, against what the PyTorch system computed for the same fold.

mod expected;

use expected::{assert_close, expected, floats, fold1_labels};
use serde_json::Value;
use trainer::labels::LabelMatrix;
use trainer::weighting::{
    BitmaskGroups, LossWeighting, TaskMultipliers, bitmask_ids, bitmask_sample_weights, lam_from_prevalence,
    task_loss_weights,
};

fn per_task(params: &Value, name: &str) -> Vec<f64> {
    (0..4).map(|task| params[format!("{name}_t{task}")].as_f64().expect("a parameter")).collect()
}

#[test]
fn task_weights_of_fold_1() {
    let expected = expected();
    let labels = fold1_labels(&expected);
    let fold = &expected["fold1"];
    let params = &fold["params"];
    let weighting = LossWeighting {
        pos_weight_clip: per_task(params, "posw_clip"),
        gamma: per_task(params, "gamma"),
        multipliers: TaskMultipliers::Given {
            raw: per_task(params, "lam"),
            floor: params["lam_floor"].as_f64().expect("floor"),
            ceil: params["lam_ceil"].as_f64().expect("ceil"),
        },
    };
    let weights = task_loss_weights(LabelMatrix::new(&labels, 4), &weighting).expect("valid weighting");
    assert_close(&weights.pos_weight, &fold["pos_weight"]);
    assert_close(&weights.gamma, &fold["gamma"]);
    assert_close(&weights.lam, &fold["lam"]);
}

#[test]
fn lam_from_the_prevalence_of_fold_1() {
    let expected = expected();
    let labels = fold1_labels(&expected);
    let lam = lam_from_prevalence(LabelMatrix::new(&labels, 4), 1.0);
    assert_close(&lam, &expected["fold1"]["lam_from_prevalence_power_1"]);
}

#[test]
fn bitmasks_of_fold_1_and_their_sample_weights() {
    let expected = expected();
    let labels = fold1_labels(&expected);
    let ids = bitmask_ids(LabelMatrix::new(&labels, 4));
    assert_close(&ids, &expected["fold1"]["bitmask_ids"]);
    let weights = bitmask_sample_weights(&ids, 0.5, 3.0);
    assert_close(&weights, &expected["fold1"]["bitmask_sample_weights_alpha05_cap3"]);
}

#[test]
fn bitmask_groups_of_fold_1_and_their_class_weights() {
    let expected = expected();
    let ids: Vec<u32> = floats(&expected["fold1"]["bitmask_ids"]).into_iter().map(|id| id as u32).collect();
    let groups = BitmaskGroups::from_training(&ids, 3);
    assert_close(groups.top_masks(), &expected["fold1"]["bitmask_top_ids_k3"]);
    let weights = groups.class_weights(&ids, 0.5, 5.0);
    assert_close(&weights, &expected["fold1"]["bitmask_class_weight_k3_alpha05_cap5"]);
}
