//! Models of the earlier PyTorch system: hyper-parameters and state dict become a configuration and weights.

use serde_json::{Map, Value, json};
use shared_model::config::{ModelConfig, TaskAttentionPoolOptions};
use shared_model::schema::TaskSchema;
use shared_model::state_dict::StateDict;

use crate::checkpoint::LightningCheckpoint;

/// Tensors of the state dict that belong to the loss, not to the network.
const LOSS_BUFFERS: [&str; 5] =
    ["lam", "cls_loss.pos_weight", "cls_loss.gamma", "bitmask_mask_to_group", "bitmask_group_class_weight"];

/// A model read from a checkpoint.
#[derive(Debug, Clone)]
pub struct ImportedModel {
    /// Configuration of the network.
    pub config: ModelConfig,
    /// Weights of the network.
    pub weights: StateDict,
    /// Label bitmasks of the bitmask groups.
    pub bitmask_groups: Vec<u32>,
    /// The hyper-parameters as they were.
    pub hyper_parameters: Map<String, Value>,
}

/// Why a checkpoint cannot become a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// Hyper-parameters that do not make a configuration.
    #[error("its hyper-parameters do not describe a known model: {0}")]
    HyperParameters(String),
    /// Options that the aggregator does not have.
    #[error("its aggregator_kwargs do not describe a known aggregator: {0}")]
    AggregatorOptions(String),
    /// Another number of outputs than the schema has.
    #[error(
        "it has {found} {what}, but the task schema has {expected}: give the schema it was trained with (--schema)"
    )]
    Outputs {
        /// Which outputs.
        what: &'static str,
        /// How many the schema has.
        expected: usize,
        /// How many the checkpoint has.
        found: usize,
    },
    /// Tables of another width.
    #[error(
        "it was trained on {expected} {input} features, but the tables have {found}: give the tables it was trained with"
    )]
    Width {
        /// `2D` or `3D`.
        input: &'static str,
        /// Width of the checkpoint.
        expected: usize,
        /// Width of the tables.
        found: usize,
    },
}

impl ImportedModel {
    /// Checks that tables of these widths fit the model.
    ///
    /// # Errors
    /// [`ImportError::Width`].
    pub fn check_widths(&self, features_2d: usize, features_3d: usize) -> Result<(), ImportError> {
        for (input, expected, found) in
            [("2D", self.config.mol_dim, features_2d), ("3D", self.config.inst_dim, features_3d)]
        {
            if expected != found {
                return Err(ImportError::Width { input, expected, found });
            }
        }
        Ok(())
    }
}

/// Makes a model of a checkpoint.
///
/// # Errors
/// [`ImportError`] if the hyper-parameters or the number of outputs do not fit. That the tensors fit the
/// configuration is checked where the network is built.
pub fn imported_model(
    checkpoint: LightningCheckpoint,
    schema: &TaskSchema,
) -> Result<ImportedModel, ImportError> {
    let LightningCheckpoint { state_dict: mut weights, hyper_parameters, .. } = checkpoint;
    for (what, prefix, expected) in [
        ("classification heads", "cls_heads.", schema.tasks.len()),
        ("absorbance heads", "abs_heads.", schema.absorbance.len()),
        ("fluorescence heads", "fluo_heads.", schema.fluorescence.len()),
    ] {
        let found = head_count(&weights, prefix);
        if found != expected {
            return Err(ImportError::Outputs { what, expected, found });
        }
    }
    let groups = weights.get("bitmask_head.fc_out.bias").map_or(0, |bias| bias.data().len());
    let config = config(&hyper_parameters, &weights, schema, groups)?;
    let bitmask_groups = match hyper_parameters.get("bitmask_group_top_ids") {
        Some(ids) if groups > 0 => serde_json::from_value(ids.clone())
            .map_err(|error| ImportError::HyperParameters(format!("bitmask_group_top_ids: {error}")))?,
        _ => Vec::new(),
    };
    for buffer in LOSS_BUFFERS {
        weights.remove(buffer);
    }
    Ok(ImportedModel { config, weights, bitmask_groups, hyper_parameters })
}

