//! Tables for the tests: the fixture, a small sound set to be spoiled, and both in other formats.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::{Compression, write::GzEncoder};
use parquet::{
    basic::{LogicalType, Repetition, Type as Physical},
    data_type::{ByteArrayType, DataType, DoubleType, Int64Type},
    file::writer::{SerializedFileWriter, SerializedRowGroupWriter},
    schema::types::{Type, TypePtr},
};
use shared_model::schema::TaskSchema;
use trainer::data::{self, DataError, Dataset, Labels, Splits, Tables};

pub const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/data");
pub const FIXTURE_FILES: [&str; 4] =
    ["labels.csv", "feat2d_scaled.csv", "feat3d_scaled.csv", "feat3d_qm_scaled.csv"];

/// The four tables of the fixture, under their own names with `ending` for `.csv`.
pub fn fixture_tables(folder: &Path, ending: &str) -> Tables {
    let [labels, feat2d, feat3d, feat3d_qm] =
        FIXTURE_FILES.map(|name| folder.join(name).with_extension(ending));
    Tables { labels: Some(labels), feat2d: Some(feat2d), feat3d, feat3d_qm: Some(feat3d_qm) }
}

/// The fixture's split `train`.
pub fn fixture_train() -> Dataset {
    let tables = fixture_tables(Path::new(FIXTURE), "csv");
    data::load(&tables, &TaskSchema::euos25(), &Splits::named(["train"]), Labels::Required)
        .expect("sound tables")
}

/// What the fixture must become.
pub fn expected() -> serde_json::Value {
    let text = fs::read_to_string(Path::new(FIXTURE).join("expected.json")).expect("fixture");
    serde_json::from_str(&text).expect("JSON")
}

/// A small sound set of tables in a folder of its own.
pub struct Small {
    folder: tempfile::TempDir,
    pub schema: TaskSchema,
    pub splits: Splits,
    pub labels: Labels,
}

impl Small {
    pub fn new() -> Self {
        let small = Self {
            folder: tempfile::tempdir().expect("folder"),
            schema: toml::from_str(
                "[[task]]\nname = \"active\"\nweight = \"w\"\n[[task]]\nname = \"toxic\"\n[[absorbance]]\ncolumn = \"peak\"\n",
            )
            .expect("schema"),
            splits: Splits::named(["train"]),
            labels: Labels::Required,
        };
        small.write("labels.csv", "ID,split,cv_fold,active,toxic,peak,w\nA,train,0,1,0,400,1\nB,train,1,0,0,,2\nC,leaderboard,,0,1,500,\n");
        small.write("feat2d.csv", "ID,b,a\nA,1,2\nB,3,4\nC,5,6\n");
        small.write("feat3d.csv", "ID,conf_id,g\nA,0,0.5\nA,1,0.25\nB,0,1.5\nC,0,3\n");
        small.write("qm.csv", "ID,conf_id,q,status,error\nA,0,10,ok,\nA,1,20,ok,\nB,0,30,ok,\nC,0,40,ok,\n");
        small
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("written");
    }

    /// Replaces the one place where `old` stands.
    pub fn edit(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(name)).expect("read");
        assert_eq!(text.matches(old).count(), 1, "{old:?} must stand once in {name}");
        self.write(name, text.replace(old, new));
    }

    pub fn tables(&self) -> Tables {
        Tables {
            labels: Some(self.path("labels.csv")),
            feat2d: Some(self.path("feat2d.csv")),
            feat3d: self.path("feat3d.csv"),
            feat3d_qm: Some(self.path("qm.csv")),
        }
    }

    pub fn load(&self) -> Result<Dataset, DataError> {
        data::load(&self.tables(), &self.schema, &self.splits, self.labels)
    }

    /// The dataset of sound tables.
    pub fn sound(&self) -> Dataset {
        self.load().expect("sound tables")
    }

    /// The message of tables that must be refused; it is one line that contains all of `parts`.
    pub fn refused(&self, parts: &[&str]) -> DataError {
        let error = self.load().expect_err("must be refused");
        says(&error, parts);
        error
    }
}

/// Checks that the message of an error is one line that contains all of `parts`.
pub fn says(error: &DataError, parts: &[&str]) {
    let message = error.to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// Text as a gzip file.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("finished")
}

/// A CSV table as Parquet: whole numbers as int64, numbers as double, the rest as text, empty cells as null.
pub fn parquet_of_csv(csv_text: &str, rows_per_group: usize) -> Vec<u8> {
    let mut reader = csv::Reader::from_reader(csv_text.as_bytes());
    let names: Vec<String> = reader.headers().expect("header").iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("record")).collect();
    let column = |index: usize| records.iter().map(move |record| record[index].to_owned());
    let kind_of = |index: usize| {
        let all = |holds: fn(&str) -> bool| column(index).all(|text| text.is_empty() || holds(&text));
        if all(|text| text.parse::<i64>().is_ok()) {
            Physical::INT64
        } else if all(|text| text.parse::<f64>().is_ok()) {
            Physical::DOUBLE
        } else {
            Physical::BYTE_ARRAY
        }
    };
    let kinds: Vec<Physical> = (0..names.len()).map(kind_of).collect();
    let fields = names.iter().zip(&kinds).map(|(name, &kind)| field(name, kind, None)).collect();
    parquet(fields, |writer| {
        for rows in records.chunks(rows_per_group) {
            let mut group = writer.next_row_group().expect("group");
            for (index, kind) in kinds.iter().enumerate() {
                let cells = rows.iter().map(|record| Some(&record[index]).filter(|text| !text.is_empty()));
                match kind {
                    Physical::INT64 => write_column::<Int64Type>(
                        &mut group,
                        cells.map(|cell| cell.map(|text| text.parse().expect("whole number"))),
                    ),
                    Physical::DOUBLE => write_column::<DoubleType>(
                        &mut group,
                        cells.map(|cell| cell.map(|text| text.parse().expect("number"))),
                    ),
                    _ => write_column::<ByteArrayType>(&mut group, cells.map(|cell| cell.map(Into::into))),
                }
            }
            group.close().expect("closed");
        }
    })
}

/// An optional column.
pub fn field(name: &str, kind: Physical, logical: Option<LogicalType>) -> TypePtr {
    let logical = logical.or_else(|| (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String));
    let builder = Type::primitive_type_builder(name, kind).with_repetition(Repetition::OPTIONAL);
    let width = if kind == Physical::FIXED_LEN_BYTE_ARRAY { 2 } else { -1 };
    Arc::new(builder.with_logical_type(logical).with_length(width).build().expect("type"))
}

/// A Parquet file whose row groups `write` writes.
pub fn parquet(fields: Vec<TypePtr>, write: impl FnOnce(&mut SerializedFileWriter<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build().expect("schema"));
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).expect("writer");
    write(&mut writer);
    writer.close().expect("closed");
    bytes
}

/// Writes the next column of a row group.
pub fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: impl Iterator<Item = Option<T::T>>,
) {
    let cells: Vec<Option<T::T>> = cells.collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let mut column = group.next_column().expect("column").expect("one more column");
    column.typed::<T>().write_batch(&values, Some(&levels), None).expect("written");
    column.close().expect("closed");
}
