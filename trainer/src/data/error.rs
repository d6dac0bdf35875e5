//! Why input tables cannot be used.

use std::path::PathBuf;

use shared_model::schema::SchemaError;

use super::table::Place;

/// Why input tables cannot be used: one sentence that names the file, the place and the way out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DataError {
    /// Neither labels nor 2D features.
    #[error("no table names the molecules: give a label table or a 2D feature table")]
    NoMoleculeTable,
    /// No file of that name.
    #[error("{path}: there is no such file", path = path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A directory or another thing that is not a file.
    #[error("{path} is a folder or device, not a file: give the path of a CSV, CSV.gz or Parquet table", path = path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refuses to read the file.
    #[error("{path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A gzip file that ends early or is damaged.
    #[error("{path}: the gzip file is truncated or damaged ({reason}): write or copy it again", path = path.display())]
    DamagedGzip {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// A Parquet file that ends early, is damaged, or uses a compression that is not built in.
    #[error("{path}: the Parquet file is truncated, damaged or of an unknown kind ({reason}): write or copy it again", path = path.display())]
    DamagedParquet {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// A file without even a header.
    #[error("{path} is empty: it must have a header line with column names", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A table with a header and nothing below.
    #[error("{path} has column names but no rows", path = path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A table that was written to between the two times it is read.
    #[error("{path} changed while it was being read: start again when nothing writes to it", path = path.display())]
    ChangedWhileRead {
        /// The file.
        path: PathBuf,
    },
    /// A column without a name, as an unnamed row index leaves behind.
    #[error("{path}: column {position} has no name: name it, or write the table without its row index", path = path.display())]
    UnnamedColumn {
        /// The file.
        path: PathBuf,
        /// Position of the column, counted from 1.
        position: usize,
    },
    /// Two columns of one name.
    #[error("{path} has two columns named {column:?}: keep one of them", path = path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// A column that the schema asks for.
    #[error(
        "{path} has no column {column:?} ({role}); it has {found}: add it, or name the right one in the task schema",
        path = path.display()
    )]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        column: String,
        /// What the column is needed for.
        role: &'static str,
        /// The columns that the file has, in short.
        found: String,
    },
    /// A Parquet column of a type that is neither number, boolean nor text.
    #[error("{path}: the column {column:?} has the type {kind}: store it as numbers, booleans or text", path = path.display())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type, in Parquet's words.
        kind: String,
    },
    /// A CSV row with more or fewer fields than the header.
    #[error("{path}, line {line}: {found} fields where the header has {expected}: correct that row", path = path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Line of the row; the header is line 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// An odd number of quotation marks: one field swallowed the lines behind it.
    #[error("{path} has an odd number of quotation marks (\"): close the quoted field that is left open", path = path.display())]
    OpenQuote {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are not UTF-8.
    #[error("{path}, {place}, column {column}: the text is not UTF-8: save the table in that encoding", path = path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The column: its name in quotes, or its number if the name is what cannot be read.
        column: String,
    },
    /// A row without an identifier.
    #[error("{path}, {place}: the key column {column:?} is empty: give the row an identifier or remove it", path = path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The key column.
        column: String,
    },
    /// Text where a number must be.
    #[error("{path}, {place}, column {column:?}: {value:?} is not a number", path = path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// A NaN or empty feature.
    #[error("{path}, {place}, column {column:?}: the feature is missing or NaN: impute it, or remove the row or column", path = path.display())]
    MissingFeature {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The column.
        column: String,
    },
    /// A number that is infinite, or becomes so as float32.
    #[error("{path}, {place}, column {column:?}: {value} is not finite as a 32-bit number", path = path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What stands there.
        value: f64,
    },
    /// A fold that is not a whole number of at least 0.
    #[error("{path}, {place}, column {column:?}: the fold {value:?} is not a whole number of at least 0", path = path.display())]
    BadFold {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The fold column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// Two rows for one molecule.
    #[error("{path}: the molecule {id:?} stands on {first} and again on {second}: keep one row a molecule", path = path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The molecule.
        id: String,
        /// Its first row.
        first: Place,
        /// Its second row.
        second: Place,
    },
    /// Molecules without 2D features.
    #[error("{path} has no row for {count} of the molecules, such as {examples}: add their features, or remove them from the labels", path = path.display())]
    MissingFrom2d {
        /// The 2D table.
        path: PathBuf,
        /// Number of such molecules.
        count: usize,
        /// The first of them.
        examples: String,
    },
    /// Not one molecule has a conformer.
    #[error(
        "none of the {molecules} molecules, such as {examples}, has a usable conformer in {tables}: the identifiers of the tables must match"
    )]
    NoInstances {
        /// Number of molecules looked for.
        molecules: usize,
        /// The first of them.
        examples: String,
        /// The 3D tables.
        tables: String,
    },
    /// A feature table of key columns only.
    #[error("{path} has no feature columns besides its keys and the ignored columns", path = path.display())]
    NoFeatures {
        /// The file.
        path: PathBuf,
    },
    /// A label, weight, target or fold that would be read as a feature.
    #[error("{path}: the label table's column {column:?} stands among the features: remove it, or list it among the ignored columns of the task schema", path = path.display())]
    LabelAmongFeatures {
        /// The feature table.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// One feature name in both 3D tables.
    #[error("the feature {column:?} stands in both {geometry} and {quantum}: rename or remove one", geometry = geometry.display(), quantum = quantum.display())]
    FeatureInBothTables {
        /// The feature.
        column: String,
        /// The geometry table.
        geometry: PathBuf,
        /// The quantum table.
        quantum: PathBuf,
    },
    /// Other features than those a model was trained on.
    #[error(
        "the {input} features are not the model's: it has {expected} and the tables {found}{difference}: prepare the tables as for training"
    )]
    OtherFeatures {
        /// `2D` or `3D`.
        input: &'static str,
        /// Number of features the model was trained on.
        expected: usize,
        /// Number of features of the tables.
        found: usize,
        /// The first missing and additional ones, or that the order differs.
        difference: String,
    },
    /// More numbers than this machine can hold.
    #[error("{rows} rows of {columns} features need more memory than there is")]
    TooLarge {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// A split that no molecule belongs to.
    #[error("no molecule belongs to the split {split:?}; there are {known}")]
    UnknownSplit {
        /// The split asked for.
        split: String,
        /// The splits that exist.
        known: String,
    },
    /// An empty list of splits.
    #[error("no split is asked for: name at least one, such as \"train\"")]
    NoSplitNamed,
    /// A fold that no training molecule belongs to.
    #[error("no training molecule belongs to fold {fold}; there are {known}")]
    UnknownFold {
        /// The fold asked for.
        fold: u32,
        /// The folds that exist.
        known: String,
    },
    /// A fold that holds all training molecules.
    #[error(
        "all training molecules belong to fold {fold}, which leaves none to train on: number at least two folds"
    )]
    OnlyFold {
        /// The fold.
        fold: u32,
    },
    /// A task schema that is not TOML of the expected form.
    #[error("{path}: the task schema cannot be read: {reason}", path = path.display())]
    SchemaSyntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        reason: String,
    },
    /// A task schema of the right form that breaks a rule.
    #[error("{path}: {error}", path = path.display())]
    SchemaRule {
        /// The file.
        path: PathBuf,
        /// The rule.
        error: SchemaError,
    },
    /// A task schema, not from a file, that breaks a rule.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The content of a cell for a message: what a misplaced quotation mark makes of a table can be long.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// `"a", "b", "c" and 12 more`, or `none`.
pub(super) fn first_few<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return "none".into();
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{:?}", name.as_ref())).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
