//! Batches of a data set on a device: bags and their targets.

use std::ops::Range;

use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use shared_model::network::{BagBatch, BagStore};

use super::Partition;
use crate::data::{Dataset, Standardiser, TargetScales, Targets as TargetTable};
use crate::labels::LabelMatrix;
use crate::losses::{RegressionTargets, Targets};
use crate::parameters::RunParameters;
use crate::weighting::{BitmaskGroups, bitmask_ids, bitmask_sample_weights};

/// What is needed to make batches of a training and a validation part; everything that is fitted (scales,
/// groups, rarities) is fitted on the training part alone.
#[derive(Debug)]
pub struct Batches<'a> {
    dataset: &'a Dataset,
    partition: Partition<'a>,
    /// Labels of the training rows [M_train, T].
    train_labels: Vec<bool>,
    /// Labels of the validation rows [M_validation, T].
    validation_labels: Vec<bool>,
    /// Factor of each training row's label weights.
    rarity: Vec<f32>,
    /// Scales of the auxiliary targets.
    pub scales: TargetScales,
    /// Bitmask groups, if there is a bitmask loss.
    pub groups: Option<BitmaskGroups>,
    /// Weight of each group.
    group_weights: Vec<f32>,
    /// Most instances of a bag in training.
    max_instances: Option<usize>,
}

impl<'a> Batches<'a> {
    /// Fits what is fitted.
    pub fn prepare(dataset: &'a Dataset, partition: Partition<'a>, parameters: &RunParameters) -> Self {
        let loss = &parameters.loss;
        let tasks = dataset.schema().task_count();
        let train_labels = labels(dataset, partition.train);
        let ids = bitmask_ids(LabelMatrix::new(&train_labels, tasks));
        let rarity = if loss.use_bitmask_loss_weight {
            bitmask_sample_weights(&ids, loss.bitmask_weight_alpha, loss.bitmask_weight_cap)
        } else {
            vec![1.0; ids.len()]
        };
        let groups = (loss.lambda_aux_bitmask > 0.0)
            .then(|| BitmaskGroups::from_training(&ids, loss.bitmask_group_top_k));
        let group_weights = groups.as_ref().map_or_else(Vec::new, |groups| {
            groups.class_weights(&ids, loss.bitmask_group_weight_alpha, loss.bitmask_group_weight_cap)
        });
        Self {
            dataset,
            partition,
            train_labels,
            validation_labels: labels(dataset, partition.validation),
            rarity,
            scales: TargetScales::fit(dataset, partition.train),
            groups,
            group_weights,
            max_instances: Some(parameters.optimisation.max_instances).filter(|&max| max > 0),
        }
    }

    /// The data set that both parts are of.
    pub fn dataset(&self) -> &Dataset {
        self.dataset
    }

    /// Rows of the data set to validate on.
    pub fn validation_rows(&self) -> &[usize] {
        self.partition.validation
    }

