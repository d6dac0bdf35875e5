//! The optimiser and the average of the weights against their definitions, on the fused path of the CPU and on the
//! tensor operations of other devices.

use burn::backend::{Autodiff, Flex, flex::FlexDevice};
use burn::module::AutodiffModule;
use burn::tensor::{Tensor, backend::AutodiffBackend};
use burn::{Dispatch, DispatchDevice};
use serde_json::json;
use shared_model::adamw::AdamWStep;
use shared_model::config::ModelConfig;
use shared_model::network::{BagBatch, Model};
use shared_model::schema::TaskSchema;
use shared_model::state_dict::StateDict;
use trainer::parameters::RunParameters;
use trainer::training::{AdamW, LossScaler, WeightAverage};

fn config() -> ModelConfig {
    let parameters = json!({
        "mol_hidden": 8, "mol_layers": 1, "mol_dropout": 0, "inst_hidden": 8, "inst_layers": 1, "inst_dropout": 0,
        "proj_dim": 8, "attn_heads": 2, "attn_dropout": 0, "mixer_hidden": 8, "mixer_layers": 1, "mixer_dropout": 0,
        "head_num_layers": 1, "head_dropout": 0, "head_stochastic_depth": 0,
    });
    let schema = TaskSchema::euos25();
    let run = RunParameters::from_json(&parameters, &schema).expect("valid parameters");
    let mut config = run.model_config(3, 2, 0);
    (config.residual_dropout, config.drop_path) = (0.0, 0.0);
    config
}

/// Gradients of the mean squared logit, times `scale`, for a batch of three bags.
fn gradients<A: AutodiffBackend>(model: &Model<A>, scale: f64, device: &A::Device) -> A::Gradients {
    let batch = BagBatch::padded(
        Tensor::from_floats([[0.1, 0.2, -0.3], [1.0, -1.0, 0.5], [0.0, 0.7, 0.7]], device),
        Tensor::from_floats(
            [[[0.5, -0.5], [1.0, 0.0]], [[0.3, 0.4], [0.0, 0.0]], [[2.0, 1.0], [0.1, 0.2]]],
            device,
        ),
        Tensor::<A, 2>::from_floats([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]], device).greater_elem(0.5),
    );
    (model.forward(batch).logits - 1.0).powi_scalar(2).mean().mul_scalar(scale).backward()
}

const SCALES: [f64; 3] = [1.0, 40.0, 0.5];
const LR: f64 = 1e-2;
const WEIGHT_DECAY: f64 = 0.1;

/// The weights after steps on gradients of different lengths.
fn trained<A: AutodiffBackend>(max_norm: Option<f64>, device: &A::Device) -> StateDict {
    let mut model = Model::<A>::initialise(&config(), 1, device).expect("a network");
    let mut optimiser = AdamW::new(WEIGHT_DECAY, max_norm);
    for scale in SCALES {
        let gradients = gradients(&model, scale, device);
        model = optimiser.accumulate(model, gradients);
        model = optimiser.step(model, LR);
    }
    model.state_dict()
}

/// The same by the definition, one tensor of the state dict after the other.
fn expected(max_norm: Option<f64>) -> StateDict {
    type A = Autodiff<Flex>;
    let (config, device) = (config(), FlexDevice);
    let mut weights = Model::<A>::initialise(&config, 1, &device).expect("a network").state_dict();
    let mut moments = std::collections::BTreeMap::new();
    for (step, scale) in SCALES.into_iter().enumerate() {
        let model = Model::<A>::from_state(&config, &weights, &device).expect("a network");
        let gradients = model.gradients(&gradients(&model, scale, &device));
        let norm: f64 = gradients.iter().flat_map(|(_, g)| g.data()).map(|&g| f64::from(g).powi(2)).sum();
        let gradient_scale = max_norm.map_or(1.0, |max| (max / (norm.sqrt() + 1e-6)).min(1.0));
        let step = AdamWStep {
            lr: LR,
            weight_decay: WEIGHT_DECAY,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            step: step as u64 + 1,
            gradient_scale,
        };
        for (name, gradient) in gradients.iter() {
            let tensor = weights.get(name).expect("a parameter");
            let (shape, mut values) = (tensor.shape().to_vec(), tensor.data().to_vec());
            let zeros = vec![0.0; values.len()];
            let (first, second) = moments.entry(name.to_owned()).or_insert((zeros.clone(), zeros));
            step.update(&mut values, gradient.data(), first, second);
            weights.insert(name, shared_model::state_dict::HostTensor::new(shape, values));
        }
    }
    weights
}

fn assert_close(found: &StateDict, expected: &StateDict, tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for ((name, found), (_, expected)) in found.iter().zip(expected.iter()) {
        for (found, expected) in found.data().iter().zip(expected.data()) {
            assert!((found - expected).abs() <= tolerance, "{name}: {found}, expected {expected}");
        }
    }
}

#[test]
fn steps_are_those_of_the_definition_with_and_without_clipping() {
    let dispatch = DispatchDevice::autodiff(DispatchDevice::Flex(FlexDevice));
    for max_norm in [None, Some(0.3)] {
        let expected = expected(max_norm);
        assert_close(&trained::<Autodiff<Flex>>(max_norm, &FlexDevice), &expected, 1e-6);
        // Adam blows up rounding where a gradient is all but 0.
        assert_close(&trained::<Dispatch>(max_norm, &dispatch), &expected, 1e-4);
    }
}

#[test]
fn clipping_changes_what_is_longer_than_the_bound_only() {
    let free = trained::<Autodiff<Flex>>(None, &FlexDevice);
    assert_eq!(trained::<Autodiff<Flex>>(Some(1e5), &FlexDevice), free);
    assert_ne!(trained::<Autodiff<Flex>>(Some(0.3), &FlexDevice), free);
}

