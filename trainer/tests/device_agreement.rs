//! An epoch on the CPU and on a GPU gives the same losses: the quick part of the benchmark of the same name.

#[path = "../benches/device_agreement/agreement.rs"]
mod agreement;
mod tables;

use trainer::device::{self, Device, DeviceChoice};
use trainer::training::Partition;

#[test]
fn losses_of_an_epoch_agree_on_cpu_and_gpu() {
    let gpu = match device::select("wgpu".parse::<DeviceChoice>().expect("a known device")) {
        Ok(gpu) => gpu,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    let dataset = tables::fixture_train();
    let rows: Vec<usize> = (0..dataset.len()).collect();
    let (training, validation) = rows.split_at(rows.len() / 2);
    let partition = Partition { train: training, validation };
    let losses = |device| agreement::losses(&agreement::first_epoch(&dataset, partition, 16, device));
    for ((name, cpu), (_, gpu)) in losses(&Device::Cpu).iter().zip(&losses(&gpu.device)) {
        let deviation = agreement::deviation(*cpu, *gpu);
        assert!(deviation <= 1e-3, "{name} loss: {cpu} on the CPU, {gpu} on the GPU");
    }
}
