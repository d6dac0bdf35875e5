//! The arrays that the PyTorch system made of the small tables in `fixtures/data/`.

use serde_json::Value;

/// `expected.json`.
pub fn expected() -> Value {
    serde_json::from_str(include_str!("../fixtures/data/expected.json")).expect("fixture is JSON")
}

/// Training labels of fold 1, row-major with 4 tasks.
pub fn fold1_labels(expected: &Value) -> Vec<bool> {
    let labels = expected["y_cls"].as_array().expect("labels");
    let rows = expected["folds"][1]["train"].as_array().expect("rows");
    rows.iter()
        .flat_map(|row| floats(&labels[row.as_u64().expect("row number") as usize]))
        .map(|v| v > 0.0)
        .collect()
}

/// A JSON list of numbers.
pub fn floats(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// Fails unless both lists are of one length and agree to 1e-6.
pub fn assert_close<T: Copy + Into<f64>>(found: &[T], expected: &Value) {
    let expected = floats(expected);
    assert_eq!(found.len(), expected.len());
    for (index, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let found: f64 = found.into();
        assert!((found - expected).abs() <= 1e-6, "entry {index}: {found} instead of {expected}");
    }
}