    /// Labels of the training molecules [M_train, T].
    pub fn train_labels(&self) -> LabelMatrix<'_> {
        LabelMatrix::new(&self.train_labels, self.dataset.schema().task_count())
    }

    /// Labels of the validation molecules [M_validation, T].
    pub fn validation_labels(&self) -> LabelMatrix<'_> {
        LabelMatrix::new(&self.validation_labels, self.dataset.schema().task_count())
    }

    /// Groups of the bitmask head; 0 without one.
    pub fn group_count(&self) -> usize {
        self.group_weights.len()
    }

    /// A batch of training molecules, given as positions in the training part. Which instances of a large bag are in
    /// it is drawn anew each time.
    pub fn train_batch<B: AutodiffBackend>(
        &self,
        positions: &[usize],
        random: &mut ChaCha8Rng,
        store: &BagStore<B::InnerBackend>,
        device: &B::Device,
    ) -> (BagBatch<B>, Targets<B>) {
        let rows: Vec<usize> = positions.iter().map(|&position| self.partition.train[position]).collect();
        let rarity: Vec<f32> = positions.iter().map(|&position| self.rarity[position]).collect();
        let bags = match self.max_instances {
            None => store.batch(&rows),
            Some(max) => {
                let bags = rows.iter().map(|&row| self.dataset.bags().instances(row));
                let drawn: Vec<Vec<usize>> = bags.map(|bag| draw_instances(bag, max, random)).collect();
                store.batch_of(&rows, &drawn)
            }
        };
        (BagBatch::from_inner(bags), self.targets(&rows, &rarity, device))
    }

    /// A batch of rows of the data set, with their own label weights.
    pub fn evaluation_batch<B: Backend>(
        &self,
        rows: &[usize],
        store: &BagStore<B>,
        device: &B::Device,
    ) -> (BagBatch<B>, Targets<B>) {
        (store.batch(rows), self.targets(rows, &vec![1.0; rows.len()], device))
    }

    fn targets<B: Backend>(&self, rows: &[usize], rarity: &[f32], device: &B::Device) -> Targets<B> {
        let tensor = |values: Vec<f32>| {
            let shape = [rows.len(), values.len() / rows.len()];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        let weights = rows.iter().zip(rarity).flat_map(|(&row, rarity)| {
            self.dataset.weights().row(row).iter().map(move |weight| weight * rarity)
        });
        let regression = |table: &TargetTable, scale: &Standardiser| {
            (table.outputs() > 0).then(|| {
                let cells =
                    || rows.iter().flat_map(|&row| (0..table.outputs()).map(move |output| (row, output)));
                let value =
                    |(row, output)| table.get(row, output).map(|value| scale.standardise(output, value));
                let weight = |(row, output)| match table.get(row, output) {
                    Some(_) => table.weights().row(row)[output],
                    None => 0.0,
                };
                RegressionTargets {
                    values: tensor(cells().map(|cell| value(cell).unwrap_or(0.0)).collect()),
                    weights: tensor(cells().map(weight).collect()),
                }
            })
        };
        let row_labels = labels(self.dataset, rows);
        let bitmask = self.groups.as_ref().map(|groups| {
            let ids = bitmask_ids(LabelMatrix::new(&row_labels, self.dataset.schema().task_count()));
            let mut weights = vec![0.0; rows.len() * groups.class_count()];
            for (row, id) in weights.chunks_exact_mut(groups.class_count()).zip(ids) {
                let group = groups.class_of(id);
                row[group] = self.group_weights[group];
            }
            tensor(weights)
        });
        Targets {
            label_weights: tensor(weights.collect()),
            labels: tensor(row_labels.into_iter().map(|label| f32::from(u8::from(label))).collect()),
            absorbance: regression(self.dataset.absorbance(), &self.scales.absorbance),
            fluorescence: regression(self.dataset.fluorescence(), &self.scales.fluorescence),
            bitmask,
        }
    }
}

/// Labels of some rows, row after row.
pub(super) fn labels(dataset: &Dataset, rows: &[usize]) -> Vec<bool> {
    rows.iter().flat_map(|&row| dataset.labels_of(row)).copied().collect()
}

/// All instances of a bag, or `max` of a larger one, drawn without replacement, in their order.
fn draw_instances(bag: Range<usize>, max: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    if bag.len() <= max {
        return bag.collect();
    }
    let mut drawn: Vec<usize> =
        index::sample(random, bag.len(), max).into_iter().map(|index| bag.start + index).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn large_bags_are_drawn_anew_without_replacement_and_small_ones_stay_whole() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(draw_instances(5..9, 4, &mut random), [5, 6, 7, 8]);
        let mut counts = [0; 10];
        for _ in 0..2000 {
            let drawn = draw_instances(20..30, 3, &mut random);
            assert!(drawn.len() == 3 && drawn.is_sorted_by(|a, b| a < b), "{drawn:?}");
            drawn.iter().for_each(|instance| counts[instance - 20] += 1);
        }
        // 600 expected of each; five standard deviations.
        assert!(counts.iter().all(|count| (500..700).contains(count)), "{counts:?}");
    }
}
