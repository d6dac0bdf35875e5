//! `optimil devices`

use clap::Args;
use serde_json::json;

use crate::device::{self, Backend, DeviceInfo};

#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DevicesArgs) -> anyhow::Result<()> {
    let (backends, chosen) = device::list();
    if args.json {
        let listing = json!({ "backends": backends, "auto": chosen.to_string() });
        println!("{}", serde_json::to_string_pretty(&listing)?);
        return Ok(());
    }
    let header = ["device", "name", "memory", "driver", "float16", "bfloat16", "usable"].map(String::from);
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(backends.iter().flat_map(rows)).collect();
    let widths: Vec<usize> =
        (0..7).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
    println!("\n--device auto takes {chosen}");
    Ok(())
}

fn rows(backend: &Backend) -> Vec<[String; 7]> {
    match &backend.problem {
        Some(problem) => {
            let unknown = || "-".to_owned();
            let usable = format!("no: {problem}");
            vec![[backend.backend.into(), unknown(), unknown(), unknown(), unknown(), unknown(), usable]]
        }
        None => backend.devices.iter().map(row).collect(),
    }
}

fn row(device: &DeviceInfo) -> [String; 7] {
    let flag = |flag: Option<bool>| flag.map_or("-", |flag| if flag { "yes" } else { "no" }).to_owned();
    let usable = match &device.problem {
        Some(problem) => format!("no: {problem}"),
        None if device.software => "yes, in software: slower than cpu".into(),
        None => "yes".into(),
    };
    [
        device.choice.to_string(),
        device.name.clone(),
        device.memory.map_or("-".into(), |bytes| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)),
        device.driver.clone().unwrap_or("-".into()),
        flag(device.float16),
        flag(device.bfloat16),
        usable,
    ]
}
