//! Every kind of bad input is refused with one line that says what is wrong, where, and what to do.

mod tables;

use std::{fs, path::PathBuf, sync::Arc};

use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{
        BoolType, ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
    },
    schema::types::Type,
};
use proptest::prelude::*;
use tables::{Small, field, gzip, parquet, parquet_of_csv, says, write_column};
use trainer::data::{self, DataError, Labels, Splits, Tables};

/// Each table of the small set, and what the loader calls it by.
const NAMES: [&str; 4] = ["labels.csv", "feat2d.csv", "feat3d.csv", "qm.csv"];

#[test]
fn a_missing_file_is_named() {
    for name in NAMES {
        let small = Small::new();
        fs::remove_file(small.path(name)).expect("removed");
        let error = small.refused(&[name, "no such file"]);
        assert_eq!(error, DataError::NotFound { path: small.path(name) });
    }
}

#[test]
fn a_folder_is_not_a_table() {
    let small = Small::new();
    let tables = Tables { feat3d: PathBuf::from(env!("CARGO_MANIFEST_DIR")), ..small.tables() };
    let error = data::load(&tables, &small.schema, &small.splits, Labels::Required).expect_err("refused");
    says(&error, &[env!("CARGO_MANIFEST_DIR"), "folder", "CSV"]);
}

#[test]
fn an_empty_file_and_a_bare_header_are_refused() {
    for name in NAMES {
        let small = Small::new();
        let header = fs::read_to_string(small.path(name)).expect("read");
        let header = header.lines().next().expect("header").to_owned();
        for content in [Vec::new(), gzip(b""), b"\n\n".to_vec()] {
            small.write(name, content);
            small.refused(&[name, "empty"]);
        }
        for content in [header.clone().into_bytes(), gzip(header.as_bytes()), parquet_of_csv(&header, 1)] {
            small.write(name, content);
            small.refused(&[name, "no rows"]);
        }
    }
}

#[test]
fn a_missing_key_column_is_named() {
    for name in NAMES {
        let small = Small::new();
        small.edit(name, "ID,", "Id,");
        small.refused(&[name, "no column \"ID\"", "\"Id\"", "schema"]);
    }
    for name in ["feat3d.csv", "qm.csv"] {
        let small = Small::new();
        small.edit(name, "conf_id", "conformer");
        small.refused(&[name, "no column \"conf_id\"", "\"conformer\""]);
    }
}

#[test]
fn a_missing_task_column_is_an_error_for_training_only() {
    let mut small = Small::new();
    small.edit("labels.csv", "toxic", "toxicity");
    small.refused(&["labels.csv", "no column \"toxic\"", "task"]);
    small.labels = Labels::Optional;
    assert_eq!(small.sound().report().absent_columns, ["toxic"]);
}

#[test]
fn a_missing_split_column_is_named_unless_all_molecules_are_wanted() {
    let mut small = Small::new();
    small.edit("labels.csv", "split", "part");
    small.refused(&["labels.csv", "no column \"split\""]);
    small.splits = Splits::All;
    assert_eq!(small.sound().ids(), ["A", "B", "C"]);
}

#[test]
fn doubled_and_nameless_columns_are_refused() {
    let small = Small::new();
    small.edit("feat3d.csv", "conf_id,g", "conf_id,ID");
    small.refused(&["feat3d.csv", "two columns named \"ID\""]);
    let small = Small::new();
    small.write("feat2d.csv", ",ID,a\n0,A,1\n1,B,2\n");
    small.refused(&["feat2d.csv", "column 1 has no name"]);
}

#[test]
fn the_row_index_of_pandas_is_no_feature() {
    let small = Small::new();
    small.write("feat2d.csv", parquet_of_csv("ID,a,__index_level_0__\nA,1,0\nB,2,1\n", 10));
    assert_eq!(small.sound().names_2d(), ["a"]);
}

#[test]
fn a_molecule_twice_in_the_labels_is_refused_across_splits_too() {
    let small = Small::new();
    small.edit("labels.csv", "C,leaderboard", "A,leaderboard");
    small.refused(&["labels.csv", "\"A\"", "line 2", "line 4"]);
}

#[test]
fn a_molecule_twice_in_the_2d_table_is_refused() {
    let small = Small::new();
    small.edit("feat2d.csv", "B,3,4\n", "B,3,4\nB,3,4\n");
    small.refused(&["feat2d.csv", "\"B\"", "line 3", "line 4"]);
}

