//! Samplers: which parameters to try next.

mod kind;
mod proposal;
mod quasi_random;
mod random;
mod scale;
mod sobol_directions;
mod tpe;
mod unit_interval;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::History;
use crate::study::Distribution;

pub use self::kind::{SamplerKind, Start};
pub use self::proposal::{Proposal, relative_attributes};
pub use self::quasi_random::QuasiRandomSampler;
pub use self::random::RandomSampler;
pub use self::tpe::{Joint, TpeSampler};

/// Parameters drawn jointly: internal values, with what they were drawn from.
pub type RelativeParameters = BTreeMap<String, (f64, Distribution)>;

/// Which draw of a study it is. Each has random streams of its own, so that workers differ, and a resumed study goes on
/// as it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Place of the trial in a search that nothing disturbs: retries share that of the first attempt, so that it may
    /// be less than the number.
    pub trial: u64,
    /// How many draws of this trial were impossible configurations and thrown away.
    pub attempt: u32,
}

impl Draw {
    /// The random stream of this draw for something that has a name. The same for the same seed, draw and name, and
    /// independent of all others.
    fn stream(self, seed: u64, name: &str) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(&self.trial.to_le_bytes());
        hasher.update(&self.attempt.to_le_bytes()).update(name.as_bytes());
        ChaCha8Rng::from_seed(hasher.finalize().into())
    }
}

/// A way of choosing parameters. [`Proposal`] asks it. The history is without the trial that is drawn.
pub trait Sampler: Send + Sync {
    /// Parameters drawn jointly, before the trial asks for any; those that are left out are drawn one by one.
    fn relative(&self, _history: &History, _draw: Draw) -> RelativeParameters {
        RelativeParameters::new()
    }

    /// The internal value of one parameter by itself.
    fn independent(&self, history: &History, draw: Draw, name: &str, distribution: &Distribution) -> f64;
}
