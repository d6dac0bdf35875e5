//! Initial parameters: what the specification says of them, and that a seed fixes them.

use burn::backend::Flex;
use burn::tensor::Tensor;
use serde_json::json;
use shared_model::config::{Activation, ModelConfig};
use shared_model::network::{BagBatch, Model};
use shared_model::state_dict::{HostTensor, StateDict};

fn config() -> ModelConfig {
    serde_json::from_value(json!({
        "mol_dim": 100, "inst_dim": 128, "n_tasks": 2, "n_absorbance": 1, "n_fluorescence": 1,
        "n_bitmask_groups": 3, "mol_hidden": 128, "mol_layers": 3, "mol_dropout": 0.1, "inst_hidden": 128,
        "inst_layers": 4, "inst_dropout": 0.1, "proj_dim": 64, "attn_heads": 4, "attn_dropout": 0.1,
        "mixer_hidden": 128, "mixer_layers": 3, "mixer_dropout": 0.1, "activation": "GELU", "head_num_layers": 2,
        "head_dropout": 0.1, "head_stochastic_depth": 0.1, "head_fc2_gain_non_last": 0.003
    }))
    .expect("a complete configuration")
}

fn initial(seed: u64) -> StateDict {
    Model::<Flex>::initialise(&config(), seed, &Default::default()).expect("valid").state_dict()
}

fn tensor<'a>(state: &'a StateDict, name: &str) -> &'a HostTensor {
    state.get(name).unwrap_or_else(|| panic!("no {name}"))
}

/// Asserts values uniform within ± bound: none beyond, some close, a standard deviation of bound / sqrt 3.
fn assert_uniform(what: &str, values: &[f32], bound: f32) {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    assert!(largest <= bound * 1.0001 && largest > 0.98 * bound, "{what}: {largest}, expected {bound}");
    let deviation = (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt();
    assert!((deviation * 3f32.sqrt() / bound - 1.0).abs() < 0.05, "{what}: {deviation}");
}

#[test]
fn a_seed_fixes_every_parameter() {
    assert_eq!(initial(3), initial(3));
    assert_ne!(initial(3), initial(4));
}

#[test]
fn gate_and_value_rows_have_their_own_distributions() {
    let state = initial(0);
    // Inner width of 128 is 256: ff1 is [512, 128].
    let kaiming = (6.0f32 / 128.0).sqrt();
    let xavier = (6.0f32 / (128.0 + 256.0)).sqrt() / 2f32.sqrt();
    let halves = |name: &str| {
        let values = tensor(&state, name).data();
        let (first, second) = values.split_at(values.len() / 2);
        (first.to_vec(), second.to_vec())
    };
    let (gate, value) = halves("inst_enc.blocks.0.ff1.weight");
    assert_uniform("embedder gate", &gate, kaiming);
    assert_uniform("embedder value", &value, xavier);
    let (value, gate) = halves("cls_heads.1.blocks.0.fc1.weight");
    assert_uniform("head gate", &gate, kaiming);
    assert_uniform("head value", &value, xavier);
}

#[test]
fn residual_branches_start_small_and_last_blocks_as_the_identity() {
    let state = initial(0);
    let scale = |name: &str| tensor(&state, name).data()[0];
    let scales = [0, 1, 2, 3].map(|block| scale(&format!("inst_enc.res_scales.{block}")));
    assert_eq!(scales, [0.01, 0.01, 0.1, 0.1], "the warm-up spares the last two blocks");
    assert_eq!(scale("cls_heads.0.blocks.0.res_scale"), 0.1);
    for last in
        ["inst_enc.blocks.3.ff2.weight", "mol_enc.blocks.2.ff2.weight", "bitmask_head.blocks.1.fc2.weight"]
    {
        assert!(tensor(&state, last).data().iter().all(|value| *value == 0.0), "{last}");
    }
    let fc2 = tensor(&state, "abs_heads.0.blocks.0.fc2.weight").data();
    assert_uniform("fc2 before the last block", fc2, 0.003 * (6.0f32 / (128.0 + 256.0)).sqrt());
    let fc_out = tensor(&state, "bitmask_head.fc_out.weight").data();
    assert_uniform("fc_out", fc_out, 0.01 * (6.0f32 / (128.0 + 3.0)).sqrt());
}

#[test]
fn the_attention_pool_starts_as_in_pytorch() {
    let state = initial(0);
    let q = tensor(&state, "attn_pool.q").data();
    let deviation = (q.iter().map(|value| value * value).sum::<f32>() / q.len() as f32).sqrt();
    assert!((deviation / 0.02 - 1.0).abs() < 0.15, "{deviation}");
    let in_proj = tensor(&state, "attn_pool.mha.in_proj_weight");
    assert_uniform("in_proj", in_proj.data(), (6.0f32 / (128.0 + 384.0)).sqrt());
    assert_eq!(tensor(&state, "attn_pool.log_tau").data(), [0.3f32.ln()]);
    assert_eq!(tensor(&state, "attn_pool.residual_mix").data(), [0.0]);
}

#[test]
fn residual_blocks_without_gates_use_the_activation() {
    let config = ModelConfig { gated: false, activation: Activation::Relu, ..config() };
    let model = Model::<Flex>::initialise(&config, 0, &Default::default()).expect("valid");
    let state = model.state_dict();
    let ff1 = tensor(&state, "inst_enc.blocks.0.ff1.weight");
    assert_eq!(ff1.shape(), [256, 128], "no second half for a gate");
    assert_uniform("ff1", ff1.data(), (6.0f32 / 128.0).sqrt());
    assert_eq!(tensor(&state, "cls_heads.0.blocks.0.fc1.weight").shape(), [512, 128], "heads stay gated");

    let logits = |activation| {
        let config = ModelConfig { activation, ..config.clone() };
        let model = Model::<Flex>::from_state(&config, &state, &Default::default()).expect("the same shapes");
        let batch = BagBatch::padded(
            Tensor::ones([1, 100], &Default::default()),
            Tensor::ones([1, 2, 128], &Default::default()),
            Tensor::<Flex, 2>::zeros([1, 2], &Default::default()).greater_elem(0.5),
        );
        model.forward(batch).logits.into_data().to_vec::<f32>().expect("float32")
    };
    assert_ne!(logits(Activation::Relu), logits(Activation::Gelu));
}

#[test]
fn an_embedder_of_its_own_width_has_no_input_projection() {
    let state = initial(0);
    assert!(state.get("inst_enc.in_proj.weight").is_none(), "inst_dim is inst_hidden");
    assert_uniform("in_proj", tensor(&state, "mol_enc.in_proj.weight").data(), (6.0f32 / 228.0).sqrt());
    assert!(tensor(&state, "mol_enc.in_proj.bias").data().iter().all(|value| *value == 0.0));
}