#[test]
fn a_row_with_too_many_or_too_few_fields_is_named_by_line() {
    for (name, old, new, counts) in [
        ("labels.csv", "B,train,1,0,0,,2", "B,train,1,0,0,2", "6 fields where the header has 7"),
        ("feat2d.csv", "B,3,4", "B,3,4,5", "4 fields where the header has 3"),
        ("feat3d.csv", "A,1,0.25", "A,1", "2 fields where the header has 3"),
    ] {
        let small = Small::new();
        small.edit(name, old, new);
        small.refused(&[name, "line 3", counts]);
        let text = fs::read(small.path(name)).expect("read");
        small.write(name, gzip(&text));
        small.refused(&[name, "line 3", counts]);
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let small = Small::new();
    small.write("feat2d.csv", "ID,a,curated_SMILES\r\nA,1,C\r\nB,x,C\r\n");
    small.refused(&["feat2d.csv", "line 3", "\"a\""]);
    small.write("feat2d.csv", "ID,a,curated_SMILES\nA,1,\"C\nC\"\nB,x,C\n");
    small.refused(&["feat2d.csv", "line 4", "\"a\""]);
    small.write("feat2d.csv", "ID,a,curated_SMILES\n\nA,1,C\n\n\nB,x,C\n");
    small.refused(&["feat2d.csv", "line 6", "\"a\""]);
    small.write("feat2d.csv", "ID,a,curated_SMILES\r\n\r\nA,1,C\r\n\r\nB,x\r\n");
    small.refused(&["feat2d.csv", "line 5", "2 fields"]);
}

#[test]
fn a_quote_that_is_never_closed_is_refused() {
    let small = Small::new();
    small.write("feat3d.csv", "ID,conf_id,g,smiles\nA,0,1,C\nB,0,2,\"C\nB,1,3,C\n");
    small.refused(&["feat3d.csv", "quotation marks"]);
}

#[test]
fn long_and_broken_cells_leave_the_message_one_short_line() {
    let small = Small::new();
    small.edit("feat3d.csv", "A,1,0.25", &format!("A,1,\"several\nlines{}\"", "x".repeat(10_000)));
    let message = small.refused(&["line 3", "\\nlines", "…"]).to_string();
    assert!(message.len() < 300, "{message}");
}

#[test]
fn broken_utf8_is_named_by_line_and_column() {
    let small = Small::new();
    for (name, text, parts) in [
        ("labels.csv", &b"ID,split,active,toxic\nA,tr\xe4in,0,0\n"[..], ["line 2", "\"split\""]),
        ("feat2d.csv", &b"ID,a\nA,1\nB\xff,2\n"[..], ["line 3", "\"ID\""]),
        ("feat3d.csv", &b"ID,conf_id,g\nA,0,1\nB,0,\xc3\n"[..], ["line 3", "\"g\""]),
        ("qm.csv", &b"ID,conf_id,q\xb2\nA,0,1\nB,0,1\n"[..], ["line 1", "column 3"]),
    ] {
        let before = fs::read(small.path(name)).expect("read");
        small.write(name, text);
        small.refused(&[name, parts[0], parts[1], "UTF-8"]);
        small.write(name, before);
    }
    let column = [field("ID", Physical::BYTE_ARRAY, None), field("a", Physical::INT64, None)];
    small.write(
        "feat2d.csv",
        parquet(column.into(), |writer| {
            let mut group = writer.next_row_group().expect("group");
            write_column::<ByteArrayType>(
                &mut group,
                [b"A".to_vec(), vec![0xff]].map(|id| Some(id.into())).into_iter(),
            );
            write_column::<Int64Type>(&mut group, [Some(1), Some(2)].into_iter());
            group.close().expect("closed");
        }),
    );
    small.refused(&["feat2d.csv", "row 2", "\"ID\"", "UTF-8"]);
}

#[test]
fn a_gzip_file_cut_off_anywhere_is_refused() {
    let small = Small::new();
    let whole = gzip(&fs::read(small.path("feat3d.csv")).expect("read"));
    small.write("feat3d.csv", &whole);
    small.sound();
    for length in 2..whole.len() {
        small.write("feat3d.csv", &whole[..length]);
        small.refused(&["feat3d.csv", "gzip", "truncated"]);
    }
}

#[test]
fn a_parquet_file_cut_off_anywhere_is_refused() {
    let small = Small::new();
    let whole = parquet_of_csv(&fs::read_to_string(small.path("feat3d.csv")).expect("read"), 2);
    small.write("feat3d.csv", &whole);
    small.sound();
    for length in 4..whole.len() {
        small.write("feat3d.csv", &whole[..length]);
        small.refused(&["feat3d.csv", "Parquet", "truncated"]);
    }
}

#[test]
fn text_where_a_feature_must_be_is_named_by_table_row_and_column() {
    for (name, old, new, place) in [
        ("feat2d.csv", "B,3,4", "B,3,four", ["line 3", "\"a\""]),
        ("feat3d.csv", "A,1,0.25", "A,1,\"0,25\"", ["line 3", "\"g\""]),
        ("qm.csv", "B,0,30", "B,0,-", ["line 4", "\"q\""]),
    ] {
        let small = Small::new();
        small.edit(name, old, new);
        small.refused(&[name, place[0], place[1], "not a number"]);
    }
}

#[test]
fn missing_and_infinite_features_are_named_by_table_row_and_column() {
    for (value, what) in [
        ("", "missing"),
        ("NaN", "missing"),
        ("NA", "missing"),
        ("inf", "finite"),
        ("-inf", "finite"),
        ("1e39", "finite"),
    ] {
        for (name, old, place) in
            [("feat2d.csv", "B,3,4", ["line 3", "\"a\""]), ("feat3d.csv", "A,1,0.25", ["line 3", "\"g\""])]
        {
            let small = Small::new();
            let (start, _) = old.rsplit_once(',').expect("fields");
            small.edit(name, old, &format!("{start},{value}"));
            small.refused(&[name, place[0], place[1], what]);
            if ["", "1e39"].contains(&value) {
                let text = fs::read_to_string(small.path(name)).expect("read");
                small.write(name, parquet_of_csv(&text, 10));
                small.refused(&[name, "row 2", place[1], what]);
            }
        }
    }
}

#[test]
fn a_duplicated_row_does_not_hide_a_missing_feature() {
    let small = Small::new();
    small.edit("feat3d.csv", "A,1,0.25\n", "A,1,0.25\nA,1,\n");
    small.refused(&["feat3d.csv", "line 4", "\"g\"", "missing"]);
}

#[test]
fn labels_weights_and_targets_must_be_finite_numbers_or_missing() {
    for (old, new, parts) in [
        ("A,train,0,1,0", "A,train,0,yes,0", ["line 2", "\"active\"", "\"yes\" is not a number"]),
        ("A,train,0,1,0", "A,train,0,1,inf", ["line 2", "\"toxic\"", "finite"]),
        ("B,train,1,0,0,,2", "B,train,1,0,0,,heavy", ["line 3", "\"w\"", "\"heavy\" is not a number"]),
        ("B,train,1,0,0,,2", "B,train,1,0,0,,1e99", ["line 3", "\"w\"", "finite"]),
        (",400,", ",blue,", ["line 2", "\"peak\"", "\"blue\" is not a number"]),
    ] {
        let small = Small::new();
        small.edit("labels.csv", old, new);
        small.refused(&["labels.csv", parts[0], parts[1], parts[2]]);
    }
}

#[test]
fn a_fold_must_be_a_whole_number() {
    for fold in ["first", "1.5", "-1", "inf", "1e20"] {
        let small = Small::new();
        small.edit("labels.csv", "B,train,1", &format!("B,train,{fold}"));
        small.refused(&["labels.csv", "line 3", "\"cv_fold\"", fold, "whole number"]);
    }
}

#[test]
fn an_empty_key_is_refused() {
    for (name, old, new, parts) in [
        ("labels.csv", "B,train", ",train", ["line 3", "\"ID\""]),
        ("feat2d.csv", "B,3", " ,3", ["line 3", "\"ID\""]),
        ("feat3d.csv", "A,1,", "A,,", ["line 3", "\"conf_id\""]),
        ("qm.csv", "B,0,", ",0,", ["line 4", "\"ID\""]),
    ] {
        let small = Small::new();
        small.edit(name, old, new);
        small.refused(&[name, parts[0], parts[1], "empty"]);
    }
    let small = Small::new();
    small.write("feat2d.csv", parquet_of_csv("ID,a\nA,1\n,2\n", 10));
    small.refused(&["feat2d.csv", "row 2", "\"ID\"", "empty"]);
}

#[test]
fn molecules_missing_from_the_2d_table_are_named() {
    let small = Small::new();
    small.edit("feat2d.csv", "B,3,4\n", "");
    small.refused(&["feat2d.csv", "1 of the molecules", "\"B\""]);
}

#[test]
fn tables_without_a_common_conformer_are_refused() {
    let small = Small::new();
    small.edit("qm.csv", "B,0,30,ok,\n", "");
    assert_eq!(small.sound().report().dropped, ["B"]);
    small.write("qm.csv", "ID,conf_id,q\nA,conf0,1\nB,conf0,2\n");
    small.refused(&["none of the 2 molecules", "\"A\", \"B\"", "feat3d.csv joined with", "qm.csv"]);
}

#[test]
fn a_feature_table_without_features_is_refused() {
    for (name, text) in [
        ("feat2d.csv", "ID,split\nA,train\nB,train\n"),
        ("feat3d.csv", "ID,conf_id,smiles\nA,0,C\nB,0,C\n"),
        ("qm.csv", "ID,conf_id,status,error\nA,0,ok,\nB,0,ok,\n"),
    ] {
        let small = Small::new();
        small.write(name, text);
        small.refused(&[name, "no feature columns"]);
    }
}

#[test]
fn labels_weights_and_folds_are_not_taken_for_features() {
    for column in ["active", "toxic", "peak", "w", "cv_fold"] {
        let small = Small::new();
        small.edit("feat3d.csv", "conf_id,g", &format!("conf_id,{column}"));
        small.refused(&["feat3d.csv", &format!("\"{column}\""), "among the features", "ignored"]);
    }
    let mut small = Small::new();
    small.edit("feat2d.csv", "ID,b,a", "ID,cv_fold,a");
    small.schema.columns.ignored_2d.push("cv_fold".into());
    assert_eq!(small.sound().names_2d(), ["a"]);
}

#[test]
fn one_feature_name_in_both_3d_tables_is_refused() {
    let small = Small::new();
    small.edit("qm.csv", "conf_id,q", "conf_id,g");
    small.refused(&["\"g\"", "feat3d.csv", "qm.csv"]);
}

#[test]
fn unknown_splits_and_folds_are_answered_with_those_that_exist() {
    let mut small = Small::new();
    let dataset = small.sound();
    says(
        &dataset.split_rows("leaderboard").expect_err("refused"),
        &["\"leaderboard\"", "there are \"train\""],
    );
    says(&dataset.fold(7).expect_err("refused"), &["fold 7", "there are 0, 1"]);
    small.splits = Splits::named(["train", "test"]);
    small.refused(&["\"test\"", "there are \"leaderboard\", \"train\""]);
    small.splits = Splits::Named(Vec::new());
    small.refused(&["no split"]);
}

#[test]
fn folds_need_numbers_and_a_second_fold() {
    let small = Small::new();
    small.edit("labels.csv", "B,train,1", "B,train,0");
    says(&small.sound().fold(0).expect_err("refused"), &["fold 0", "two folds"]);
    small.edit("labels.csv", "cv_fold", "fold");
    says(&small.sound().fold(0).expect_err("refused"), &["fold 0", "no numbered folds"]);
}

#[test]
fn a_schema_that_breaks_a_rule_is_refused() {
    let mut small = Small::new();
    small.schema.tasks.clear();
    small.refused(&["no task"]);
}

#[test]
fn parquet_numbers_of_all_widths_are_read() {
    let integer = |bits, signed| Some(LogicalType::integer(bits, signed));
    let fields = vec![
        field("ID", Physical::BYTE_ARRAY, None),
        field("a_bool", Physical::BOOLEAN, None),
        field("b_int8", Physical::INT32, integer(8, true)),
        field("c_uint8", Physical::INT32, integer(8, false)),
        field("d_uint32", Physical::INT32, integer(32, false)),
        field("e_int64", Physical::INT64, None),
        field("f_uint64", Physical::INT64, integer(64, false)),
        field("g_half", Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)),
        field("h_float", Physical::FLOAT, None),
        field("i_double", Physical::DOUBLE, None),
        field("j_text", Physical::BYTE_ARRAY, None),
    ];
    let small = Small::new();
    small.write(
        "feat2d.csv",
        parquet(fields, |writer| {
            for (id, text) in [("A", "7.5"), ("B", "-1e1")] {
                let mut group = writer.next_row_group().expect("group");
                write_column::<ByteArrayType>(&mut group, [Some(id.into())].into_iter());
                write_column::<BoolType>(&mut group, [Some(true)].into_iter());
                write_column::<Int32Type>(&mut group, [Some(-8)].into_iter());
                write_column::<Int32Type>(&mut group, [Some(200)].into_iter());
                write_column::<Int32Type>(&mut group, [Some(-1)].into_iter());
                write_column::<Int64Type>(&mut group, [Some(-(1 << 40))].into_iter());
                write_column::<Int64Type>(&mut group, [Some(-1)].into_iter());
                write_column::<FixedLenByteArrayType>(
                    &mut group,
                    [Some(vec![0x00, 0x3e].into())].into_iter(),
                );
                write_column::<FloatType>(&mut group, [Some(0.1)].into_iter());
                write_column::<DoubleType>(&mut group, [Some(0.1)].into_iter());
                write_column::<ByteArrayType>(&mut group, [Some(text.into())].into_iter());
                group.close().expect("closed");
            }
        }),
    );
    let start = [1.0, -8.0, 200.0, 4_294_967_295.0, -1_099_511_627_776.0, 1.844_674_4e19, 1.5, 0.1, 0.1];
    let dataset = small.sound();
    for (row, text) in [7.5, -10.0].into_iter().enumerate() {
        assert_eq!(dataset.bags().x2d().row(row), [&start[..], &[text]].concat());
    }
}

