//! The parameters of a run: typed groups from the flat JSON that searches write and people edit.
//!
//! Every parameter has a name, a range and a default; unknown names and values out of range are errors that
//! name them. What was resolved, defaults included, is kept and reads back to the same run.

mod error;
mod loss;
mod network;
mod objective;
mod optimisation;
mod reader;
mod sampler;

use serde_json::{Map, Value};
use shared_model::config::{ModelConfig, MoleculeEmbedder};
use shared_model::schema::TaskSchema;

pub use self::error::ParameterError;
pub use self::loss::LossParameters;
pub use self::objective::ObjectiveParameters;
pub use self::optimisation::{LearningRateSchedule, OptimisationParameters};
use self::reader::Reader;
use crate::sampling::SamplerConfig;

/// Parameters of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunParameters {
    /// Backbone and heads; widths of inputs and groups are placeholders (see [`model_config`](Self::model_config)).
    network: ModelConfig,
    /// Optimiser and batches.
    pub optimisation: OptimisationParameters,
    /// Weights of the loss.
    pub loss: LossParameters,
    /// Composition of training batches.
    pub sampler: SamplerConfig,
    /// What a search maximises.
    pub objective: ObjectiveParameters,
    /// Every parameter by its flat name, defaults included.
    pub resolved: Map<String, Value>,
}

impl RunParameters {
    /// Reads a flat JSON object of parameters, maybe wrapped (see [`flat`]).
    ///
    /// # Errors
    /// [`ParameterError`] for a parameter that is unknown, of the wrong type or out of range.
    pub fn from_json(parameters: &Value, schema: &TaskSchema) -> Result<Self, ParameterError> {
        let mut reader = Reader::new(flat(parameters)?.clone());
        let r = &mut reader;
        let architecture = Architecture::read(r)?;
        let network = network::read(r, architecture, schema)?;
        let optimisation = OptimisationParameters::read(r)?;
        let loss = LossParameters::read(r, schema.task_count(), architecture)?;
        let sampler = sampler::read(r, schema, optimisation.batch_size, architecture)?;
        let objective = ObjectiveParameters::read(r)?;
        let resolved = reader.finish()?;
        Ok(Self { network, optimisation, loss, sampler, objective, resolved })
    }

    /// The model configuration for inputs of these widths, and `bitmask_groups` groups (0: no bitmask head). Without 2D
    /// features it has no 2D branch.
    pub fn model_config(&self, features_2d: usize, features_3d: usize, bitmask_groups: usize) -> ModelConfig {
        ModelConfig {
            mol_dim: features_2d,
            inst_dim: features_3d,
            n_bitmask_groups: bitmask_groups,
            mol_embedder_name: match features_2d {
                0 => MoleculeEmbedder::None,
                _ => self.network.mol_embedder_name,
            },
            ..self.network.clone()
        }
    }
}

/// The flat parameters in a JSON value: an object, or one that wraps it as `params` or `best_params`, as people store
/// what Optuna's objects of these names hold.
///
/// # Errors
/// [`ParameterError::NotAnObject`].
pub fn flat(parameters: &Value) -> Result<&Map<String, Value>, ParameterError> {
    let given = parameters.as_object().ok_or(ParameterError::NotAnObject)?;
    let wrapped = ["params", "best_params"].iter().find_map(|&name| given.get(name)?.as_object());
    Ok(wrapped.unwrap_or(given))
}

/// A preset: what the components and defaults are where they are not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    /// Wider layers, mixer `mlp` and predictor `linear`, without the four layer normalisations between the
    /// components and without the bitmask head; weighted draws by a threshold of prevalence.
    V1,
    V2,
}

