//! Which molecules are validated in which fold.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::stratification::stratified_folds;
use super::{CrossValidationError, fold_seed};
use crate::data::{DataError, Dataset, Fold, TRAIN_SPLIT};
use crate::labels::LabelMatrix;
use crate::prediction_table::FoldKey;
use crate::training::Partition;

/// Where the folds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldSource {
    /// The fold column of the label table.
    LabelTable,
    /// Drawn at random, stratified by the labels.
    Random,
}

/// Which molecules choose the epoch of a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochChoice {
    /// Those that are reported, as the earlier system did: the numbers flatter.
    ReportedFold,
    /// A fifth of the fold's training molecules: those that are reported are looked at once, at the end.
    InnerSplit,
}

/// The rounds of a cross-validation, repeat after repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldPlan {
    source: FoldSource,
    epoch_choice: EpochChoice,
    repeats: u32,
    rounds: Vec<Round>,
}

/// One fold to validate on, and the others to train on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Which one it is.
    pub key: FoldKey,
    /// The rows of the data set.
    pub fold: Fold,
    /// Its training rows, parted into those that are trained on and those that choose the epoch.
    pub inner: Option<Fold>,
}

impl Round {
    /// What is trained on, and what chooses the epoch.
    pub fn partition(&self) -> Partition<'_> {
        let fold = self.inner.as_ref().unwrap_or(&self.fold);
        Partition { train: &fold.train, validation: &fold.validation }
    }
}

impl FoldPlan {
    /// Folds a person gets who asks for none.
    pub const DEFAULT_FOLDS: u32 = 5;

    /// One in so many training molecules of a fold is in its inner split.
    const INNER_PARTS: usize = 5;

    /// The folds of the label table; `None` if it numbers none.
    ///
    /// # Errors
    /// [`DataError`] if all training molecules are in one fold, or there are none.
    pub fn from_label_table(dataset: &Dataset) -> Result<Option<Self>, DataError> {
        let numbers = dataset.fold_numbers()?;
        let round = |&fold: &u32| {
            Ok(Round { key: FoldKey { repeat: 0, fold }, fold: dataset.fold(fold)?, inner: None })
        };
        let rounds: Vec<Round> = numbers.iter().map(round).collect::<Result<_, DataError>>()?;
        let (source, epoch_choice) = (FoldSource::LabelTable, EpochChoice::ReportedFold);
        Ok((!rounds.is_empty()).then_some(Self { source, epoch_choice, repeats: 1, rounds }))
    }

    /// Random folds of the training molecules, each with its share of the positives of every task; each repeat deals
    /// them out anew.
    ///
    /// # Errors
    /// If there are fewer than two folds, or more than molecules.
    pub fn stratified(
        dataset: &Dataset,
        folds: u32,
        repeats: u32,
        seed: u64,
    ) -> Result<Self, CrossValidationError> {
        let rows = dataset.split_rows(TRAIN_SPLIT)?;
        if folds < 2 || folds as usize > rows.len() {
            return Err(CrossValidationError::FoldCount { folds, molecules: rows.len() });
        }
        let labels: Vec<bool> = rows.iter().flat_map(|&row| dataset.labels_of(row)).copied().collect();
        let labels = LabelMatrix::new(&labels, dataset.schema().task_count());
        let mut rounds = Vec::new();
        for repeat in 0..repeats {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(u64::from(repeat));
            let fold_of = stratified_folds(labels, folds as usize, &mut random);
            for fold in 0..folds {
                let part = |inside: bool| {
                    let rows = rows.iter().zip(&fold_of).filter(|&(_, &of)| (of == fold) == inside);
                    rows.map(|(&row, _)| row).collect()
                };
                let (train, validation) = (part(false), part(true));
                let (key, fold) = (FoldKey { repeat, fold }, Fold { train, validation });
                rounds.push(Round { key, fold, inner: None });
            }
        }
        Ok(Self { source: FoldSource::Random, epoch_choice: EpochChoice::ReportedFold, repeats, rounds })
    }

    /// The same folds, whose epochs are chosen on a fifth of their training molecules, stratified by the labels.
    pub fn with_inner_splits(mut self, dataset: &Dataset, seed: u64) -> Self {
        self.epoch_choice = EpochChoice::InnerSplit;
        for round in &mut self.rounds {
            let rows = &round.fold.train;
            let labels: Vec<bool> = rows.iter().flat_map(|&row| dataset.labels_of(row)).copied().collect();
            let labels = LabelMatrix::new(&labels, dataset.schema().task_count());
            let mut random = ChaCha8Rng::seed_from_u64(fold_seed(seed, round.key));
            let part_of = stratified_folds(labels, Self::INNER_PARTS, &mut random);
            let part = |chooses: bool| {
                let rows = rows.iter().zip(&part_of).filter(|&(_, &part)| (part == 0) == chooses);
                rows.map(|(&row, _)| row).collect()
            };
            round.inner = Some(Fold { train: part(false), validation: part(true) });
        }
        self
    }

    /// Which molecules choose the epoch of a fold.
    pub fn epoch_choice(&self) -> EpochChoice {
        self.epoch_choice
    }

    /// Where the folds come from.
    pub fn source(&self) -> FoldSource {
        self.source
    }

    /// How often every molecule is validated.
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// Folds of a repeat.
    pub fn folds(&self) -> usize {
        self.rounds.len() / self.repeats as usize
    }

    /// The rounds, repeat after repeat.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// Ascending rows of the molecules that are validated, the same in every repeat.
    pub fn validated_rows(&self) -> Vec<usize> {
        let first = self.rounds.iter().filter(|round| round.key.repeat == 0);
        let mut rows: Vec<usize> = first.flat_map(|round| &round.fold.validation).copied().collect();
        rows.sort_unstable();
        rows
    }

    /// What a person should know about tasks whose positives do not reach every fold.
    pub fn notice(&self, dataset: &Dataset) -> Option<String> {
        let lacks = |task: usize| {
            let has = |&row: &usize| dataset.labels_of(row)[task];
            self.rounds.iter().filter(|round| !round.fold.validation.iter().any(has)).count()
        };
        let tasks = dataset.schema().tasks.iter().enumerate();
        let lacking: Vec<String> = tasks
            .filter(|&(task, _)| lacks(task) > 0)
            .map(|(task, description)| format!("{} in {}", description.name, lacks(task)))
            .collect();
        (!lacking.is_empty()).then(|| {
            format!(
                "of {} folds, some have no positive to rank, which counts as average precision 0 there: {}",
                self.rounds.len(),
                lacking.join(", ")
            )
        })
    }
}
