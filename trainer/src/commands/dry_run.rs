//! `--dry-run`: everything that a run needs is read, checked and tried, and nothing is trained or written.

use std::path::Path;

use anyhow::Context;

use super::config_file::ResolvedOptions;
use super::run_args::{Run, RunArgs};
use crate::data::{Dataset, DatasetSummary};
use crate::training::{Footprint, Partition, measure};

/// Prints the resolved configuration, and what the run would take as comments in it.
pub(super) fn report(
    args: &RunArgs,
    run: &Run,
    options: &ResolvedOptions,
    dataset: &Dataset,
    parts: [(&str, &[usize]); 2],
    folder: &Path,
) -> anyhow::Result<()> {
    check_writable(folder)?;
    let partition = Partition { train: parts[0].1, validation: parts[1].1 };
    let settings = args.settings(run);
    let footprint = Footprint::estimate(dataset, partition, &run.parameters)?;
    eprintln!("measuring some training steps on {}", run.device.description);
    let measured = measure(dataset, partition, &run.parameters, &settings)?;

    print!("{}", args.configuration("train", options, run, dataset));
    println!("\n# Dry run: nothing was trained or written.");
    let summary = DatasetSummary::new(dataset, &parts);
    println!("# features: {} of molecules, {} of conformers", summary.features_2d, summary.features_3d);
    if summary.molecules_left_out > 0 {
        println!("# molecules left out, without a usable conformer: {}", summary.molecules_left_out);
    }
    for part in &summary.parts {
        println!("# split {}: {} molecules, {} conformers", part.name, part.molecules, part.conformers);
        for (task, positives) in dataset.schema().tasks.iter().zip(&part.positives) {
            println!("#   {}: {positives} positives", task.name);
        }
    }
    println!("# parameters of the network: {}", footprint.parameters);
    println!(
        "# memory, about: {} (matrices {} and once more for the device; weights, gradients and moments {}; activations of a batch {})",
        bytes(footprint.total()),
        bytes(footprint.matrices),
        bytes(footprint.weights),
        bytes(footprint.activations)
    );
    println!(
        "# time of an epoch, about: {} ({} batches of {:.3} s, measured over {}; validation {}), at most {} for {} epochs, on {}",
        seconds(measured.seconds_per_epoch()),
        measured.batches_per_epoch,
        measured.seconds_per_batch,
        measured.batches,
        seconds(measured.seconds_of_validation),
        seconds(measured.seconds_per_epoch() * settings.max_epochs as f64),
        settings.max_epochs,
        run.device.description
    );
    Ok(())
}

/// Whether the run folder can be written, or made; leaves nothing behind.
fn check_writable(folder: &Path) -> anyhow::Result<()> {
    let absolute = std::path::absolute(folder)?;
    let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute);
    tempfile::tempfile_in(there)
        .with_context(|| format!("the run folder {} cannot be written", folder.display()))?;
    Ok(())
}

fn bytes(count: usize) -> String {
    let count = count as f64;
    let unit =
        [(3, "GiB"), (2, "MiB"), (1, "KiB")].into_iter().find(|&(power, _)| count >= 1024f64.powi(power));
    unit.map_or_else(
        || format!("{count} B"),
        |(power, unit)| format!("{:.1} {unit}", count / 1024f64.powi(power)),
    )
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 5400.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 90.0 => format!("{:.1} min", s / 60.0),
        s => format!("{s:.2} s"),
    }
}
