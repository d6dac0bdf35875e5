//! The parameters of a run: typed groups from the flat JSON that searches write and people edit.
//!
//! Every parameter has a name, a range and a default; unknown names and values out of range are errors that
//! name them. What was resolved, defaults included, is kept and reads back to the same run.

mod optimisation;
mod reader;

use serde_json::{Map, Value};
use shared_model::config::{Activation, Mixer, ModelConfig, Predictor, TaskAttentionPoolOptions};
use shared_model::schema::TaskSchema;

pub use self::optimisation::OptimisationParameters;
pub use self::reader::ParameterError;
use self::reader::Reader;
use crate::losses::RegressionLoss;
use crate::sampling::{SamplerConfig, TaskQuota, task_quotas};
use crate::weighting::{LossWeighting, TaskMultipliers};

/// Parameters of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunParameters {
    /// Capacity and regularisation of the network.
    pub network: NetworkParameters,
    /// Optimiser and batches.
    pub optimisation: OptimisationParameters,
    /// Weights of the loss.
    pub loss: LossParameters,
    /// Composition of training batches.
    pub sampler: SamplerConfig,
    /// Every parameter by its flat name, defaults included.
    pub resolved: Map<String, Value>,
}

/// Capacity and regularisation of the network; its input and output sizes come from the data.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "documented at the fields of the same names of ModelConfig")]
pub struct NetworkParameters {
    pub aggregator_kwargs: TaskAttentionPoolOptions,
    pub mixer_name: Mixer,
    pub predictor_name: Predictor,
    pub post_norms: bool,
    pub gated: bool,
    pub mol_hidden: usize,
    pub mol_layers: usize,
    pub mol_dropout: f64,
    pub inst_hidden: usize,
    pub inst_layers: usize,
    pub inst_dropout: f64,
    pub proj_dim: usize,
    pub attn_heads: usize,
    pub attn_dropout: f64,
    pub mixer_hidden: usize,
    pub mixer_layers: usize,
    pub mixer_dropout: f64,
    pub activation: Activation,
    pub head_num_layers: usize,
    pub head_dropout: f64,
    pub head_stochastic_depth: f64,
    pub head_fc2_gain_non_last: f64,
}

/// Weights of the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct LossParameters {
    /// Weights of the classification loss of each task.
    pub tasks: LossWeighting,
    /// Weight of the absorbance loss.
    pub lambda_aux_abs: f64,
    /// Weight of the fluorescence loss.
    pub lambda_aux_fluo: f64,
    /// Weight of the bitmask loss; 0 leaves the bitmask head out.
    pub lambda_aux_bitmask: f64,
    /// Criterion of the auxiliary regressions.
    pub regression: RegressionLoss,
    /// Whether label weights are multiplied by the rarity of the label combination.
    pub use_bitmask_loss_weight: bool,
    /// Exponent of that rarity.
    pub bitmask_weight_alpha: f64,
    /// Upper bound of that factor.
    pub bitmask_weight_cap: f64,
    /// Label combinations with a group of their own.
    pub bitmask_group_top_k: usize,
    /// Exponent of the group weights.
    pub bitmask_group_weight_alpha: f64,
    /// Upper bound of the group weights.
    pub bitmask_group_weight_cap: f64,
    /// Weight of the worst task in a fold's score.
    pub min_w: f64,
}

impl RunParameters {
    /// Reads a flat JSON object of parameters.
    ///
    /// # Errors
    /// [`ParameterError`] for a parameter that is unknown, of the wrong type or out of range.
    pub fn from_json(parameters: &Value, schema: &TaskSchema) -> Result<Self, ParameterError> {
        let mut reader = Reader::new(parameters)?;
        let r = &mut reader;
        let architecture = Architecture::read(r)?;
        let network = NetworkParameters::read(r, architecture)?;
        let optimisation = OptimisationParameters::read(r)?;
        let loss = LossParameters::read(r, schema.task_count(), architecture)?;
        let sampler = read_sampler(r, schema, optimisation.batch_size)?;
        // Of the search, not of a run; accepted so that a search's best parameters read as they are.
        r.choice("objective_mode", "macro_plus_min", &["macro_plus_min"])?;
        let resolved = reader.finish()?;
        Ok(Self { network, optimisation, loss, sampler, resolved })
    }

