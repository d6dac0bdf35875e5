//! Metrics for TensorBoard: an event file, written as its reader expects it.
//!
//! A file is a sequence of TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of the data), each the
//! protocol buffer `Event` with a `Summary` of scalars. Field numbers are those of TensorFlow's `event.proto` and
//! `summary.proto`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared_model::schema::TaskSchema;

use super::history::{EpochRecord, LossValues};
use crate::atomic_file;

/// An event file that grows by one event an epoch.
#[derive(Debug)]
pub(super) struct EventFile {
    file: File,
    schema: TaskSchema,
    /// Time of the start of the run, in seconds since 1970.
    start: f64,
}

const PREFIX: &str = "events.out.tfevents.";

impl EventFile {
    /// A new event file with what is already history, in place of those that an earlier run left in the folder.
    pub fn create(folder: &Path, schema: &TaskSchema, history: &[EpochRecord]) -> io::Result<Self> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        let start = now - history.last().map_or(0.0, |record| record.seconds);
        let path = folder.join(format!("{PREFIX}{:010}.optimil", now as u64));
        let mut bytes = record(&[double(1, start), text(3, "brain.Event:2")].concat());
        for epoch in history {
            bytes.extend(event(epoch, schema, start));
        }
        atomic_file::write(&path, |file| file.write_all(&bytes))?;
        Ok(Self { file: OpenOptions::new().append(true).open(&path)?, schema: schema.clone(), start })
    }

    /// Adds an epoch, in one piece.
    pub fn append(&mut self, epoch: &EpochRecord) -> io::Result<()> {
        self.file.write_all(&event(epoch, &self.schema, self.start))
    }
}

/// The scalars of an epoch by their tags.
fn scalars(epoch: &EpochRecord, schema: &TaskSchema) -> Vec<(String, f64)> {
    let mut scalars = vec![("learning_rate".to_owned(), epoch.lr)];
    for (part, losses) in [("train", &epoch.train_losses), ("val", &epoch.validation_losses)] {
        let named = LossValues::NAMES.into_iter().zip(losses.values());
        scalars.extend(named.map(|(name, value)| (format!("loss/{part}_{name}"), value.into())));
        let tasks = schema.tasks.iter().zip(&losses.per_task);
        scalars.extend(tasks.map(|(task, &value)| (format!("loss_{part}/{}", task.name), value.into())));
    }
    let metrics = &epoch.metrics;
    for (name, value) in [
        ("macro_ap", metrics.macro_ap()),
        ("min_ap", metrics.min_ap()),
        ("macro_roc_auc", metrics.macro_roc_auc()),
        ("min_roc_auc", metrics.min_roc_auc()),
    ] {
        scalars.push((format!("val/{name}"), value));
    }
    for (name, values) in [("val_ap", &metrics.average_precision), ("val_roc_auc", &metrics.roc_auc)] {
        let tasks = schema.tasks.iter().zip(values);
        scalars.extend(tasks.map(|(task, &value)| (format!("{name}/{}", task.name), value)));
    }
    scalars
}

/// The record of an epoch: `Event { wall_time = 1, step = 2, summary = 5 }`, `Summary { repeated value = 1 }`,
/// `Value { tag = 1, simple_value = 2 }`.
fn event(epoch: &EpochRecord, schema: &TaskSchema, start: f64) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars(epoch, schema) {
        let value = [text(1, &tag), float(2, value as f32)].concat();
        summary.extend(bytes_field(1, &value));
    }
    let step = [vec![2 << 3], varint(epoch.epoch as u64)].concat();
    record(&[double(1, start + epoch.seconds), step, bytes_field(5, &summary)].concat())
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked_crc32c(bytes).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// The checksum of TFRecords: CRC-32C (Castagnoli), rotated and offset, so that data may hold checksums of data.
fn masked_crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn double(field: u8, value: f64) -> Vec<u8> {
    [&[field << 3 | 1][..], &value.to_le_bytes()].concat()
}

fn float(field: u8, value: f32) -> Vec<u8> {
    [&[field << 3 | 5][..], &value.to_le_bytes()].concat()
}

fn bytes_field(field: u8, value: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2][..], &varint(value.len() as u64), value].concat()
}

