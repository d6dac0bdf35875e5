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
    /// Open the address in the browser of this machine
    #[arg(long)]
    open: bool,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let announce = |address: &str| {
        println!("{address}");
        // Without a desktop there is no browser to open; the address is printed all the same.
        if args.open && open::that_detached(address).is_err() {
            eprintln!("note: no browser could be opened; open the address above in one");
        }
    };
    Ok(serve(&args.bundle, args.explorer.as_deref(), args.port, announce)?)
}
