//! `optimil serve`

use std::path::PathBuf;

use clap::Args;

use crate::serve::serve;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The model bundle
    bundle: PathBuf,
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Folder of a built explorer, instead of the one inside this program
    #[arg(long, value_name = "FOLDER")]
    explorer: Option<PathBuf>,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    Ok(serve(&args.bundle, args.explorer.as_deref(), args.port)?)
}