    /// The model configuration for inputs of these widths, and `bitmask_groups` groups (0: no bitmask head).
    pub fn model_config(
        &self,
        schema: &TaskSchema,
        features_2d: usize,
        features_3d: usize,
        bitmask_groups: usize,
    ) -> ModelConfig {
        let n = &self.network;
        ModelConfig {
            mol_dim: features_2d,
            inst_dim: features_3d,
            n_tasks: schema.task_count(),
            n_absorbance: schema.absorbance.len(),
            n_fluorescence: schema.fluorescence.len(),
            n_bitmask_groups: bitmask_groups,
            mol_embedder_name: Default::default(),
            inst_embedder_name: Default::default(),
            aggregator_name: Default::default(),
            aggregator_kwargs: n.aggregator_kwargs.clone(),
            scaled_features: false,
            mixer_name: n.mixer_name,
            predictor_name: n.predictor_name,
            post_norms: n.post_norms,
            gated: n.gated,
            mol_hidden: n.mol_hidden,
            mol_layers: n.mol_layers,
            mol_dropout: n.mol_dropout,
            inst_hidden: n.inst_hidden,
            inst_layers: n.inst_layers,
            inst_dropout: n.inst_dropout,
            proj_dim: n.proj_dim,
            attn_heads: n.attn_heads,
            attn_dropout: n.attn_dropout,
            mixer_hidden: n.mixer_hidden,
            mixer_layers: n.mixer_layers,
            mixer_dropout: n.mixer_dropout,
            activation: n.activation,
            head_num_layers: n.head_num_layers,
            head_dropout: n.head_dropout,
            head_stochastic_depth: n.head_stochastic_depth,
            head_fc2_gain_non_last: n.head_fc2_gain_non_last,
            residual_dropout: 0.05,
            drop_path: 0.05,
        }
    }
}

/// A preset: what the components are where they are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    /// Mixer `mlp` and predictor `linear`, without the four layer normalisations between the components and
    /// without the bitmask head.
    V1,
    V2,
}

impl Architecture {
    fn read(r: &mut Reader) -> Result<Self, ParameterError> {
        Ok(if r.choice("architecture", "v2", &["v2", "v1"])? == "v1" { Self::V1 } else { Self::V2 })
    }
}

impl NetworkParameters {
    fn read(r: &mut Reader, architecture: Architecture) -> Result<Self, ParameterError> {
        for (name, known) in [
            ("mol_embedder_name", ["mlp_v3_2d", "mlp_v3"].as_slice()),
            ("inst_embedder_name", &["mlp_v3_3d", "mlp_v3"]),
            ("aggregator_name", &["task_attention_pool"]),
        ] {
            r.choice(name, known[0], known)?;
        }
        let (mixer, predictor) = match architecture {
            Architecture::V1 => ("mlp", "linear"),
            Architecture::V2 => ("mlp_v3", "mlp_v3"),
        };
        let mixer = r.choice("mixer_name", mixer, &["mlp_v3", "mlp"])?;
        let predictor = r.choice("predictor_name", predictor, &["mlp_v3", "linear"])?;
        let activation = r.choice("activation", "GELU", &["GELU", "SiLU", "Mish", "ReLU", "LeakyReLU"])?;
        Ok(Self {
            aggregator_kwargs: r.options("aggregator_kwargs")?,
            mixer_name: serde_json::from_value(mixer.into()).expect("one of the choices above"),
            predictor_name: serde_json::from_value(predictor.into()).expect("one of the choices above"),
            post_norms: r.flag("post_norms", architecture == Architecture::V2)?,
            gated: r.flag("gated", true)?,
            mol_hidden: r.integer("mol_hidden", 128, 1, 8192)?,
            mol_layers: r.integer("mol_layers", 3, 1, 64)?,
            mol_dropout: r.number("mol_dropout", 0.15, 0.0, 0.95)?,
            inst_hidden: r.integer("inst_hidden", 128, 1, 8192)?,
            inst_layers: r.integer("inst_layers", 3, 1, 64)?,
            inst_dropout: r.number("inst_dropout", 0.1, 0.0, 0.95)?,
            proj_dim: r.integer("proj_dim", 256, 1, 8192)?,
            attn_heads: r.integer("attn_heads", 8, 1, 8192)?,
            attn_dropout: r.number("attn_dropout", 0.1, 0.0, 0.95)?,
            mixer_hidden: r.integer("mixer_hidden", 128, 1, 8192)?,
            mixer_layers: r.integer("mixer_layers", 3, 1, 64)?,
            mixer_dropout: r.number("mixer_dropout", 0.1, 0.0, 0.95)?,
            activation: serde_json::from_value(activation.into()).expect("one of the choices above"),
            head_num_layers: r.integer("head_num_layers", 2, 1, 64)?,
            head_dropout: r.number("head_dropout", 0.1, 0.0, 0.95)?,
            head_stochastic_depth: r.number("head_stochastic_depth", 0.05, 0.0, 0.95)?,
            head_fc2_gain_non_last: r.number("head_fc2_gain_non_last", 3e-3, 0.0, 10.0)?,
        })
    }
}