impl Architecture {
    fn read(r: &mut Reader) -> Result<Self, ParameterError> {
        Ok(if r.choice("architecture", "v2", &["v2", "v1"])? == "v1" { Self::V1 } else { Self::V2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weighting::TaskMultipliers;
    use serde_json::json;
    use shared_model::config::{Mixer, Predictor};

    fn read(parameters: Value) -> Result<RunParameters, ParameterError> {
        RunParameters::from_json(&parameters, &TaskSchema::euos25())
    }

    #[test]
    fn what_was_resolved_reads_back_to_the_same_run() {
        let run = read(json!({ "lr": 1e-3, "lam_t1": 1.4, "gamma_t3": 2.5, "quota_t450_per_256": 6,
            "aggregator_kwargs": { "topk_n": 3 } }))
        .expect("valid parameters");
        assert_eq!(run.loss.tasks.gamma, [1.0, 1.0, 1.0, 2.5]);
        assert_eq!(run.network.aggregator_kwargs.topk_n, Some(3));
        let TaskMultipliers::Given { raw, .. } = &run.loss.tasks.multipliers else {
            panic!("lam_t1 is given")
        };
        assert_eq!(*raw, [1.0, 1.4, 1.0, 1.0]);
        let quotas: Vec<_> = run.sampler.quotas.iter().map(|quota| (quota.task, quota.per_256)).collect();
        assert_eq!(quotas, [(3, 1.0), (1, 6.0)]);
        assert_eq!(read(Value::Object(run.resolved.clone())).expect("resolved parameters"), run);
    }

    #[test]
    fn the_first_architecture_is_a_preset_that_names_can_change() {
        let run = read(json!({ "architecture": "v1" })).expect("valid parameters");
        assert_eq!((run.network.mixer_name, run.network.predictor_name), (Mixer::Mlp, Predictor::Linear));
        assert!(!run.network.post_norms && run.network.gated);
        assert_eq!(run.loss.lambda_aux_bitmask, 0.0, "it has no bitmask head");
        assert!(!run.sampler.use_balanced_batch_sampler && run.sampler.rare_prev_thr.is_some());
        assert_eq!(read(Value::Object(run.resolved.clone())).expect("resolved parameters"), run);
        let run =
            read(json!({ "architecture": "v1", "predictor_name": "mlp_v3" })).expect("valid parameters");
        assert_eq!((run.network.mixer_name, run.network.predictor_name), (Mixer::Mlp, Predictor::MlpV3));
        let run = read(json!({})).expect("valid parameters");
        assert_eq!((run.network.mixer_name, run.network.predictor_name), (Mixer::MlpV3, Predictor::MlpV3));
        assert!(run.network.post_norms && run.loss.lambda_aux_bitmask > 0.0);
    }

    #[test]
    fn every_mistake_is_named() {
        let message = |parameters| read(parameters).expect_err("invalid").to_string();
        assert!(message(json!({ "learning_rate": 1 })).contains("learning_rate"));
        assert!(message(json!({ "gamma_t4": 1 })).contains("gamma_t4"));
        assert!(message(json!({ "lr": "fast" })).contains("lr"));
        assert!(message(json!({ "lr": -1 })).contains("lr is -1"));
        assert!(message(json!({ "batch_size": 12.5 })).contains("batch_size"));
        assert!(message(json!({ "activation": "Tanh" })).contains("Mish"));
        assert!(message(json!({ "lam_floor": 2.0 })).contains("lam_floor"));
        assert!(message(json!([1])).contains("object"));
        assert!(message(json!({ "aggregator_kwargs": [] })).contains("object of options"));
        for (name, known) in [
            ("architecture", "v1"),
            ("mol_embedder_name", "mlp_v3_2d"),
            ("inst_embedder_name", "mlp_v3_3d"),
            ("aggregator_name", "task_attention_pool"),
            ("mixer_name", "mlp_v3, mlp"),
            ("activation", "GELU, SiLU, Mish, ReLU, LeakyReLU"),
            ("predictor_name", "mlp_v3, linear"),
            ("reg_loss_type", "smoothl1"),
        ] {
            let text = message(json!({ name: "resnet" }));
            assert!(text.contains(name) && text.contains("resnet") && text.contains(known), "{text}");
        }
        for (parameters, meant) in [
            (json!({ "mol_hiden": 64 }), "mol_hiden (did you mean \"mol_hidden\"?)"),
            (json!({ "quota_t45_per_256": 4 }), "quota_t450_per_256"),
            (json!({ "lam_1": 4 }), "lam_t1"),
            (json!({ "activation": "SILU" }), "did you mean \"SiLU\"?"),
            (json!({ "aggregator_kwargs": { "topk": 2 } }), "did you mean \"topk_n\"?"),
            (json!({ "gamma_t4": 1 }), "the schema has 4 tasks, t0 to t3"),
        ] {
            let text = message(parameters);
            assert!(text.contains(meant), "{text}");
        }
        assert!(message(json!({ "mol_dim": 5 })).contains("unknown"), "the data fix it");
        assert!(message(json!({ "inst_hidden": 30, "attn_heads": 4 })).contains("attn_heads 4"));
        let text = message(json!({ "aggregator_kwargs": { "topk": 2 } }));
        assert!(text.contains("`topk`") && text.contains("topk_n"), "{text}");
    }

    #[test]
    fn what_a_search_of_the_first_version_found_reads_as_it_is() {
        let found = json!({
            "mol_hidden": 1024, "mol_layers": 2, "mol_dropout": 0.2, "inst_hidden": 512, "inst_layers": 4,
            "inst_dropout": 0.1, "proj_dim": 512, "attn_heads": 16, "attn_dropout": 0.1, "mixer_hidden": 512,
            "mixer_layers": 3, "mixer_dropout": 0.1, "activation": "Mish", "lr": 3e-4, "weight_decay": 1e-5,
            "batch_size": 256, "accumulate_grad_batches": 8, "posw_clip_t0": 30.0, "posw_clip_t3": 150.0,
            "gamma_t0": 2.0, "rare_oversample_mult": 120.0, "rare_prev_thr": 0.01, "sample_weight_cap": 12.0,
            "lam_t0": 0.5, "lam_t3": 2.5, "lam_floor": 0.4, "lam_ceil": 3.0, "lambda_aux_abs": 0.2,
            "lambda_aux_fluo": 0.3, "reg_loss_type": "mse", "objective_mode": "macro_plus_min", "min_w": 0.4,
        });
        let run = read(found.clone()).expect("valid parameters");
        assert_eq!((run.sampler.rare_prev_thr, run.objective.min_w), (Some(0.01), 0.4));
        for wrapper in ["params", "best_params"] {
            let wrapped = json!({ wrapper: found, "value": 0.31, "number": 17 });
            assert_eq!(read(wrapped).expect("valid parameters"), run, "{wrapper}");
        }
        read(json!({ "lam_power": 0.7 })).expect("the multipliers come from the prevalences");
    }

    #[test]
    fn whole_numbers_may_be_written_as_floating_point() {
        let run = read(json!({ "mol_hidden": 64.0, "batch_size": 32.0, "mol_dropout": 0 })).expect("valid");
        assert_eq!((run.network.mol_hidden, run.optimisation.batch_size), (64, 32));
        assert!(read(json!({ "mol_hidden": 64.5 })).is_err() && read(json!({ "mol_hidden": -64 })).is_err());
    }
}
