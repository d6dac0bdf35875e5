//! Average precision and ROC AUC, against scikit-learn's numbers in `fixtures/data/metrics.json`.

use serde_json::Value;
use shared_model::schema::TaskSchema;
use trainer::labels::LabelMatrix;
use trainer::metrics::{TaskMetrics, evaluate};

/// The matrix of a case, row-major; `null` is NaN, and infinities are text.
fn matrix(case: &Value, name: &str) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().expect("an infinity"),
        _ => value.as_f64().expect("a number"),
    };
    let rows = case[name].as_array().expect("rows");
    rows.iter().flat_map(|row| row.as_array().expect("a row").iter().map(number)).collect()
}

fn cases() -> Vec<Value> {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("fixtures/data/metrics.json")).expect("fixture is JSON");
    assert_eq!(cases.len(), 12);
    cases
}

fn evaluate_case(case: &Value, weighted: Option<bool>) -> TaskMetrics {
    let mut tasks = TaskSchema::euos25().tasks;
    if let Some(weighted) = weighted {
        tasks.iter_mut().for_each(|task| task.weighted_metrics = weighted);
    }
    let labels: Vec<bool> = matrix(case, "y").into_iter().map(|label| label > 0.0).collect();
    evaluate(&tasks, LabelMatrix::new(&labels, 4), &matrix(case, "p"), &matrix(case, "w"))
}

fn assert_agrees(found: &[f64], case: usize, expected: &Value) {
    let expected = expected.as_array().expect("one value per task");
    assert_eq!(found.len(), expected.len());
    for (task, (found, expected)) in found.iter().zip(expected).enumerate() {
        let expected = expected.as_f64().expect("a number");
        assert!((found - expected).abs() <= 1e-9, "case {case}, task {task}: {found} instead of {expected}");
    }
}

#[test]
fn weights_count_for_the_tasks_that_the_schema_weighs() {
    for (index, case) in cases().iter().enumerate() {
        let metrics = evaluate_case(case, None);
        assert_agrees(&metrics.average_precision, index, &case["ap"]);
        assert_agrees(&metrics.roc_auc, index, &case["roc_auc"]);
    }
}

#[test]
fn without_weighted_metrics_every_molecule_weighs_one() {
    for (index, case) in cases().iter().enumerate() {
        let metrics = evaluate_case(case, Some(false));
        assert_agrees(&metrics.average_precision, index, &case["ap_unweighted"]);
        assert_agrees(&metrics.roc_auc, index, &case["roc_auc_unweighted"]);
    }
}

#[test]
fn a_fold_scores_between_its_mean_and_its_worst_task() {
    let metrics =
        TaskMetrics { average_precision: vec![0.5, 0.25, 1.0, 0.25], roc_auc: vec![0.5, 0.75, 1.0, 0.75] };
    assert_eq!((metrics.macro_ap(), metrics.min_ap()), (0.5, 0.25));
    assert_eq!((metrics.macro_roc_auc(), metrics.min_roc_auc()), (0.75, 0.5));
    assert_eq!(metrics.fold_score(0.0), 0.5);
    assert_eq!(metrics.fold_score(1.0), 0.25);
    assert_eq!(metrics.fold_score(0.5), 0.375);
}
