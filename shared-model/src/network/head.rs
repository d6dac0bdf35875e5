//! The predictor heads "mlp_v3" and "linear".

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::NetworkError;
use super::dense::Dense;
use super::layer_norm::LayerNorm;
use super::parameters::{Init, ParameterSource};
use super::residual::{
    FeedForward, ResidualBlock, ResidualBlockConfig, ResidualBlockNames, Samples, drop_path_rate,
};
use crate::config::Predictor;

/// Shape and regularisation of the heads.
#[derive(Debug, Clone)]
pub(super) struct HeadsConfig {
    pub family: Predictor,
    pub d: usize,
    pub layers: usize,
    pub dropout: f64,
    /// Drop-path rate of the last block.
    pub drop_path: f64,
    /// Xavier gain of `fc2` in every block but the last.
    pub fc2_gain_non_last: f64,
}

/// All heads of a network: residual layers and a small-gain output layer each ("mlp_v3"), or an output layer alone
/// ("linear"). Their layers are of one shape and run side by side.
#[derive(Module, Debug)]
pub(super) struct Heads<B: Backend> {
    body: Option<Body<B>>,
    /// Output layers of the heads with one output.
    single: Dense<B>,
    /// Output layer of the last head, if that has many.
    multiple: Option<Dense<B>>,
}

/// Input norms and residual SwiGLU blocks of constant width.
#[derive(Module, Debug)]
struct Body<B: Backend> {
    input_norm: LayerNorm<B>,
    blocks: Vec<ResidualBlock<B>>,
}

impl HeadsConfig {
    /// Builds heads with one output under the names `single`, and one with `outputs` outputs under the name `multiple`
    /// if there are any.
    pub fn build<B: Backend>(
        &self,
        single: &[String],
        multiple: &str,
        outputs: usize,
        source: &mut ParameterSource<B>,
    ) -> Result<Heads<B>, NetworkError> {
        let multiple = (outputs > 0).then(|| multiple.to_owned());
        let (suffix, init) = match self.family {
            Predictor::MlpV3 => (".fc_out", Init::Xavier(0.01)),
            Predictor::Linear => ("", Init::Uniform(1.0 / (self.d as f32).sqrt())),
        };
        let body = match self.family {
            Predictor::MlpV3 => {
                let names: Vec<String> = single.iter().chain(&multiple).cloned().collect();
                Some(self.body(&names, source)?)
            }
            Predictor::Linear => None,
        };
        let names = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| format!("{name}{suffix}")).collect()
        };
        Ok(Heads {
            body,
            single: source.dense(&names(single), self.d, 1, init)?,
            multiple: match multiple {
                Some(name) => Some(source.dense(&names(&[name]), self.d, outputs, init)?),
                None => None,
            },
        })
    }

    fn body<B: Backend>(
        &self,
        names: &[String],
        source: &mut ParameterSource<B>,
    ) -> Result<Body<B>, NetworkError> {
        let all =
            |suffix: String| -> Vec<String> { names.iter().map(|name| format!("{name}.{suffix}")).collect() };
        let input_norm = source.layer_norm(&all("input_norm".into()), self.d)?;
        let blocks = (0..self.layers).map(|i| {
            let last = i + 1 == self.layers;
            let config = ResidualBlockConfig {
                d: self.d,
                feed_forward: FeedForward::ValueThenGate,
                dropout: self.dropout,
                residual_dropout: 0.0,
                drop_path: drop_path_rate(self.drop_path, i, self.layers),
                res_scale: 0.1,
                second: if last { Init::Constant(0.0) } else { Init::Xavier(self.fc2_gain_non_last as f32) },
            };
            let names = ResidualBlockNames {
                norm: all(format!("blocks.{i}.pre_norm")),
                first: all(format!("blocks.{i}.fc1")),
                second: all(format!("blocks.{i}.fc2")),
                res_scale: all(format!("blocks.{i}.res_scale")),
            };
            config.build(&names, source)
        });
        Ok(Body { input_norm, blocks: blocks.collect::<Result<_, _>>()? })
    }
}

/// Keeps the first groups of layers that run side by side.
struct FirstGroups(usize);

impl<B: Backend> ModuleMapper<B> for FirstGroups {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|stacked| stacked.narrow(0, 0, self.0))
    }
}

impl<B: Backend> Heads<B> {
    /// The first heads alone, of those with one output.
    pub fn first(self, heads: usize) -> Self {
        let mut first = FirstGroups(heads);
        Self {
            body: self.body.map(|body| body.map(&mut first)),
            single: self.single.map(&mut first),
            multiple: None,
        }
    }

    /// Predicts from one embedding per head and molecule.
    ///
    /// # Shapes
    /// - x: [H, B, D]
    /// - result: [B, H'] of the heads with one output, and [B, outputs] of the last head, if that has many
    pub fn forward(&self, x: Tensor<B, 3>) -> (Tensor<B, 2>, Option<Tensor<B, 2>>) {
        let [heads, bags, d] = x.dims();
        let x = x.reshape([heads * bags, d]);
        let x = match &self.body {
            Some(body) => {
                let x = body.input_norm.forward(x);
                body.blocks.iter().fold(x, |x, block| block.forward(x, &Samples::Of(1)))
            }
            None => x,
        };
        let single = heads - usize::from(self.multiple.is_some());
        let outputs = self.single.forward(x.clone().narrow(0, 0, single * bags));
        let outputs = outputs.reshape([single, bags]).transpose();
        let multiple = self.multiple.as_ref().map(|last| last.forward(x.narrow(0, single * bags, bags)));
        (outputs, multiple)
    }
}