#[test]
fn accumulated_gradients_are_added_and_used_once() {
    type A = Autodiff<Flex>;
    let device = FlexDevice;
    let steps = |parts: &[&[f64]]| {
        let mut model = Model::<A>::initialise(&config(), 1, &device).expect("a network");
        let mut optimiser = AdamW::new(0.0, None);
        for batches in parts {
            for &scale in *batches {
                let gradients = gradients(&model, scale, &device);
                model = optimiser.accumulate(model, gradients);
            }
            model = optimiser.step(model, LR);
        }
        model.state_dict()
    };
    assert_close(&steps(&[&[0.25, 0.25], &[2.0, 1.0]]), &steps(&[&[0.5], &[3.0]]), 1e-5);
}

#[test]
fn networks_that_train_side_by_side_do_not_disturb_each_other() {
    type A = Autodiff<Flex>;
    let trained = || {
        let mut model = Model::<A>::initialise(&config(), 1, &FlexDevice).expect("a network");
        let mut optimiser = AdamW::new(WEIGHT_DECAY, None);
        for scale in SCALES {
            for _batch in 0..3 {
                let gradients = gradients(&model, scale, &FlexDevice);
                model = optimiser.accumulate(model, gradients);
            }
            model = optimiser.step(model, LR);
        }
        model.state_dict()
    };
    let alone = trained();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope
                .spawn(|| (0..40).for_each(|_| assert!(trained() == alone, "another thread changed a step")));
        }
    });
}

#[test]
fn moments_that_were_kept_go_on_to_the_bit() {
    type A = Autodiff<Flex>;
    let (config, device) = (config(), FlexDevice);
    let mut model = Model::<A>::initialise(&config, 1, &device).expect("a network");
    let mut optimiser = AdamW::new(WEIGHT_DECAY, None);
    for (step, scale) in SCALES.into_iter().enumerate() {
        if step == 2 {
            let state = optimiser.state();
            assert!(state.iter().flatten().all(|(_, steps)| *steps == 2));
            optimiser = AdamW::new(WEIGHT_DECAY, None);
            optimiser.restore(state, &device);
            model = Model::from_state(&config, &model.state_dict(), &device).expect("a network");
        }
        let gradients = gradients(&model, scale, &device);
        model = optimiser.accumulate(model, gradients);
        model = optimiser.step(model, LR);
    }
    assert_eq!(model.state_dict(), trained::<A>(None, &device));
}

/// Weights after steps on gradients of a scaled loss, and the scaler; a loss in `overflowing` is infinite.
fn trained_scaled<A: AutodiffBackend>(
    max_norm: Option<f64>,
    overflowing: &[usize],
    device: &A::Device,
) -> (StateDict, LossScaler) {
    let mut model = Model::<A>::initialise(&config(), 1, device).expect("a network");
    let (mut optimiser, mut scaler) = (AdamW::new(WEIGHT_DECAY, max_norm), LossScaler::default());
    let mut losses = SCALES.into_iter();
    for step in 0..SCALES.len() + overflowing.len() {
        let overflows = overflowing.contains(&step);
        let scale =
            if overflows { f64::INFINITY } else { losses.next().expect("one a step") * scaler.scale() };
        let gradients = gradients(&model, scale, device);
        model = optimiser.accumulate(model, gradients);
        let before = overflows.then(|| model.state_dict());
        let (stepped, made) = optimiser.step_scaled(model, LR, &mut scaler);
        model = stepped;
        assert_eq!(made, !overflows);
        assert!(before.is_none_or(|before| before == model.state_dict()), "no step, no change");
    }
    (model.state_dict(), scaler)
}

#[test]
fn steps_on_a_scaled_loss_are_those_of_the_loss_and_infinite_gradients_make_none() {
    let dispatch = DispatchDevice::autodiff(DispatchDevice::Flex(FlexDevice));
    for max_norm in [None, Some(0.3)] {
        let expected = expected(max_norm);
        for overflowing in [&[][..], &[0, 2]] {
            let (found, scaler) = trained_scaled::<Autodiff<Flex>>(max_norm, overflowing, &FlexDevice);
            assert_close(&found, &expected, 1e-6);
            assert_eq!(scaler.skipped(), overflowing.len() as u64);
            assert_eq!(scaler.scale(), 65_536.0 / f64::exp2(overflowing.len() as f64));
            assert_close(&trained_scaled::<Dispatch>(max_norm, overflowing, &dispatch).0, &expected, 1e-4);
        }
    }
}

#[test]
fn the_average_weighs_later_weights_more() {
    type A = Autodiff<Flex>;
    let device = FlexDevice;
    let models: Vec<Model<Flex>> = (0..4)
        .map(|seed| Model::<A>::initialise(&config(), seed, &device).expect("a network").valid())
        .collect();
    let mut average = WeightAverage::new(0.8, None);
    assert!(average.model().is_none());
    for model in &models {
        average.update(model.clone());
    }
    let shares = [0.8f32.powi(3), 0.2 * 0.8f32.powi(2), 0.2 * 0.8, 0.2];
    let states: Vec<StateDict> = models.iter().map(Model::state_dict).collect();
    let found = average.model().expect("an average").state_dict();
    for (name, found) in found.iter() {
        for (index, found) in found.data().iter().enumerate() {
            let expected: f32 = states
                .iter()
                .zip(shares)
                .map(|(state, share)| state.get(name).expect("same").data()[index] * share)
                .sum();
            assert!((found - expected).abs() < 1e-6, "{name}: {found}, expected {expected}");
        }
    }
}
