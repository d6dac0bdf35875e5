//! `optimil report`

use std::path::PathBuf;

use clap::Args;

use crate::report;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Run folder of `optimil train`, `optimil cv` or `optimil hpo`
    run: PathBuf,
    /// The report to write [default: report.html in the run folder]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let out = args.out.clone().unwrap_or_else(|| args.run.join(report::FILE));
    report::write(&args.run, &out)?;
    println!("report: {}", out.display());
    Ok(())
}
