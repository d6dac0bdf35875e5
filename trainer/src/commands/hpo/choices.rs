//! Samplers and pruners by name, and how many trials fit.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::device::{Device, SelectedDevice};
use crate::search::StepAxis;
use crate::search::pruner::{Pruner, PrunerKind, PrunerSettings};
use crate::search::sampler::{Sampler, SamplerKind, Start};
use crate::search::space::Space;
use crate::training::Footprint;

#[derive(Debug, Args)]
pub(super) struct SamplerArgs {
    /// How parameters are drawn
    #[arg(long, value_name = "NAME", default_value = "tpe", value_parser = samplers())]
    sampler: SamplerKind,
    /// Where the first trials of tpe come from
    #[arg(long, value_name = "NAME", default_value = "random", value_parser = starts())]
    sampler_start: Start,
}

fn samplers() -> impl TypedValueParser<Value = SamplerKind> {
    PossibleValuesParser::new(SamplerKind::ALL.map(SamplerKind::name))
        .map(|name| SamplerKind::from_name(&name).expect("one of the names"))
}

fn starts() -> impl TypedValueParser<Value = Start> {
    PossibleValuesParser::new(["random", "quasi-random"])
        .map(|name| if name == "random" { Start::Random } else { Start::QuasiRandom })
}

impl SamplerArgs {
    pub fn build(&self, seed: u64, space: &Space) -> Box<dyn Sampler> {
        self.sampler.sampler(seed, self.sampler_start, space.searched().map(|(name, _)| name))
    }
}

#[derive(Debug, Args)]
pub(super) struct PrunerArgs {
    /// Which trials are given up early
    #[arg(long, value_name = "NAME", alias = "pruner-kind", default_value = "percentile", value_parser = pruners())]
    pruner: PrunerKind,
    /// percentile: percentage of the trials that may go on at a step
    #[arg(long, value_name = "P", default_value_t = 25.0, value_parser = percentile)]
    pruner_percentile: f64,
    /// percentile, median: trials that are complete before any is given up
    #[arg(long, value_name = "N", default_value_t = 10)]
    pruner_startup_trials: usize,
    /// percentile, median: first steps (epochs) without pruning
    #[arg(long, value_name = "N", default_value_t = 8)]
    pruner_warmup_steps: u64,
    /// percentile, median: steps between two judgements
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pruner_interval_steps: u64,
    /// asha: step of the first rung [default: a hundredth of the longest complete trial]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pruner_min_resource: Option<u64>,
    /// asha: one of so many trials passes a rung
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(2..))]
    pruner_reduction_factor: u64,
    /// wilcoxon: largest p-value at which a trial counts as worse than the best
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    pruner_p_threshold: f64,
    /// wilcoxon: finished folds before a trial is given up
    #[arg(long, value_name = "N", default_value_t = 2)]
    pruner_startup_folds: usize,
}

fn pruners() -> impl TypedValueParser<Value = PrunerKind> {
    PossibleValuesParser::new(PrunerKind::ALL.map(PrunerKind::name))
        .map(|name| PrunerKind::from_name(&name).expect("one of the names"))
}

fn percentile(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it must be a number")?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("it must be between 0 and 100".into()) }
}

impl PrunerArgs {
    pub fn build(&self, axis: StepAxis) -> Box<dyn Pruner> {
        let settings = PrunerSettings {
            percentile: self.pruner_percentile,
            startup_trials: self.pruner_startup_trials,
            warmup_steps: self.pruner_warmup_steps,
            interval_steps: self.pruner_interval_steps,
            min_resource: self.pruner_min_resource,
            reduction_factor: self.pruner_reduction_factor,
            p_threshold: self.pruner_p_threshold,
            startup_folds: self.pruner_startup_folds,
        };
        settings.pruner(self.pruner, axis)
    }
}

/// Most trials on a GPU, which computes them by turns.
const MOST_ON_GPU: usize = 8;

/// How many trials fit into memory; on the CPU no more than it has threads.
pub(super) fn most_jobs(device: &SelectedDevice, footprint: &Footprint) -> usize {
    let (most, memory) = match &device.device {
        Device::Cpu => (rayon::current_num_threads(), available_memory()),
        Device::Gpu(_) => (MOST_ON_GPU, device.memory),
    };
    let of_one = (footprint.matrices + footprint.weights + footprint.activations).max(1) as u64;
    // A fifth is left to others.
    let fits = memory.map_or(usize::MAX, |memory| (memory / 5 * 4 / of_one) as usize);
    most.min(fits).max(1)
}

/// Memory that can be had, in bytes; none where that cannot be told.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(1024 * line.split_whitespace().next()?.parse::<u64>().ok()?)
}
