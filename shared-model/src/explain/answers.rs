//! What the models say of subsets of a bag, each subset asked once.

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use super::Subset;
use crate::bags::Bags;
use crate::ensemble::Estimate;
use crate::network::{BagBatch, Model};
use crate::predict::{PredictError, batch_size, padded_width, to_host};

/// The bag that is explained: some conformers of a molecule.
pub(super) struct Bag<'a> {
    bags: &'a Bags,
    molecule: usize,
    kept: &'a [usize],
    /// Padded width of every subset: that at which the whole bag is predicted on its own.
    width: usize,
}

impl<'a> Bag<'a> {
    pub fn new(bags: &'a Bags, molecule: usize, kept: &'a Subset) -> Self {
        let kept = kept.positions();
        Self { bags, molecule, kept, width: padded_width(kept.len()) }
    }

    /// Number of its conformers, N.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    fn batch<B: Backend>(&self, subsets: &[Vec<usize>], size: usize, device: &B::Device) -> BagBatch<B> {
        let instances: Vec<Vec<usize>> =
            subsets.iter().map(|subset| subset.iter().map(|&at| self.kept[at]).collect()).collect();
        let instances: Vec<&[usize]> = instances.iter().map(Vec::as_slice).collect();
        BagBatch::subsets(self.bags, self.molecule, &instances, size, self.width, device)
    }
}

/// Logits of subsets, by the number that each got when it was first asked for.
pub(super) struct Answers {
    tasks: usize,
    numbers: BTreeMap<Vec<usize>, usize>,
    subsets: Vec<Vec<usize>>,
    /// Of each member, subset after subset [S, T].
    logits: Vec<Vec<f32>>,
}

/// What only the whole bag is asked.
pub(super) struct Whole {
    /// Attention [T, N], row-major.
    pub attention: Vec<f32>,
    /// Logits under uniform attention [T].
    pub uniform: Vec<f32>,
}

impl Answers {
    /// The table of so many members; subset number 0 is the whole bag of so many conformers.
    pub fn new(members: usize, tasks: usize, conformers: usize) -> Self {
        let mut answers =
            Self { tasks, numbers: BTreeMap::new(), subsets: Vec::new(), logits: vec![Vec::new(); members] };
        answers.number((0..conformers).collect());
        answers
    }

    /// The number of a subset, ascending positions in the bag; it is asked next time unless it is known.
    pub fn number(&mut self, subset: Vec<usize>) -> usize {
        let next = self.subsets.len();
        *self.numbers.entry(subset).or_insert_with_key(|subset| {
            self.subsets.push(subset.clone());
            next
        })
    }

    /// Asks a member for the subsets that it has not answered yet, and for what only the whole bag is asked. Everything
    /// comes back in one transfer.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn ask_first<B: Backend>(
        &mut self,
        member: usize,
        model: &Model<B>,
        bag: &Bag<'_>,
        device: &B::Device,
    ) -> Result<Whole, PredictError> {
        let uniform = model.clone().with_uniform_attention();
        let uniform = uniform.forward(bag.batch(&self.subsets[..1], 1, device)).logits;
        let (count, tasks, width) = (bag.len(), self.tasks, bag.width);
        let rest = self.ask(member, model, bag, Some(uniform.reshape([tasks])), device).await?;
        let (attention, uniform) = rest.split_at(tasks * width);
        let attention = attention.chunks_exact(width).flat_map(|row| &row[..count]).copied().collect();
        Ok(Whole { attention, uniform: uniform.to_vec() })
    }

    /// Asks a member for the subsets that it has not answered yet; nothing happens if there are none.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn ask_next<B: Backend>(
        &mut self,
        member: usize,
        model: &Model<B>,
        bag: &Bag<'_>,
        device: &B::Device,
    ) -> Result<(), PredictError> {
        self.ask(member, model, bag, None, device).await.map(drop)
    }

    /// Returns what comes behind the logits: with `uniform`, the attention of the first subset and `uniform` itself.
    async fn ask<B: Backend>(
        &mut self,
        member: usize,
        model: &Model<B>,
        bag: &Bag<'_>,
        uniform: Option<Tensor<B, 1>>,
        device: &B::Device,
    ) -> Result<Vec<f32>, PredictError> {
        let tasks = self.tasks;
        let mut left = &self.subsets[self.logits[member].len() / tasks..];
        let (mut outputs, mut filled) = (Vec::new(), Vec::new());
        let mut attention = None;
        while !left.is_empty() {
            let size = batch_size(repeat_n(bag.width, left.len()));
            let (batch, later) = left.split_at(size.min(left.len()));
            left = later;
            let output = model.forward(bag.batch(batch, size, device));
            let answered = output.logits.dims()[0] * tasks;
            filled.push((answered, batch.len() * tasks));
            outputs.push(output.logits.reshape([answered]));
            attention.get_or_insert(output.attention);
        }
        if let Some((attention, uniform)) = attention.zip(uniform) {
            outputs.push(attention.narrow(0, 0, 1).reshape([tasks * bag.width]));
            outputs.push(uniform);
        }
        if outputs.is_empty() {
            return Ok(Vec::new());
        }
        let values = to_host(Tensor::cat(outputs, 0)).await?;
        let mut values = values.as_slice();
        for (size, used) in filled {
            let (batch, rest) = values.split_at(size);
            self.logits[member].extend_from_slice(&batch[..used]);
            values = rest;
        }
        Ok(values.to_vec())
    }

    /// The members.
    pub fn members(&self) -> Range<usize> {
        0..self.logits.len()
    }

    /// What a member says of a subset.
    pub fn logit(&self, member: usize, subset: usize, task: usize) -> f64 {
        f64::from(self.logits[member][subset * self.tasks + task])
    }

    /// The same as a probability.
    pub fn probability(&self, member: usize, subset: usize, task: usize) -> f64 {
        sigmoid(self.logit(member, subset, task))
    }

    /// Mean and spread over the members of something about each.
    pub fn estimate(&self, of_member: impl Fn(usize) -> f64 + Clone) -> Estimate {
        Estimate::over(self.members().map(of_member))
    }
}

pub(super) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}
