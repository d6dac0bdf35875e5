//! Lightning checkpoints: real files of the PyTorch system, and small ones written here for each rule.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use serde_json::json;
use shared_model::state_dict::{HostTensor, StateDict};
use trainer::checkpoint::{
    CheckpointError, LightningCheckpoint, PickleError, TensorError, hyper_parameters_from_json,
};
use zip::CompressionMethod;
use zip::read::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

const SMALL_GELU: &[u8] = include_bytes!("fixtures/model/small_gelu.lightning.ckpt");
/// The same model, which was trained for five steps, as safetensors.
const SMALL_GELU_WEIGHTS: &[u8] = include_bytes!("fixtures/model/small_gelu.after5.safetensors");
const IMPORTED: &[u8] = include_bytes!("fixtures/imported/model.ckpt");

#[test]
fn a_checkpoint_holds_the_tensors_that_pytorch_wrote_as_safetensors() {
    let checkpoint = LightningCheckpoint::from_bytes(SMALL_GELU).expect("a checkpoint");
    let weights = StateDict::from_safetensors(SMALL_GELU_WEIGHTS).expect("a state dict");
    let names = |state: &StateDict| state.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&checkpoint.state_dict), names(&weights));
    for (name, tensor) in weights.iter() {
        assert!(checkpoint.state_dict.get(name) == Some(tensor), "{name} differs");
    }
    assert_eq!(checkpoint.epoch, Some(3));
}

#[test]
fn a_checkpoint_holds_the_arguments_of_the_model() {
    let parameters = LightningCheckpoint::from_bytes(SMALL_GELU).expect("a checkpoint").hyper_parameters;
    assert_eq!(parameters.len(), 32);
    let expected = json!({
        "mol_dim": 24, "mol_dropout": 0.2, "activation": "GELU", "aggregator_kwargs": null,
        "bitmask_group_top_ids": [0, 4, 1, 5, 2, 8],
        "bitmask_group_class_weight": [1.0, 1.2, 2.0, 3.0, 1.5, 4.0, 5.0],
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&parameters[name], value, "{name}");
    }
}

#[test]
fn a_checkpoint_of_a_whole_training_run_is_read_past_its_optimiser_and_loops() {
    let checkpoint = LightningCheckpoint::from_bytes(IMPORTED).expect("a checkpoint");
    assert_eq!(checkpoint.state_dict.len(), 292);
    assert_eq!(checkpoint.epoch, Some(11));
    assert_eq!(checkpoint.hyper_parameters["mol_dim"], 306);
    let input = checkpoint.state_dict.get("mol_enc.in_proj.weight").expect("the first layer");
    assert_eq!(input.shape(), [48, 306]);
    assert!(input.data().iter().all(|value| value.is_finite() && value.abs() < 1.0));
}

#[test]
fn safetensors_and_json_say_the_same() {
    let json = br#"{"mol_dim": 24, "activation": "GELU"}"#;
    let checkpoint = LightningCheckpoint::from_safetensors(SMALL_GELU_WEIGHTS, json).expect("both files");
    let same = LightningCheckpoint::from_bytes(SMALL_GELU).expect("a checkpoint").state_dict;
    assert!(checkpoint.state_dict == same, "the tensors differ");
    assert_eq!(json!(checkpoint.hyper_parameters), json!({ "mol_dim": 24, "activation": "GELU" }));
}

#[test]
fn hyper_parameters_must_be_a_json_object() {
    assert!(matches!(hyper_parameters_from_json(b"[1, 2]"), Err(CheckpointError::Json(_))));
    assert!(matches!(hyper_parameters_from_json(b"{\"a\": "), Err(CheckpointError::Json(_))));
}

// Checkpoints written here.

/// A pickle of a tuple.
fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), elements.concat(), b"t".to_vec()].concat()
}

fn int(value: i32) -> Vec<u8> {
    [b"J".to_vec(), value.to_le_bytes().to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [b"X".to_vec(), (text.len() as u32).to_le_bytes().to_vec(), text.as_bytes().to_vec()].concat()
}

fn call(module: &str, name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    [format!("c{module}\n{name}\n").into_bytes(), tuple(arguments), b"R".to_vec()].concat()
}

fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(name, value)| [text(name), value.clone()]).collect::<Vec<_>>();
    [b"}(".to_vec(), entries.concat(), b"u".to_vec()].concat()
}

