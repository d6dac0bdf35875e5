//! What the page and the model worker say to each other.
//!
//! One worker runs one bundle on one choice of device: another bundle or device is another worker. The loader
//! script `start-model.js` speaks this protocol too, before the worker's wasm is there ([`Report::Loading`]).

use serde::{Deserialize, Serialize};
use shared_model::ensemble::Estimate;
use shared_model::explain::TaskExplanation;
use shared_model::metrics::Assessment;

/// Where the person (or the page's address) wants the model to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// The faster of the two, as measured.
    Auto,
    /// WebGPU.
    WebGpu,
    /// Burn's flex backend.
    Cpu,
}

impl DeviceChoice {
    /// All choices, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Auto, Self::WebGpu, Self::Cpu];

    /// The word for this choice in the page's address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.word() == word)
    }
}

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// WebGPU.
    WebGpu,
    /// Burn's flex backend.
    Cpu,
}

/// What the page asks of the worker.
#[cfg(target_arch = "wasm32")]
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// To run a bundle: the first request, and once only.
    Run {
        /// The bundle, a `Blob`: handed over by reference, read by the worker itself.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        bundle: wasm_bindgen::JsValue,
        /// Where to run.
        device: DeviceChoice,
    },
    /// To explain a molecule, at any time after [`Report::Running`].
    Explain(Question),
    /// To assess predictions; a request before it is given up.
    Assess(Assess),
}

/// Which molecule to explain, as if it had some of its conformers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Position of the molecule in the bundle.
    pub molecule: u32,
    /// Whether each of its conformers is on; one is at least.
    pub on: Vec<bool>,
}

/// Which predictions to assess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assess {
    /// Number of the request.
    pub number: u32,
    /// The tasks, in the order in which they are wanted.
    pub tasks: Vec<TaskScores>,
}

/// Labels and probabilities of M molecules for one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskScores {
    /// Position of the task.
    pub task: u32,
    /// Whether each molecule is a positive `[M]`.
    pub positive: Vec<bool>,
    /// Their probabilities `[M]`.
    pub scores: Vec<f32>,
}

/// How good the predictions of a task are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessed {
    /// Number of the request.
    pub number: u32,
    /// Position of the task.
    pub task: u32,
    /// What is told of it.
    pub assessment: Assessment,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The question.
    pub question: Question,
    /// An explanation for each task; their conformers are those that are on.
    pub tasks: Vec<TaskExplanation>,
    /// Whether the curves are among them; they come last.
    pub complete: bool,
}

/// What the worker tells the page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Report {
    /// The worker's wasm is coming in.
    Loading {
        /// Bytes so far.
        received: f64,
        /// Bytes in all, where the server says.
        total: Option<f64>,
    },
    /// The worker is there: it waits for the request.
    Started,
    /// The weights of one model are being read.
    ReadingWeights {
        /// Which of the models of the bundle, counted from 0.
        model: usize,
    },
    /// One device is being tried.
    WarmingUp(Device),
    /// The device is chosen; predictions follow.
    Running {
        /// Where the model runs.
        device: Device,
        /// Why there.
        reason: String,
    },
    /// Predictions of some molecules.
    Predicted(PackedPredictions),
    /// A molecule is explained.
    Explained(Explained),
    /// A task is assessed.
    Assessed(Box<Assessed>),
    /// The molecules travel without their features: there is nothing to predict.
    NoInputs,
    /// Every molecule of the bundle has its prediction.
    Finished {
        /// Seconds from the first batch to the last.
        seconds: f64,
    },
    /// The model cannot run; nothing more follows. Another device would not help.
    Refused(String),
    /// The worker fell over; nothing more follows. Another device may help.
    Crashed(String),
}

/// Predictions with the positions of their molecules in the bundle, packed: there are so many of them that the page would
/// be busy with nothing but taking numbers out of messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackedPredictions(#[serde(with = "serde_bytes")] Vec<u8>);

impl PackedPredictions {
    /// Packs predictions.
    pub fn new(predictions: &[(u32, Prediction)]) -> Self {
        Self(postcard::to_extend(predictions, Vec::new()).expect("predictions are plain data"))
    }

    /// The predictions; none of bytes that are something else.
    pub fn unpack(&self) -> Option<Vec<(u32, Prediction)>> {
        postcard::from_bytes(&self.0).ok()
    }
}

/// What the model, or an ensemble of them, says of one molecule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Probability of each task `[T]`: the mean of the members of an ensemble.
    pub probabilities: Vec<f32>,
    /// Attention [T, N], row-major: how much each task looks at each conformer; the mean of the members.
    pub attention: Vec<f32>,
    /// What lies behind these numbers.
    pub models: Models,
}

/// The models behind a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Models {
    /// One model.
    Single {
        /// Logit of each task `[T]`.
        logits: Vec<f32>,
    },
    /// The members of an ensemble.
    Ensemble {
        /// Standard deviation of each task's probability over the members `[T]`.
        probability_std: Vec<f32>,
        /// Standard deviation of the attention over the members [T, N], row-major.
        attention_std: Vec<f32>,
        /// Probability of each task by each member, in the order of the bundle: `[T]` of each.
        probabilities: Vec<Vec<f32>>,
    },
}

impl Prediction {
    /// The probability of a task.
    pub fn probability(&self, task: usize) -> Option<Estimate> {
        let std = match &self.models {
            Models::Single { .. } => None,
            Models::Ensemble { probability_std, .. } => probability_std.get(task).copied(),
        };
        self.probabilities.get(task).map(|&mean| Estimate { mean, std })
    }

    /// The attention [T, N], row-major.
    pub fn attention(&self) -> impl Iterator<Item = Estimate> {
        let std = match &self.models {
            Models::Single { .. } => None,
            Models::Ensemble { attention_std, .. } => Some(attention_std),
        };
        let weights = self.attention.iter().enumerate();
        weights.map(move |(at, &mean)| Estimate { mean, std: std.and_then(|std| std.get(at).copied()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_unpacked_as_they_were_packed() {
        let prediction = |models| Prediction {
            probabilities: vec![0.25, f32::MIN_POSITIVE],
            attention: vec![0.5, f32::INFINITY, 0.25, -0.0],
            models,
        };
        let ensemble = Models::Ensemble {
            probability_std: vec![0.125, 1e-30],
            attention_std: vec![0.0; 4],
            probabilities: vec![vec![0.5, 0.75], vec![]],
        };
        let predictions = vec![
            (7, prediction(Models::Single { logits: vec![-3.5, 88.0] })),
            (u32::MAX, prediction(ensemble)),
        ];
        assert_eq!(PackedPredictions::new(&predictions).unpack(), Some(predictions));
        assert_eq!(PackedPredictions(vec![9; 3]).unpack(), None);
    }
}
