//! Molecules by split and by cross-validation fold.

use std::collections::BTreeSet;

use super::{
    dataset::Dataset,
    error::{DataError, first_few},
};

/// Name of the split that folds divide.
pub const TRAIN_SPLIT: &str = "train";

/// The molecules of one round of cross-validation, as ascending row indices; neither part is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Training molecules of every other fold, and those without one.
    pub train: Vec<usize>,
    /// Training molecules of this fold.
    pub validation: Vec<usize>,
}

impl Dataset {
    /// Ascending row indices of the molecules of a split.
    ///
    /// # Errors
    /// [`DataError::UnknownSplit`] if there are none, with the splits that exist.
    pub fn split_rows(&self, split: &str) -> Result<Vec<usize>, DataError> {
        let is_in = |&row: &usize| self.splits()[row].as_deref() == Some(split);
        let rows: Vec<usize> = (0..self.len()).filter(is_in).collect();
        if rows.is_empty() {
            let known: BTreeSet<&str> = self.splits().iter().flatten().map(String::as_str).collect();
            let known: Vec<&str> = known.into_iter().collect();
            return Err(DataError::UnknownSplit { split: split.into(), known: first_few(&known) });
        }
        Ok(rows)
    }

    /// Numbers of the folds of the split [`TRAIN_SPLIT`], ascending.
    ///
    /// # Errors
    /// [`DataError::UnknownSplit`] if that split is not in the dataset.
    pub fn fold_numbers(&self) -> Result<Vec<u32>, DataError> {
        let numbers: BTreeSet<u32> =
            self.split_rows(TRAIN_SPLIT)?.into_iter().filter_map(|row| self.folds()[row]).collect();
        Ok(numbers.into_iter().collect())
    }

    /// Divides the split [`TRAIN_SPLIT`] into one fold, to validate on, and the rest, to train on.
    ///
    /// # Errors
    /// [`DataError::UnknownFold`] if no molecule is in that fold, with the folds that exist;
    /// [`DataError::OnlyFold`] if all are; [`DataError::UnknownSplit`] without that split.
    pub fn fold(&self, number: u32) -> Result<Fold, DataError> {
        let (validation, train): (Vec<usize>, Vec<usize>) =
            self.split_rows(TRAIN_SPLIT)?.into_iter().partition(|&row| self.folds()[row] == Some(number));
        if validation.is_empty() {
            let known: Vec<String> = self.fold_numbers()?.iter().map(u32::to_string).collect();
            let known = if known.is_empty() { "no numbered folds".into() } else { known.join(", ") };
            return Err(DataError::UnknownFold { fold: number, known });
        }
        if train.is_empty() {
            return Err(DataError::OnlyFold { fold: number });
        }
        Ok(Fold { train, validation })
    }
}