/// A view of storage 0.
fn tensor(storage: &str, length: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let key =
        [text("storage"), format!("ctorch\n{storage}\n").into_bytes(), text("0"), text("cpu"), int(length)];
    let ints = |values: &[i32]| tuple(&values.iter().map(|&value| int(value)).collect::<Vec<_>>());
    let hooks = call("collections", "OrderedDict", &[]);
    let arguments =
        [[tuple(&key), b"Q".to_vec()].concat(), int(offset), ints(shape), ints(strides), vec![0x89], hooks];
    call("torch._utils", "_rebuild_tensor_v2", &arguments)
}

fn checkpoint_pickle(weight: Vec<u8>) -> Vec<u8> {
    let state_dict = dictionary(&[("weight", weight)]);
    let entries = [("state_dict", state_dict), ("hyper_parameters", dictionary(&[("width", int(3))]))];
    [b"\x80\x02".to_vec(), dictionary(&entries), b".".to_vec()].concat()
}

fn zip_of(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).expect("starts");
        zip.write_all(bytes).expect("writes");
    }
    zip.finish().expect("finishes").into_inner()
}

fn read(pickle: &[u8], storage: &[u8]) -> Result<LightningCheckpoint, CheckpointError> {
    let entries = [("archive/data.pkl", pickle), ("archive/data/0", storage)];
    LightningCheckpoint::from_bytes(&zip_of(&entries, CompressionMethod::Stored))
}

fn read_weight(weight: Vec<u8>, storage: &[u8]) -> Result<HostTensor, CheckpointError> {
    let checkpoint = read(&checkpoint_pickle(weight), storage)?;
    Ok(checkpoint.state_dict.get("weight").expect("the only tensor").clone())
}

fn tensor_error(weight: Vec<u8>, storage: &[u8]) -> TensorError {
    match read_weight(weight, storage) {
        Err(CheckpointError::Tensor { name, reason }) if name == "weight" => reason,
        other => panic!("{other:?}"),
    }
}