/// Number of heads of a group: one more than the largest index under its prefix.
fn head_count(weights: &StateDict, prefix: &str) -> usize {
    let index = |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    weights.iter().filter_map(|(name, _)| index(name)).max().map_or(0, |last| last + 1)
}

/// The hyper-parameters that are part of the model configuration have the same names there.
fn config(
    hyper_parameters: &Map<String, Value>,
    weights: &StateDict,
    schema: &TaskSchema,
    bitmask_groups: usize,
) -> Result<ModelConfig, ImportError> {
    /// Hyper-parameters of training: they are kept in the manifest only.
    const OF_TRAINING: [&str; 8] = [
        "lr",
        "weight_decay",
        "lambda_aux_abs",
        "lambda_aux_fluo",
        "lambda_aux_bitmask",
        "reg_loss_type",
        "bitmask_group_top_ids",
        "bitmask_group_class_weight",
    ];
    let mut config = hyper_parameters.clone();
    config.retain(|name, _| !OF_TRAINING.contains(&name.as_str()));
    for (name, value) in [
        ("n_tasks", schema.tasks.len()),
        ("n_absorbance", schema.absorbance.len()),
        ("n_fluorescence", schema.fluorescence.len()),
        ("n_bitmask_groups", bitmask_groups),
    ] {
        config.insert(name.into(), json!(value));
    }
    for (name, value) in architecture(weights) {
        config.entry(name).or_insert(value);
    }
    let options = pool_options(config.get("aggregator_kwargs"), weights)?;
    config.insert("aggregator_kwargs".into(), json!(options));
    let config: ModelConfig = serde_json::from_value(Value::Object(config))
        .map_err(|error| ImportError::HyperParameters(error.to_string()))?;
    config.validate().map_err(|error| ImportError::HyperParameters(error.to_string()))?;
    Ok(config)
}

/// What the weights tell of the architecture, for hyper-parameters that leave it unsaid: the earlier system has no
/// names for mixers, and none for anything in its first architecture, whose heads have no size either.
fn architecture(weights: &StateDict) -> Vec<(&'static str, Value)> {
    let has = |name| weights.get(name).is_some();
    let mixer = if has("mixer.0.weight") { "mlp" } else { "mlp_v3" };
    let mut architecture =
        vec![("mixer_name", json!(mixer)), ("post_norms", json!(has("mixer_post_norm.weight")))];
    if has("cls_heads.0.weight") {
        architecture.extend([
            ("predictor_name", json!("linear")),
            ("head_num_layers", json!(1)),
            ("head_dropout", json!(0.0)),
            ("head_stochastic_depth", json!(0.0)),
            ("head_fc2_gain_non_last", json!(0.0)),
        ]);
    }
    architecture
}

