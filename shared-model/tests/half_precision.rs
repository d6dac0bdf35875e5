//! Products in half precision: nearly the same function and the same gradients, for every component of the network.
#![cfg(feature = "autodiff")]

use burn::backend::{Autodiff, Flex, flex::FlexDevice};
use burn::tensor::{DType, FloatDType};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared_model::bags::{Bags, Matrix};
use shared_model::config::ModelConfig;
use shared_model::network::{BagBatch, BagStore, Model};
use shared_model::state_dict::StateDict;

type B = Autodiff<Flex>;

/// A small network without noise, changed by `changes`.
fn config(changes: &Value) -> ModelConfig {
    let mut config = json!({
        "mol_dim": 5, "inst_dim": 6, "n_tasks": 2, "n_absorbance": 1, "n_fluorescence": 0, "n_bitmask_groups": 3,
        "mol_hidden": 16, "mol_layers": 2, "mol_dropout": 0.0, "inst_hidden": 16, "inst_layers": 2,
        "inst_dropout": 0.0, "proj_dim": 16, "attn_heads": 2, "attn_dropout": 0.0, "mixer_hidden": 16,
        "mixer_layers": 2, "mixer_dropout": 0.0, "activation": "GELU", "head_num_layers": 2, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "head_fc2_gain_non_last": 0.5, "residual_dropout": 0.0, "drop_path": 0.0,
    });
    let changes = changes.as_object().expect("fields").clone();
    config.as_object_mut().expect("fields").extend(changes);
    serde_json::from_value(config).expect("a complete configuration")
}

/// Bags of 1 to 4 instances.
fn bags() -> Bags {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut matrix = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|_| random.random_range(-2.0f32..2.0)).collect();
        Matrix::new(rows, columns, values).expect("filled")
    };
    Bags::new(matrix(8, 5), matrix(20, 6), vec![0, 1, 5, 7, 8, 12, 15, 16, 20]).expect("bags")
}

/// A network all of whose parameters are away from their initial zeros, so that every gradient is of use.
fn network(config: &ModelConfig) -> Model<B> {
    let state = Model::<B>::initialise(config, 7, &FlexDevice).expect("builds").state_dict();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let state: StateDict = state
        .iter()
        .map(|(name, tensor)| {
            let values =
                tensor.data().iter().map(|value| value + random.random_range(-0.2f32..0.2)).collect();
            (name.to_owned(), shared_model::state_dict::HostTensor::new(tensor.shape().to_vec(), values))
        })
        .collect();
    Model::from_state(config, &state, &FlexDevice).expect("the same tensors")
}

/// Logits, and the gradients of the parameters of `model` of a loss of all outputs, with products in a type.
fn logits_and_gradients(model: &Model<B>, products: Option<FloatDType>) -> (Vec<f32>, StateDict) {
    let bags = bags();
    let batch = BagBatch::from_inner(BagStore::<Flex>::new(&bags, &FlexDevice).batch(&[3, 0, 1, 5, 2]));
    let output = match products {
        Some(dtype) => model.with_products_in(dtype).forward(batch),
        None => model.forward(batch),
    };
    let outputs = [Some(output.logits.clone()), output.absorbance, output.fluorescence, output.bitmask];
    let losses = outputs.into_iter().flatten().map(|output| {
        assert_eq!(output.dtype(), DType::F32, "outputs are float32");
        (output - 0.3).powi_scalar(2).mean()
    });
    let loss = losses.reduce(|a, b| a + b).expect("there are outputs");
    let gradients = model.gradients(&loss.backward());
    (output.logits.into_data().to_vec().expect("float32"), gradients)
}

fn norm<'a>(values: impl IntoIterator<Item = &'a f32>) -> f32 {
    values.into_iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// Networks that together have every layer with a product.
fn variants() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "gated": false, "activation": "Mish" }),
        json!({ "mixer_name": "mlp", "predictor_name": "linear", "post_norms": false }),
        json!({ "aggregator_name": "mean_pool", "inst_hidden": 6 }),
        json!({ "aggregator_kwargs": { "pool_from": "attn_out", "use_temperature": true } }),
        json!({ "aggregator_kwargs": { "pool_v_mode": "linear", "residual_pooling": true, "topk_n": 2 } }),
        json!({ "aggregator_kwargs": { "pool_v_mode": "linear", "pool_v_bias": false } }),
    ]
}

#[test]
fn outputs_and_gradients_are_those_of_float32_to_the_precision_of_the_products() {
    for changes in variants() {
        let model = network(&config(&changes));
        let (logits, gradients) = logits_and_gradients(&model, None);
        // Some roundings, one after the other, of 11 and 8 significant bits.
        for (dtype, tolerance) in [(FloatDType::F16, 4e-3), (FloatDType::BF16, 4e-2)] {
            let (half_logits, half_gradients) = logits_and_gradients(&model, Some(dtype));
            assert_ne!(half_logits, logits, "{changes}: products are rounded");
            let distance =
                |a: &[f32], b: &[f32]| norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
            let error = distance(&half_logits, &logits) / norm(&logits);
            assert!(error < tolerance, "{changes}, {dtype:?}: logits differ by {error}");
            let names = |state: &StateDict| state.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
            assert_eq!(names(&half_gradients), names(&gradients), "{changes}");
            let whole = norm(gradients.iter().flat_map(|(_, gradient)| gradient.data()));
            for (name, gradient) in gradients.iter() {
                let half = half_gradients.get(name).expect("the same names").data();
                let error = distance(half, gradient.data());
                let scale = norm(gradient.data()).max(0.05 * whole);
                assert!(error < 2.0 * tolerance * scale, "{changes}, {dtype:?}, {name}: {error} of {scale}");
            }
        }
    }
}

#[test]
fn noise_of_training_works_in_half_precision() {
    let noisy = json!({
        "mol_dropout": 0.2, "inst_dropout": 0.2, "attn_dropout": 0.2, "mixer_dropout": 0.2, "head_dropout": 0.2,
        "head_stochastic_depth": 0.2, "residual_dropout": 0.2, "drop_path": 0.2,
    });
    for mut changes in variants() {
        changes.as_object_mut().expect("fields").extend(noisy.as_object().expect("fields").clone());
        let model = network(&config(&changes));
        for dtype in [FloatDType::F16, FloatDType::BF16] {
            let (logits, gradients) = logits_and_gradients(&model, Some(dtype));
            let numbers = gradients.iter().flat_map(|(_, gradient)| gradient.data()).chain(&logits);
            assert!(numbers.into_iter().all(|number| number.is_finite()), "{changes}, {dtype:?}");
        }
    }
}

#[test]
fn rounding_to_float32_changes_nothing_and_the_network_keeps_its_weights() {
    let model = network(&config(&json!({})));
    let before = model.state_dict();
    let (logits, _) = logits_and_gradients(&model, None);
    assert_eq!(logits_and_gradients(&model, Some(FloatDType::F32)).0, logits);
    let _ = logits_and_gradients(&model, Some(FloatDType::F16));
    assert_eq!(model.state_dict(), before);
}
