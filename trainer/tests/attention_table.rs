//! The attention table reads back as it was written.

use std::{fs, fs::File};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
};
use trainer::attention_table::{AttentionRow, AttentionTable};

fn table() -> AttentionTable {
    let row = |id: &str, conf_id: &str, probabilities: [f32; 2], attention: [f32; 2]| AttentionRow {
        id: id.into(),
        conf_id: conf_id.into(),
        probabilities: probabilities.into(),
        attention: attention.into(),
        additional: Vec::new(),
    };
    AttentionTable {
        tasks: vec!["active".into(), "toxic".into()],
        additional: Vec::new(),
        rows: vec![
            row("A", "0", [0.1, 1.0], [1.0 / 3.0, 0.25]),
            row("A", "1", [0.1, 1.0], [2.0 / 3.0, 0.75]),
            row("B, the second", "0", [1.234_567_9e-12, 0.5], [1.0, 1.0]),
        ],
    }
}

const COLUMNS: [&str; 6] = ["ID", "conf_id", "pred_active", "pred_toxic", "attn_active", "attn_toxic"];

#[test]
fn csv_holds_the_shortest_numbers_that_read_back_to_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("attention.csv");
    table().write(&path).expect("written");
    let text = fs::read_to_string(&path).expect("read");
    assert_eq!(text.lines().next(), Some(COLUMNS.join(",").as_str()));
    assert_eq!(text.lines().nth(1), Some("A,0,0.1,1.0,0.33333334,0.25"));
    let mut reader = csv::Reader::from_path(&path).expect("opened");
    for (record, row) in reader.records().zip(table().rows) {
        let record = record.expect("record");
        assert_eq!((&record[0], &record[1]), (row.id.as_str(), row.conf_id.as_str()));
        let numbers: Vec<f32> = record.iter().skip(2).map(|text| text.parse().expect("number")).collect();
        assert_eq!(numbers, [row.probabilities, row.attention].concat());
    }
    assert_eq!(text.lines().count(), 4);
}

#[test]
fn parquet_holds_the_same_columns() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("attention.PARQUET");
    table().write(&path).expect("written");
    let reader = SerializedFileReader::new(File::open(&path).expect("opened")).expect("Parquet");
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
    assert_eq!(columns, COLUMNS);
    let rows: Vec<AttentionRow> = reader
        .get_row_iter(None)
        .expect("rows")
        .map(|row| {
            let row = row.expect("row");
            let numbers =
                |columns: [usize; 2]| columns.map(|column| row.get_float(column).expect("float")).into();
            AttentionRow {
                id: row.get_string(0).expect("text").clone(),
                conf_id: row.get_string(1).expect("text").clone(),
                probabilities: numbers([2, 3]),
                attention: numbers([4, 5]),
                additional: Vec::new(),
            }
        })
        .collect();
    assert_eq!(rows, table().rows);
}

#[test]
fn a_large_parquet_table_is_whole() {
    let mut large = table();
    large.rows =
        (0..70_000).map(|row| AttentionRow { conf_id: row.to_string(), ..table().rows[0].clone() }).collect();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("attention.parquet");
    large.write(&path).expect("written");
    let reader = SerializedFileReader::new(File::open(&path).expect("opened")).expect("Parquet");
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let last = reader.get_row_iter(None).expect("rows").last().expect("a row").expect("row");
    assert_eq!(last.get_string(1).expect("text"), "69999");
}

#[test]
fn another_ending_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("folder");
    for name in ["attention.xlsx", "attention", "attention.csv.gz"] {
        let message = table().write(&folder.path().join(name)).expect_err("refused").to_string();
        assert!(message.contains(name) && message.contains(".csv or .parquet"), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
}

#[test]
fn a_row_that_does_not_fit_the_tasks_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    for ending in ["csv", "parquet"] {
        let mut table = table();
        table.rows[1].attention.pop();
        let path = folder.path().join("attention").with_extension(ending);
        let message = table.write(&path).expect_err("refused").to_string();
        assert!(
            message.contains("row 2") && message.contains("1 attention weights for 2 tasks"),
            "{message}"
        );
        assert!(!path.exists());
    }
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("nowhere").join("attention.csv");
    let message = table().write(&path).expect_err("refused").to_string();
    assert!(
        message.contains(&path.display().to_string()) && message.contains("cannot be written"),
        "{message}"
    );
}
