//! The samplers by name.

use super::{Joint, QuasiRandomSampler, RandomSampler, Sampler, TpeSampler};

/// A sampler to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SamplerKind {
    /// The tree-structured Parzen estimator over all common parameters jointly.
    #[default]
    Tpe,
    /// The estimator of each parameter by itself.
    TpeUnivariate,
    /// The estimator of parameters that appear together.
    TpeGroup,
    /// Uniformly random.
    Random,
    /// A scrambled Sobol sequence.
    QuasiRandom,
}

/// Where the Parzen estimators have their first trials from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// Uniformly random, as Optuna.
    #[default]
    Random,
    /// A scrambled Sobol sequence.
    QuasiRandom,
}

impl SamplerKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Tpe, Self::TpeUnivariate, Self::TpeGroup, Self::Random, Self::QuasiRandom];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tpe => "tpe",
            Self::TpeUnivariate => "tpe-univariate",
            Self::TpeGroup => "tpe-group",
            Self::Random => "random",
            Self::QuasiRandom => "quasi-random",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The sampler itself. `names` are the parameters of the space, of use to quasi-random sequences.
    pub fn sampler<'a>(
        self,
        seed: u64,
        start: Start,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Box<dyn Sampler> {
        let joint = match self {
            Self::Tpe => Joint::Common,
            Self::TpeGroup => Joint::Groups,
            Self::TpeUnivariate => Joint::None,
            Self::Random => return Box::new(RandomSampler::new(seed)),
            Self::QuasiRandom => return Box::new(QuasiRandomSampler::new(seed, names)),
        };
        let start: Box<dyn Sampler> = match start {
            Start::Random => Box::new(RandomSampler::new(seed)),
            Start::QuasiRandom => Box::new(QuasiRandomSampler::new(seed, names)),
        };
        Box::new(TpeSampler::new(seed, joint, start))
    }
}