#[test]
fn a_parquet_column_that_holds_no_numbers_is_refused_by_type() {
    let small = Small::new();
    let write = |logical: LogicalType| {
        let fields =
            vec![field("ID", Physical::BYTE_ARRAY, None), field("when", Physical::INT64, Some(logical))];
        parquet(fields, |writer| {
            let mut group = writer.next_row_group().expect("group");
            write_column::<ByteArrayType>(&mut group, ["A", "B"].map(|id| Some(id.into())).into_iter());
            write_column::<Int64Type>(&mut group, [Some(1), Some(2)].into_iter());
            group.close().expect("closed");
        })
    };
    small.write("feat2d.csv", write(LogicalType::timestamp(true, TimeUnit::MILLIS)));
    small.refused(&["feat2d.csv", "\"when\"", "Timestamp", "store it as numbers"]);
    small.write("feat2d.csv", write(LogicalType::time(true, TimeUnit::MICROS)));
    small.refused(&["feat2d.csv", "\"when\"", "Time"]);
}

#[test]
fn a_nested_parquet_column_is_refused_unless_it_is_ignored() {
    let mut small = Small::new();
    let pair = Type::group_type_builder("pair")
        .with_repetition(Repetition::REQUIRED)
        .with_fields(vec![field("x", Physical::INT64, None)])
        .build();
    let columns = vec![
        field("ID", Physical::BYTE_ARRAY, None),
        Arc::new(pair.expect("type")),
        field("a", Physical::INT64, None),
    ];
    small.write(
        "feat2d.csv",
        parquet(columns, |writer| {
            let mut group = writer.next_row_group().expect("group");
            write_column::<ByteArrayType>(&mut group, ["A", "B"].map(|id| Some(id.into())).into_iter());
            write_column::<Int64Type>(&mut group, [Some(1), Some(2)].into_iter());
            write_column::<Int64Type>(&mut group, [Some(3), Some(4)].into_iter());
            group.close().expect("closed");
        }),
    );
    small.refused(&["feat2d.csv", "\"pair\"", "nested"]);
    small.schema.columns.ignored_2d.push("pair".into());
    assert_eq!(small.sound().bags().x2d().data(), [3.0, 4.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_bytes_never_panic(
        table in 0..NAMES.len(),
        kind in 0..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let small = Small::new();
        let text = fs::read_to_string(small.path(NAMES[table])).expect("read");
        let mut bytes = match kind {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            _ => parquet_of_csv(&text, 2),
        };
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        small.write(NAMES[table], bytes);
        // Sound by luck, or one line.
        if let Err(error) = small.load() {
            prop_assert!(!error.to_string().contains('\n'), "{}", error);
        }
    }
}