fn text(field: u8, value: &str) -> Vec<u8> {
    bytes_field(field, value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TaskMetrics;

    fn epoch(epoch: usize) -> EpochRecord {
        let losses = |total: f32| LossValues {
            total,
            classification: total / 2.0,
            absorbance: 0.25,
            fluorescence: 0.125,
            bitmask: 0.0,
            per_task: vec![1.0, 2.0, 3.0, 4.0],
        };
        EpochRecord {
            epoch,
            seconds: 1.5 * epoch as f64,
            lr: 6e-4,
            train_losses: losses(3.0),
            validation_losses: losses(5.0),
            metrics: TaskMetrics { average_precision: vec![0.1, 0.2, 0.3, 0.4], roc_auc: vec![0.5; 4] },
        }
    }

    /// Fields of a protocol buffer: number and payload.
    fn fields(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        fn read_varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let (&byte, rest) = bytes.split_first().expect("a whole number");
                *bytes = rest;
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut fields = Vec::new();
        while let Some((&tag, rest)) = bytes.split_first() {
            bytes = rest;
            let length = match tag & 7 {
                0 => {
                    fields.push((tag >> 3, read_varint(&mut bytes).to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => read_varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            let (payload, rest) = bytes.split_at(length);
            bytes = rest;
            fields.push((tag >> 3, payload.to_vec()));
        }
        fields
    }

    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (length_crc, rest) = rest.split_at(4);
            assert_eq!(length_crc, masked_crc32c(length).to_le_bytes());
            let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
            let (data, rest) = rest.split_at(length);
            let (crc, rest) = rest.split_at(4);
            assert_eq!(crc, masked_crc32c(data).to_le_bytes());
            records.push(data.to_vec());
            bytes = rest;
        }
        records
    }

    #[test]
    fn the_checksum_is_crc32c() {
        let unmasked = masked_crc32c(b"123456789").wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked, 0xe306_9283, "the check value of CRC-32C");
    }

    #[test]
    fn every_epoch_is_an_event_of_scalars_that_reads_back() {
        let folder = tempfile::tempdir().expect("folder");
        let schema = TaskSchema::euos25();
        fs::write(folder.path().join(format!("{PREFIX}1.optimil")), "of an earlier run").expect("written");
        let mut file = EventFile::create(folder.path(), &schema, &[epoch(1)]).expect("created");
        file.append(&epoch(2)).expect("appended");
        let names: Vec<_> =
            fs::read_dir(folder.path()).expect("folder").map(|e| e.expect("entry").path()).collect();
        assert_eq!(names.len(), 1);

        let records = records(&fs::read(&names[0]).expect("read"));
        assert_eq!(fields(&records[0])[1], (3, b"brain.Event:2".to_vec()));
        for (number, record) in (1..).zip(&records[1..]) {
            let event = fields(record);
            assert_eq!(event[1], (2, u64::to_le_bytes(number).to_vec()));
            let time =
                |record: &[u8]| f64::from_le_bytes(fields(record)[0].1[..].try_into().expect("double"));
            assert!((time(record) - time(&records[0]) - 1.5 * number as f64).abs() < 1e-3);
            let scalars: Vec<(String, f32)> = fields(&event[2].1)
                .iter()
                .map(|(_, value)| {
                    let value = fields(value);
                    let number = f32::from_le_bytes(value[1].1[..].try_into().expect("float"));
                    (String::from_utf8(value[0].1.clone()).expect("UTF-8"), number)
                })
                .collect();
            for (tag, expected) in [
                ("learning_rate", 6e-4),
                ("loss/train_total", 3.0),
                ("loss/val_classification", 2.5),
                ("val/macro_ap", 0.25),
                ("val/min_ap", 0.1),
            ] {
                assert!(scalars.contains(&(tag.into(), expected)), "{tag} is not in {scalars:?}");
            }
            let of_tasks = scalars.iter().filter(|(tag, _)| tag.starts_with("val_ap/")).count();
            assert_eq!((of_tasks, scalars.len()), (4, 1 + 2 * (5 + 4) + 4 + 2 * 4));
        }
    }
}