/// The pickle of a real checkpoint.
fn imported_pickle() -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(IMPORTED)).expect("a zip file");
    let mut pickle = Vec::new();
    zip.by_name("archive/data.pkl").expect("a pickle").read_to_end(&mut pickle).expect("reads");
    pickle
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn views_follow_offset_and_strides() {
    let storage = floats(&[9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let read = |offset, shape: &[i32], strides: &[i32]| {
        read_weight(tensor("FloatStorage", 7, offset, shape, strides), &storage).expect("a view")
    };
    assert_eq!(read(1, &[2, 3], &[3, 1]), HostTensor::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    assert_eq!(read(1, &[3, 2], &[1, 3]), HostTensor::new([3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    assert_eq!(read(4, &[], &[]), HostTensor::new([], vec![4.0]));
    assert_eq!(read(0, &[0, 5], &[5, 1]), HostTensor::new([0, 5], vec![]));
    assert_eq!(read(2, &[1, 2], &[7, 0]), HostTensor::new([1, 2], vec![2.0, 2.0]));
}

#[test]
fn every_element_type_becomes_float32() {
    let storages: [(&str, Vec<u8>); 8] = [
        ("FloatStorage", floats(&[1.0, 0.0])),
        ("DoubleStorage", [1.0f64, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("HalfStorage", [0x3c00u16, 0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("BFloat16Storage", [0x3f80u16, 0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("LongStorage", [1i64, 0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("IntStorage", [1i32, 0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("ByteStorage", vec![1, 0]),
        ("BoolStorage", vec![1, 0]),
    ];
    for (name, storage) in storages {
        let found = read_weight(tensor(name, 2, 0, &[2], &[1]), &storage).expect(name);
        assert_eq!(found.data(), [1.0, 0.0], "{name}");
    }
}

#[test]
fn a_parameter_is_the_tensor_it_wraps() {
    let wrapped = tensor("FloatStorage", 1, 0, &[1], &[1]);
    let hooks = call("collections", "OrderedDict", &[]);
    let parameter = call("torch._utils", "_rebuild_parameter", &[wrapped, vec![0x88], hooks]);
    assert_eq!(read_weight(parameter, &floats(&[2.5])).expect("a parameter").data(), [2.5]);
}

#[test]
fn unknown_objects_among_the_hyper_parameters_are_inert() {
    let state_dict = call("collections", "OrderedDict", &[]);
    let command = call("os", "system", &[text("exit 1")]);
    let parameters = [("run", command), ("nan", b"G\x7f\xf8\0\0\0\0\0\0".to_vec()), ("on", vec![0x88])];
    let attributes = [call("lightning", "AttributeDict", &[]), b"X\x01\0\0\0kK\x02s".to_vec()].concat();
    let parameters = [&parameters[..], &[("nested", attributes)]].concat();
    let entries = [("state_dict", state_dict), ("hyper_parameters", dictionary(&parameters))];
    let pickle = [dictionary(&entries), b".".to_vec()].concat();
    let checkpoint = read(&pickle, &[]).expect("a checkpoint without tensors");
    let expected = json!({ "run": null, "nan": null, "on": true, "nested": { "k": 2 } });
    assert_eq!(json!(checkpoint.hyper_parameters), expected);
    assert!(checkpoint.state_dict.is_empty());
    assert_eq!(checkpoint.epoch, None);
}

#[test]
fn a_storage_shorter_than_it_should_be_is_an_error() {
    let storage = floats(&[1.0, 2.0, 3.0]);
    let four = tensor("FloatStorage", 4, 0, &[4], &[1]);
    assert_eq!(tensor_error(four, &storage), TensorError::StorageTooShort { expected: 16, found: 12 });
}

#[test]
fn a_view_past_its_storage_is_an_error() {
    let storage = floats(&[1.0, 2.0, 3.0]);
    for (offset, shape, strides) in [(0, [4], [1]), (3, [1], [1]), (0, [2], [3])] {
        let view = tensor("FloatStorage", 3, offset, &shape, &strides);
        assert_eq!(tensor_error(view, &storage), TensorError::OutOfStorage(3));
    }
}

#[test]
fn impossible_layouts_are_errors() {
    let storage = floats(&[1.0]);
    let big = i32::MAX;
    for (shape, strides) in
        [(&[-1][..], &[1][..]), (&[1], &[-1]), (&[1, 1], &[1]), (&[big, big, big], &[1, 1, 1])]
    {
        let view = tensor("FloatStorage", 1, 0, shape, strides);
        assert_eq!(tensor_error(view, &storage), TensorError::Layout, "{shape:?} {strides:?}");
    }
    let broadcast = tensor("FloatStorage", 1, 0, &[big], &[0]);
    assert_eq!(tensor_error(broadcast, &storage), TensorError::TooManyValues);
}

#[test]
fn what_is_not_a_readable_tensor_is_named() {
    assert_eq!(tensor_error(int(1), &[]), TensorError::NotATensor);
    let complex = tensor("ComplexFloatStorage", 1, 0, &[1], &[1]);
    assert_eq!(tensor_error(complex, &[]), TensorError::ElementType("ComplexFloatStorage".into()));
    let weight = tensor("FloatStorage", 1, 0, &[1], &[1]);
    let file = zip_of(&[("a/data.pkl", &checkpoint_pickle(weight))], CompressionMethod::Stored);
    let error = LightningCheckpoint::from_bytes(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor \"weight\" of the checkpoint needs the storage data/0, which is not in the file"
    );
}

#[test]
fn missing_parts_are_named() {
    assert!(matches!(LightningCheckpoint::from_bytes(b"weights"), Err(CheckpointError::NotAZip(_))));
    let file = zip_of(&[("archive/other", b"")], CompressionMethod::Stored);
    assert!(matches!(LightningCheckpoint::from_bytes(&file), Err(CheckpointError::NoPickle)));
    let no_state = [dictionary(&[("hyper_parameters", dictionary(&[]))]), b".".to_vec()].concat();
    assert!(matches!(read(&no_state, &[]), Err(CheckpointError::NoStateDict)));
    let no_parameters = [dictionary(&[("state_dict", dictionary(&[]))]), b".".to_vec()].concat();
    assert!(matches!(read(&no_parameters, &[]), Err(CheckpointError::NoHyperParameters)));
    let parts = [("state_dict", dictionary(&[])), ("hyper_parameters", int(1))];
    let wrong = [dictionary(&parts), b".".to_vec()].concat();
    assert!(matches!(read(&wrong, &[]), Err(CheckpointError::HyperParametersType)));
    let parts = [("state_dict", int(1)), ("hyper_parameters", dictionary(&[]))];
    let wrong = [dictionary(&parts), b".".to_vec()].concat();
    assert!(matches!(read(&wrong, &[]), Err(CheckpointError::StateDictType)));
}

#[test]
fn an_instruction_that_torch_does_not_write_is_an_error() {
    let error = read(b"\x80\x02}(i", &[]).unwrap_err();
    assert!(matches!(error, CheckpointError::Pickle(PickleError::Opcode { opcode: b'i', at: 4 })), "{error}");
}

#[test]
fn lists_that_repeat_each_other_are_not_unfolded_without_end() {
    // A pair of a pair of a pair …: 2^30 values in 61 bytes.
    let pairs = [b"N".to_vec(), b"2\x86".repeat(30)].concat();
    let parts = [("state_dict", dictionary(&[])), ("hyper_parameters", dictionary(&[("bomb", pairs)]))];
    let pickle = [dictionary(&parts), b".".to_vec()].concat();
    assert!(matches!(read(&pickle, &[]), Err(CheckpointError::HyperParametersTooLarge)));
}

#[test]
fn compressed_and_big_endian_files_are_refused() {
    let pickle = checkpoint_pickle(tensor("FloatStorage", 1, 0, &[1], &[1]));
    let entries = [("a/data.pkl", pickle.as_slice()), ("a/data/0", &[0; 4])];
    let file = zip_of(&entries, CompressionMethod::Deflated);
    assert!(matches!(LightningCheckpoint::from_bytes(&file), Err(CheckpointError::Compressed(_))));
    let entries = [entries[0], entries[1], ("a/byteorder", b"big")];
    let file = zip_of(&entries, CompressionMethod::Stored);
    let error = LightningCheckpoint::from_bytes(&file).unwrap_err();
    assert!(matches!(error, CheckpointError::ByteOrder(order) if order == "big"));
}

#[test]
fn damaged_weights_are_noticed() {
    let mut file = SMALL_GELU.to_vec();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    assert!(matches!(LightningCheckpoint::from_bytes(&file), Err(CheckpointError::Entry { .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        from_the_end: bool,
        keep in any::<prop::sample::Index>(),
    ) {
        // The zip directory, which steers the reader, is the last 40 kB.
        let mut file = IMPORTED.to_vec();
        let start = if from_the_end { file.len() - 40_000 } else { 0 };
        for (position, byte) in &edits {
            let position = start + position.index(file.len() - start);
            file[position] = *byte;
        }
        let _ = LightningCheckpoint::from_bytes(&file);
        file.truncate(keep.index(file.len()));
        prop_assert!(LightningCheckpoint::from_bytes(&file).is_err());
    }

    #[test]
    fn no_pickle_makes_the_reader_panic_or_find_more_values_than_bytes(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        of_a_training_run: bool,
    ) {
        let mut pickle = match of_a_training_run {
            true => imported_pickle(),
            false => checkpoint_pickle(tensor("FloatStorage", 6, 0, &[2, 3], &[3, 1])),
        };
        for (position, byte) in edits {
            let position = position.index(pickle.len());
            pickle[position] = byte;
        }
        let entries = [("a/data.pkl", pickle.as_slice()), ("a/data/0", &[0; 128])];
        let file = zip_of(&entries, CompressionMethod::Stored);
        if let Ok(checkpoint) = LightningCheckpoint::from_bytes(&file) {
            let values: usize = checkpoint.state_dict.iter().map(|(_, tensor)| tensor.data().len()).sum();
            prop_assert!(values <= file.len());
        }
    }
}
