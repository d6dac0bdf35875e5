//! `optimil devices`, and choosing one of several devices.

mod program;

use burn::Dispatch;
use burn::tensor::DType;
use burn::tensor::backend::Backend as _;
use serde_json::Value;
use trainer::device::{self, Device, DeviceChoice, Precision};

use self::program::{optimil, refuses, succeeds};

#[test]
fn every_backend_is_listed_with_its_devices_or_why_there_are_none() {
    let table = succeeds(&["devices"], &[]);
    let listing: Value = serde_json::from_str(&succeeds(&["devices", "--json"], &[])).expect("JSON");
    let backends = listing["backends"].as_array().expect("backends");
    let names: Vec<&str> = backends.iter().filter_map(|backend| backend["backend"].as_str()).collect();
    assert_eq!(names, ["cpu", "wgpu", "cuda"]);
    assert_eq!(backends[0]["devices"][0]["device"], "cpu");
    assert!(backends[0]["devices"][0]["problem"].is_null());
    for backend in backends {
        let devices = backend["devices"].as_array().expect("devices");
        assert_eq!(devices.is_empty(), backend["problem"].is_string(), "{backend}");
        for device in devices {
            let name = device["device"].as_str().expect("named");
            assert!(table.lines().any(|line| line.starts_with(name)), "{name}: {table}");
        }
    }
    // What `auto` takes is usable, and no emulation.
    let auto = listing["auto"].as_str().expect("chosen");
    let devices = || backends.iter().flat_map(|backend| backend["devices"].as_array().expect("devices"));
    let chosen = devices().find(|device| device["device"] == auto).expect("listed");
    assert!(chosen["problem"].is_null() && chosen["software"] == false, "{chosen}");
    assert!(table.contains(&format!("auto takes {auto}")), "{table}");
}

#[test]
fn a_device_that_is_not_there_is_refused_with_its_name() {
    let predict =
        ["predict", "model.optimil", "--labels", "l.csv", "--feat3d", "f.csv", "-o", "out.csv", "--device"];
    let output = optimil(&predict, &["tpu".into()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && text.contains("cpu, wgpu, cuda"), "{text}");
    let listing = optimil(
        &["train", "--labels", "l.csv", "--feat3d", "f.csv", "-o", "out", "--device", "wgpu:77"],
        &[],
    );
    assert_eq!(listing.status.code(), Some(2));
    refuses(
        &["train", "--labels", "l.csv", "--feat3d", "f.csv", "-o", "out", "--device", "cuda:77"],
        &[],
        &["--device cuda:77", "optimil devices"],
    );
}

#[test]
fn half_precision_is_listed_where_the_backend_computes_in_it() {
    for choice in [DeviceChoice::Wgpu(None), DeviceChoice::Cuda(None)] {
        // Not every machine has such a device.
        let Ok(selected) = device::select(choice) else { continue };
        let Device::Gpu(gpu) = &selected.device else { panic!("{choice} is no GPU") };
        for (precision, dtype) in
            [(Precision::Float16Mixed, DType::F16), (Precision::Bfloat16Mixed, DType::BF16)]
        {
            let (listed, there) = (selected.check(precision).is_ok(), Dispatch::supports_dtype(gpu, dtype));
            assert!(there || !listed, "{}: {precision} is listed, and not there", selected.description);
        }
    }
}
