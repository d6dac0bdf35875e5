//! Why a checkpoint cannot be read.

use shared_model::state_dict::StateDictError;
use zip::result::ZipError;

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not a zip file, or one whose directory is broken.
    #[error("not a PyTorch checkpoint (a zip file is expected): {0}")]
    NotAZip(#[source] ZipError),
    /// A zip file of something else.
    #[error("not a PyTorch checkpoint: the zip file has no data.pkl")]
    NoPickle,
    /// An entry that cannot be read.
    #[error("the checkpoint's entry \"{name}\" is damaged: {reason}")]
    Entry {
        /// Name of the entry.
        name: String,
        /// What went wrong.
        reason: std::io::Error,
    },
    /// A compressed or encrypted entry; PyTorch writes neither.
    #[error("the checkpoint's entry \"{0}\" is compressed; PyTorch stores entries uncompressed")]
    Compressed(String),
    /// An entry that claims more bytes than there are.
    #[error("the checkpoint's entry \"{name}\" claims {size} bytes, more than the file or its limit allows")]
    EntryTooLarge {
        /// Name of the entry.
        name: String,
        /// The size that it claims.
        size: u64,
    },
    /// Written on a big-endian machine.
    #[error("the checkpoint is in \"{0}\" byte order; only \"little\" can be read")]
    ByteOrder(String),
    /// The pickle cannot be read.
    #[error("the checkpoint's data.pkl cannot be read: {0}")]
    Pickle(#[from] PickleError),
    /// No weights.
    #[error("the checkpoint has no state_dict: it was not saved by PyTorch Lightning")]
    NoStateDict,
    /// No hyper-parameters.
    #[error("the checkpoint has no hyper_parameters: the model did not save them")]
    NoHyperParameters,
    /// Weights in another form.
    #[error("the checkpoint's state_dict is not a dictionary of tensors by name")]
    StateDictType,
    /// A tensor that cannot be read.
    #[error("tensor \"{name}\" of the checkpoint {reason}")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// What went wrong.
        reason: TensorError,
    },
    /// Hyper-parameters in another form.
    #[error("the checkpoint's hyper_parameters are not a dictionary of values by name")]
    HyperParametersType,
    /// Hyper-parameters nested or repeated beyond reason.
    #[error("the checkpoint's hyper_parameters are nested too deeply, or too large")]
    HyperParametersTooLarge,
    /// A JSON file that is not one of hyper-parameters.
    #[error("the hyper-parameters are not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    /// The safetensors file cannot be read.
    #[error(transparent)]
    Safetensors(#[from] StateDictError),
}

/// Why a pickle cannot be read; `at` is the position of the instruction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The bytes end before the pickle does.
    #[error("it ends in the middle of the instruction at byte {at}")]
    Truncated {
        /// Position of the instruction.
        at: usize,
    },
    /// An instruction that `torch.save` does not use.
    #[error("the pickle instruction 0x{opcode:02x} at byte {at} is not supported")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Position of the instruction.
        at: usize,
    },
    /// An instruction that takes more values than there are.
    #[error("the instruction at byte {at} takes a value that is not there")]
    Stack {
        /// Position of the instruction.
        at: usize,
    },
    /// An instruction applied to a value of the wrong kind.
    #[error("the instruction at byte {at} does not fit the value it is applied to")]
    Kind {
        /// Position of the instruction.
        at: usize,
    },
    /// A reference to a value that was not kept.
    #[error("the instruction at byte {at} refers to a value that was not kept")]
    Memo {
        /// Position of the instruction.
        at: usize,
    },
    /// Text that is not UTF-8.
    #[error("the text at byte {at} is not valid UTF-8")]
    Text {
        /// Position of the instruction.
        at: usize,
    },
}

/// Why a tensor of a checkpoint cannot be read; completes the sentence "tensor … of the checkpoint …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// Some other object.
    #[error("is not a dense tensor")]
    NotATensor,
    /// An element type that weights cannot have.
    #[error("has a storage of type {0}; float, double, half, bfloat16, long, int, byte and bool can be read")]
    ElementType(String),
    /// The storage is not in the file.
    #[error("needs the storage data/{0}, which is not in the file")]
    NoStorage(String),
    /// The storage's entry is shorter than the storage.
    #[error("has a storage of {found} bytes where {expected} are needed")]
    StorageTooShort {
        /// Bytes that its number of values takes.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// Shape, offset and strides reach past the storage.
    #[error("reaches past its storage of {0} values")]
    OutOfStorage(usize),
    /// A negative or overflowing shape, offset or stride.
    #[error("has an impossible shape, offset or stride")]
    Layout,
    /// More values than a file of this size can hold.
    #[error("holds more values than a file of this size can")]
    TooManyValues,
}
