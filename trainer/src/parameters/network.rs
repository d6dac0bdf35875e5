//! Backbone and heads: the fields of [`ModelConfig`], by their names, with the defaults of either architecture.

use serde_json::{Map, Value, json};
use shared_model::config::ModelConfig;
use shared_model::schema::TaskSchema;

use super::reader::Reader;
use super::{Architecture, ParameterError};

/// Fields that the data fix, not the parameters.
const OF_THE_DATA: [&str; 6] =
    ["mol_dim", "inst_dim", "n_tasks", "n_absorbance", "n_fluorescence", "n_bitmask_groups"];

/// Reads every field of the configuration that is a parameter; what the data fix has placeholders.
pub(super) fn read(
    r: &mut Reader,
    architecture: Architecture,
    schema: &TaskSchema,
) -> Result<ModelConfig, ParameterError> {
    let mut config = defaults(architecture, schema);
    let fields = to_fields(&config);
    for (name, default) in fields.iter().filter(|(name, _)| !OF_THE_DATA.contains(&name.as_str())) {
        if let Some(value) = r.like(name, default)? {
            let mut changed = to_fields(&config);
            changed.insert(name.clone(), value.clone());
            config = serde_json::from_value(Value::Object(changed))
                .map_err(|error| ParameterError::not_accepted(name, &value, &error.to_string()))?;
        }
    }
    config.validate()?;
    for (name, value) in to_fields(&config) {
        if !OF_THE_DATA.contains(&name.as_str()) {
            r.resolve(&name, value);
        }
    }
    Ok(config)
}

/// The configuration without a parameter given. Components that are not named are those of [`ModelConfig`].
fn defaults(architecture: Architecture, schema: &TaskSchema) -> ModelConfig {
    let mut fields = json!({
        "mol_dim": 1, "inst_dim": 1, "n_bitmask_groups": 0,
        "n_tasks": schema.task_count(),
        "n_absorbance": schema.absorbance.len(),
        "n_fluorescence": schema.fluorescence.len(),
        "mol_hidden": 128, "mol_layers": 3, "mol_dropout": 0.15,
        "inst_hidden": 128, "inst_layers": 3, "inst_dropout": 0.1,
        "proj_dim": 256, "attn_heads": 8, "attn_dropout": 0.1,
        "mixer_hidden": 128, "mixer_layers": 3, "mixer_dropout": 0.1,
        "activation": "GELU",
        "head_num_layers": 2, "head_dropout": 0.1, "head_stochastic_depth": 0.05, "head_fc2_gain_non_last": 3e-3,
    });
    if architecture == Architecture::V1 {
        for (name, value) in [
            ("mixer_name", json!("mlp")),
            ("predictor_name", json!("linear")),
            ("post_norms", json!(false)),
            ("mol_hidden", json!(1024)),
            ("inst_hidden", json!(256)),
            ("proj_dim", json!(512)),
            ("mixer_hidden", json!(512)),
        ] {
            fields[name] = value;
        }
    }
    serde_json::from_value(fields).expect("a complete configuration")
}

fn to_fields(config: &ModelConfig) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a struct serialises to an object"),
    }
}