impl LossParameters {
    fn read(r: &mut Reader, tasks: usize, architecture: Architecture) -> Result<Self, ParameterError> {
        let lambda_aux_bitmask = if architecture == Architecture::V1 { 0.0 } else { 0.05 };
        let regression = r.choice("reg_loss_type", "mse", &["mse", "smoothl1"])?;
        // Read in any case, so that a parameter that has no effect is no unknown one.
        let (floor, ceil) = (r.number("lam_floor", 0.5, 0.0, 1e6)?, r.number("lam_ceil", 1.8, 1e-6, 1e6)?);
        let power = r.number("lam_power", 0.5, 0.0, 10.0)?;
        let multipliers = if (0..tasks).any(|t| r.has(&format!("lam_t{t}"))) {
            TaskMultipliers::Given { raw: r.per_task("lam", tasks, 1.0, 1e-6, 1e6)?, floor, ceil }
        } else {
            TaskMultipliers::PrevalencePower(power)
        };
        if floor > ceil {
            let name = "lam_floor".into();
            return Err(ParameterError::OutOfRange { name, found: floor, low: 0.0, high: ceil });
        }
        Ok(Self {
            tasks: LossWeighting {
                pos_weight_clip: r.per_task("posw_clip", tasks, 50.0, 1e-6, 1e6)?,
                gamma: r.per_task("gamma", tasks, 1.0, 0.0, 20.0)?,
                multipliers,
            },
            lambda_aux_abs: r.number("lambda_aux_abs", 0.1, 0.0, 1e3)?,
            lambda_aux_fluo: r.number("lambda_aux_fluo", 0.2, 0.0, 1e3)?,
            lambda_aux_bitmask: r.number("lambda_aux_bitmask", lambda_aux_bitmask, 0.0, 1e3)?,
            regression: serde_json::from_value(regression.into()).expect("one of the choices above"),
            use_bitmask_loss_weight: r.flag("use_bitmask_loss_weight", true)?,
            bitmask_weight_alpha: r.number("bitmask_weight_alpha", 0.5, 0.0, 10.0)?,
            bitmask_weight_cap: r.number("bitmask_weight_cap", 3.0, 1.0, 1e6)?,
            bitmask_group_top_k: r.integer("bitmask_group_top_k", 6, 1, 1 << 16)?,
            bitmask_group_weight_alpha: r.number("bitmask_group_weight_alpha", 0.5, 0.0, 10.0)?,
            bitmask_group_weight_cap: r.number("bitmask_group_weight_cap", 5.0, 1.0, 1e6)?,
            min_w: r.number("min_w", 0.3, 0.0, 1.0)?,
        })
    }
}

fn read_sampler(
    r: &mut Reader,
    schema: &TaskSchema,
    batch_size: usize,
) -> Result<SamplerConfig, ParameterError> {
    let mut quotas = task_quotas(schema);
    // Names of the earlier system, which knew the four EUOS25 tasks only.
    for (name, task) in [("quota_fgt480_per_256", 3), ("quota_t450_per_256", 1)] {
        if r.has(name) && task < schema.task_count() {
            let per_256 = r.number(name, 0.0, 0.0, 256.0)?;
            match quotas.iter_mut().find(|quota| quota.task == task) {
                Some(quota) => quota.per_256 = per_256,
                None => quotas.push(TaskQuota { task, per_256 }),
            }
        }
    }
    Ok(SamplerConfig {
        batch_size,
        use_balanced_batch_sampler: r.flag("use_balanced_batch_sampler", true)?,
        rare_oversample_mult: r.number("rare_oversample_mult", 6.0, 0.0, 1e6)?,
        rare_target_prev: r.number("rare_target_prev", 0.1, 1e-9, 1.0)?,
        rare_prev_thr: r.optional_number("rare_prev_thr", 0.0, 1.0)?,
        sample_weight_cap: r.number("sample_weight_cap", 7.0, 1.0, 1e6)?,
        batch_pos_fraction: r.number("batch_pos_fraction", 0.35, 0.0, 1.0)?,
        min_pos_per_batch: r.integer("min_pos_per_batch", 1, 0, 1 << 20)?,
        enforce_bitmask_quota: r.flag("enforce_bitmask_quota", true)?,
        quotas,
        quota_multi_per_256: r.number("quota_multi_per_256", 8.0, 0.0, 256.0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            ("predictor_name", "mlp_v3, linear"),
            ("reg_loss_type", "smoothl1"),
        ] {
            let text = message(json!({ name: "resnet" }));
            assert!(text.contains(name) && text.contains("resnet") && text.contains(known), "{text}");
        }
        let text = message(json!({ "aggregator_kwargs": { "topk": 2 } }));
        assert!(text.contains("`topk`") && text.contains("topk_n"), "{text}");
    }
}
