//! A moving average of the weights (Polyak & Juditsky 1992), which often generalises better than the last ones.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};
use shared_model::network::Model;

/// An exponential moving average: the weights after the first step, then at each step
/// `decay · average + (1 - decay) · weights` (PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`).
#[derive(Debug)]
pub struct WeightAverage<B: Backend> {
    decay: f64,
    average: Option<Model<B>>,
}

impl<B: Backend> WeightAverage<B> {
    /// An average of nothing yet, or one that was kept.
    pub fn new(decay: f64, average: Option<Model<B>>) -> Self {
        Self { decay, average }
    }

    /// Takes the weights after a step into the average.
    pub fn update(&mut self, model: Model<B>) {
        self.average = Some(match self.average.take() {
            None => model,
            Some(average) => {
                let mut weights = Weights(Vec::new());
                model.visit(&mut weights);
                average.map(&mut Mix { weights: weights.0.into_iter(), share: 1.0 - self.decay })
            }
        });
    }

    /// The average; none before the first step.
    pub fn model(&self) -> Option<&Model<B>> {
        self.average.as_ref()
    }
}

struct Weights<B: Backend>(Vec<FloatTensor<B>>);

impl<B: Backend> ModuleVisitor<B> for Weights<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.val().into_primitive().tensor());
    }
}

struct Mix<B: Backend> {
    weights: std::vec::IntoIter<FloatTensor<B>>,
    share: f64,
}

impl<B: Backend> ModuleMapper<B> for Mix<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let weights = self.weights.next().expect("both networks have the same parameters");
        let weights = Tensor::from_primitive(TensorPrimitive::Float(weights));
        param.map(|average| average.clone() + (weights - average) * self.share)
    }
}
