//! The pruners by name, and their options.

use super::{AshaPruner, NoPruner, PercentilePruner, Pruner, WilcoxonPruner};
use crate::search::StepAxis;

/// A pruner to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PrunerKind {
    /// Worse than a percentile at the same step.
    #[default]
    Percentile,
    /// Worse than the median at the same step.
    Median,
    /// Asynchronous successive halving.
    Asha,
    /// Worse than the best trial, fold by fold.
    Wilcoxon,
    /// None.
    None,
}

impl PrunerKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Percentile, Self::Median, Self::Asha, Self::Wilcoxon, Self::None];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Percentile => "percentile",
            Self::Median => "median",
            Self::Asha => "asha",
            Self::Wilcoxon => "wilcoxon",
            Self::None => "none",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Options of all pruners; each reads those that it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrunerSettings {
    /// Percentile: percentage of trials that may go on.
    pub percentile: f64,
    /// Percentile, median: complete trials before any is given up.
    pub startup_trials: usize,
    /// Percentile, median: steps at the beginning without pruning.
    pub warmup_steps: u64,
    /// Percentile, median: distance of the steps at which a trial is judged.
    pub interval_steps: u64,
    /// Successive halving: step of the first rung; none: a hundredth of the longest complete trial.
    pub min_resource: Option<u64>,
    /// Successive halving: one of this many trials passes a rung.
    pub reduction_factor: u64,
    /// Wilcoxon: largest p-value at which a trial counts as worse.
    pub p_threshold: f64,
    /// Wilcoxon: finished folds before a trial is given up.
    pub startup_folds: usize,
}

impl Default for PrunerSettings {
    fn default() -> Self {
        Self {
            percentile: 25.0,
            startup_trials: 10,
            warmup_steps: 8,
            interval_steps: 1,
            min_resource: None,
            reduction_factor: 4,
            p_threshold: 0.1,
            startup_folds: 2,
        }
    }
}

impl PrunerSettings {
    /// The pruner of this kind.
    pub fn pruner(&self, kind: PrunerKind, axis: StepAxis) -> Box<dyn Pruner> {
        let percentile = |percentile| PercentilePruner {
            percentile,
            startup_trials: self.startup_trials,
            warmup_steps: self.warmup_steps,
            interval_steps: self.interval_steps,
        };
        match kind {
            PrunerKind::Percentile => Box::new(percentile(self.percentile)),
            PrunerKind::Median => Box::new(percentile(50.0)),
            PrunerKind::Asha => Box::new(AshaPruner {
                min_resource: self.min_resource,
                reduction_factor: self.reduction_factor,
            }),
            PrunerKind::Wilcoxon => Box::new(WilcoxonPruner {
                threshold: self.p_threshold,
                startup_folds: self.startup_folds,
                axis,
            }),
            PrunerKind::None => Box::new(NoPruner),
        }
    }
}
