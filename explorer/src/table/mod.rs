//! The molecules as a table, without a browser: its columns and their numbers, which rows are shown in which order, and
//! the same as CSV and as an SD file.

mod column;
mod csv;
mod numbers;
mod rows;
mod sdf;
mod search;

pub use self::column::{Column, Quantity, columns};
pub use self::csv::csv;
pub use self::numbers::Numbers;
pub use self::rows::rows;
pub use self::sdf::SdfTable;
pub use self::search::SearchText;