/// The options of the attention pool: those given, and what the earlier system leaves unsaid.
fn pool_options(given: Option<&Value>, weights: &StateDict) -> Result<TaskAttentionPoolOptions, ImportError> {
    let mut options = match given {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) => options.clone(),
        Some(other) => return Err(ImportError::AggregatorOptions(format!("{other} is no object"))),
    };
    options.entry("count_padding").or_insert(json!(true));
    let has_bias = weights.get("attn_pool.pool_v.bias").is_some();
    options.entry("pool_v_bias").or_insert(json!(has_bias));
    serde_json::from_value(Value::Object(options))
        .map_err(|error| ImportError::AggregatorOptions(error.to_string()))
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use shared_model::config::{Mixer, PoolSource, Predictor, TopKStrategy};
    use shared_model::network::Model;
    use shared_model::state_dict::HostTensor;

    use super::*;

    fn read(given: Value) -> Result<TaskAttentionPoolOptions, ImportError> {
        pool_options(Some(&given), &StateDict::default())
    }

    #[test]
    fn pools_of_the_earlier_system_count_padding() {
        let plain = TaskAttentionPoolOptions { count_padding: true, ..Default::default() };
        assert_eq!(read(Value::Null), Ok(plain.clone()));
        assert_eq!(read(json!({})), Ok(plain.clone()));
        assert_eq!(pool_options(None, &StateDict::default()), Ok(plain.clone()));
        let given =
            json!({ "pool_from": "inputs", "topk_n": 3, "topk_strategy": "mean", "prune_below": null });
        let expected = TaskAttentionPoolOptions {
            pool_from: PoolSource::Inputs,
            topk_n: Some(3),
            topk_strategy: TopKStrategy::Mean,
            ..plain
        };
        assert_eq!(read(given), Ok(expected));
    }

    #[test]
    fn the_weights_tell_whether_the_value_projection_has_a_bias() {
        let mut weights = StateDict::default();
        weights.insert("attn_pool.pool_v.bias", HostTensor::new([1], vec![0.0]));
        let options = pool_options(Some(&json!({ "pool_v_mode": "linear" })), &weights).expect("known");
        assert!(options.pool_v_bias);
    }

    /// A checkpoint of the first architecture, with hyper-parameters of its own and one more.
    fn import_v1(name: &str, value: Value) -> Result<ImportedModel, ImportError> {
        let weights = include_bytes!("../tests/fixtures/model/v1_linear.weights.safetensors");
        let mut hyper_parameters = json!({
            "mol_dim": 20, "mol_hidden": 48, "mol_layers": 3, "mol_dropout": 0.1, "inst_dim": 14, "inst_hidden": 32,
            "inst_layers": 3, "inst_dropout": 0.1, "proj_dim": 24, "attn_heads": 8, "attn_dropout": 0.1,
            "mixer_hidden": 40, "mixer_layers": 3, "mixer_dropout": 0.1, "activation": "LeakyReLU",
        });
        hyper_parameters[name] = value;
        let json = hyper_parameters.to_string();
        let checkpoint = LightningCheckpoint::from_safetensors(weights, json.as_bytes()).expect("both files");
        imported_model(checkpoint, &TaskSchema::euos25())
    }

    #[test]
    fn a_checkpoint_of_the_first_architecture_is_known_by_its_tensors() {
        let imported = import_v1("lr", json!(1e-3)).expect("a known model");
        let config = &imported.config;
        assert_eq!((config.mixer_name, config.predictor_name), (Mixer::Mlp, Predictor::Linear));
        assert!(!config.post_norms && config.n_bitmask_groups == 0);
        let device = Default::default();
        Model::<Flex>::from_state(config, &imported.weights, &device).expect("weights fit the configuration");
    }

    #[test]
    fn an_unknown_component_is_answered_with_the_known_ones() {
        for (name, known) in [
            ("mol_embedder_name", "mlp_v3_2d"),
            ("inst_embedder_name", "mlp_v3_3d"),
            ("aggregator_name", "task_attention_pool"),
            ("mixer_name", "mlp_v3"),
            ("predictor_name", "linear"),
            ("activation", "Mish"),
        ] {
            let text = import_v1(name, json!("resnet")).expect_err("unknown").to_string();
            assert!(text.contains("resnet") && text.contains(known), "{name}: {text}");
        }
    }

    #[test]
    fn an_unknown_option_or_name_is_answered_with_the_known_ones() {
        let message = |given| read(given).expect_err("unknown").to_string();
        let text = message(json!({ "topk": 3 }));
        assert!(text.contains("`topk`") && text.contains("topk_n") && text.contains("prune_below"), "{text}");
        let text = message(json!({ "topk_strategy": "median" }));
        assert!(text.contains("median") && text.contains("argmax"), "{text}");
        assert!(message(json!([1])).contains("[1]"));
    }
}
