//! The batch sampler: the numbers of the PyTorch system for one fold, and what the specification guarantees
//! for any labels and settings.

mod expected;

use expected::{assert_close, expected, fold1_labels};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use trainer::labels::LabelMatrix;
use trainer::sampling::{BatchSampler, SamplerConfig, SamplingError, TaskQuota, sample_weights};

/// Whether a row counts for a quota.
type Hit<'a> = Box<dyn Fn(usize) -> bool + 'a>;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn is_positive(labels: &LabelMatrix, row: usize) -> bool {
    (0..labels.tasks()).any(|task| labels.is_positive(row, task))
}

fn is_multi(labels: &LabelMatrix, row: usize) -> bool {
    (0..labels.tasks()).filter(|&task| labels.is_positive(row, task)).count() >= 2
}

#[test]
fn weights_and_probabilities_of_fold_1() {
    let expected = expected();
    let labels = fold1_labels(&expected);
    let labels = LabelMatrix::new(&labels, 4);
    let config = SamplerConfig { batch_size: 16, ..SamplerConfig::default() };
    let sampler = BatchSampler::new(labels, &config).expect("valid settings");
    let plan = sampler.plan().expect("both classes are there");
    let expected = &expected["fold1"]["sampler"];
    assert_close(&sample_weights(labels, &config), &expected["sample_weights"]);
    assert_eq!(serde_json::json!(plan.positives()), expected["pos_idx"]);
    assert_eq!(serde_json::json!(plan.negatives()), expected["neg_idx"]);
    assert_close(&plan.positive_probabilities(), &expected["pos_prob"]);
    assert_eq!(serde_json::json!(sampler.batches_per_epoch()), expected["num_batches"]);
}

#[test]
fn weights_of_fold_1_with_the_legacy_threshold() {
    let expected = expected();
    let labels = fold1_labels(&expected);
    let config =
        SamplerConfig { rare_prev_thr: Some(0.12), sample_weight_cap: 5.0, ..SamplerConfig::default() };
    let weights = sample_weights(LabelMatrix::new(&labels, 4), &config);
    assert_close(&weights, &expected["fold1"]["sampler_legacy"]["sample_weights"]);
}

#[test]
fn no_molecule_is_an_error() {
    let sampler = BatchSampler::new(LabelMatrix::new(&[], 4), &SamplerConfig::default());
    assert_eq!(sampler.unwrap_err(), SamplingError::NoMolecules);
}

#[test]
fn positives_are_drawn_in_proportion_to_their_weights() {
    let labels = fold1_labels(&expected());
    let labels = LabelMatrix::new(&labels, 4);
    let config = SamplerConfig { batch_size: 64, enforce_bitmask_quota: false, ..SamplerConfig::default() };
    let sampler = BatchSampler::new(labels, &config).expect("valid settings");
    let plan = sampler.plan().expect("both classes are there");
    let mut rng = rng(7);
    let mut drawn = vec![0usize; labels.molecules()];
    for _ in 0..2000 {
        sampler.epoch(&mut rng).into_iter().flatten().for_each(|row| drawn[row] += 1);
    }
    let total: usize = plan.positives().iter().map(|&row| drawn[row]).sum();
    assert_eq!(total, 2000 * plan.positives_per_batch());
    for (&row, probability) in plan.positives().iter().zip(plan.positive_probabilities()) {
        let frequency = drawn[row] as f64 / total as f64;
        // Four standard deviations of the largest frequency, 0.24.
        assert!((frequency - probability).abs() < 0.008, "row {row}: {frequency} instead of {probability}");
    }
    let uniform = 2000.0 * (64 - plan.positives_per_batch()) as f64 / plan.negatives().len() as f64;
    for &row in plan.negatives() {
        assert!((drawn[row] as f64 / uniform - 1.0).abs() < 0.1, "row {row} was drawn {} times", drawn[row]);
    }
}

#[test]
fn legacy_weighted_sampling_draws_as_many_rows_as_there_are() {
    let mut labels = vec![false; 100];
    labels[3] = true;
    let config =
        SamplerConfig { batch_size: 30, use_balanced_batch_sampler: false, ..SamplerConfig::default() };
    let sampler = BatchSampler::new(LabelMatrix::new(&labels, 1), &config).expect("valid settings");
    let mut rng = rng(1);
    let sizes: Vec<usize> = sampler.epoch(&mut rng).iter().map(Vec::len).collect();
    assert_eq!(sizes, [30, 30, 30, 10]);
    let rare = (0..1000).flat_map(|_| sampler.epoch(&mut rng)).flatten().filter(|&row| row == 3).count();
    // Prevalence 0.01 is 0.9 rare, weight 1 + 6·0.9 = 6.4 of 105.4 in all: 6072 of 100 000 draws.
    assert!((5700..6450).contains(&rare), "the rare positive was drawn {rare} times");
}

#[test]
fn without_positives_or_negatives_rows_are_drawn_uniformly() {
    for label in [false, true] {
        let labels = vec![label; 20];
        let config = SamplerConfig { batch_size: 16, ..SamplerConfig::default() };
        let sampler = BatchSampler::new(LabelMatrix::new(&labels, 2), &config).expect("valid settings");
        assert!(sampler.plan().is_none());
        let mut rng = rng(3);
        let mut drawn = [0usize; 10];
        for _ in 0..1000 {
            let epoch = sampler.epoch(&mut rng);
            assert_eq!(epoch.iter().map(Vec::len).collect::<Vec<_>>(), [16]);
            epoch.into_iter().flatten().for_each(|row| drawn[row] += 1);
        }
        assert!(drawn.iter().all(|count| (1400..1800).contains(count)), "{drawn:?}");
    }
}

/// Labels of 1 to 60 molecules and 1 to 5 tasks, from no positives to many.
fn any_labels() -> impl Strategy<Value = (Vec<bool>, usize)> {
    (1usize..=5, 1usize..=60, 0.0..0.6f64).prop_flat_map(|(tasks, molecules, prevalence)| {
        (prop::collection::vec(prop::bool::weighted(prevalence), tasks * molecules), Just(tasks))
    })
}

fn any_config() -> impl Strategy<Value = SamplerConfig> {
    (
        (1usize..80, 0.0..=1.0f64, 0usize..40),
        (0.0..20.0f64, 0.01..0.5f64, prop::option::of(0.0..0.5f64), 1.0..10.0f64),
        (prop::collection::vec((0usize..5, 0.0..120.0f64), 0..4), 0.0..120.0f64, any::<bool>()),
    )
        .prop_map(
            |((batch_size, fraction, min_pos), (mult, target, threshold, cap), (quotas, multi, enforce))| {
                SamplerConfig {
                    batch_size,
                    use_balanced_batch_sampler: true,
                    batch_pos_fraction: fraction,
                    min_pos_per_batch: min_pos,
                    rare_oversample_mult: mult,
                    rare_target_prev: target,
                    rare_prev_thr: threshold,
                    sample_weight_cap: cap,
                    enforce_bitmask_quota: enforce,
                    quotas: quotas.into_iter().map(|(task, per_256)| TaskQuota { task, per_256 }).collect(),
                    quota_multi_per_256: multi,
                }
            },
        )
}

/// The settings with quotas only for tasks that exist.
fn fitted(mut config: SamplerConfig, tasks: usize) -> SamplerConfig {
    config.quotas.retain(|quota| quota.task < tasks);
    config
}

proptest! {
    #[test]
    fn an_epoch_has_enough_full_batches_of_existing_rows(
        (values, tasks) in any_labels(), config in any_config(), seed: u64,
    ) {
        let labels = LabelMatrix::new(&values, tasks);
        let sampler = BatchSampler::new(labels, &fitted(config.clone(), tasks)).expect("valid settings");
        let epoch = sampler.epoch(&mut rng(seed));
        prop_assert_eq!(epoch.len(), labels.molecules().div_ceil(config.batch_size));
        prop_assert_eq!(epoch.len(), sampler.batches_per_epoch());
        for batch in epoch {
            prop_assert_eq!(batch.len(), config.batch_size);
            prop_assert!(batch.iter().all(|&row| row < labels.molecules()));
        }
    }

    #[test]
    fn every_batch_has_its_share_of_positives_and_both_classes(
        (values, tasks) in any_labels(), config in any_config(), seed: u64,
    ) {
        let labels = LabelMatrix::new(&values, tasks);
        let positives = (0..labels.molecules()).filter(|&row| is_positive(&labels, row)).count();
        prop_assume!(positives > 0 && positives < labels.molecules() && config.batch_size > 1);
        let target = (config.batch_size as f64 * config.batch_pos_fraction).round_ties_even() as usize;
        let share = target.max(config.min_pos_per_batch).clamp(1, config.batch_size - 1);
        let sampler = BatchSampler::new(labels, &fitted(config, tasks)).expect("valid settings");
        for batch in sampler.epoch(&mut rng(seed)) {
            prop_assert_eq!(batch.iter().filter(|&&row| is_positive(&labels, row)).count(), share);
        }
    }

    #[test]
    fn quotas_are_met_in_order_of_priority_as_far_as_the_share_of_positives_goes(
        (values, tasks) in any_labels(), config in any_config(), seed: u64,
    ) {
        let labels = LabelMatrix::new(&values, tasks);
        let config = fitted(SamplerConfig { enforce_bitmask_quota: true, ..config }, tasks);
        let sampler = BatchSampler::new(labels, &config).expect("valid settings");
        prop_assume!(sampler.plan().is_some());
        let mut open = sampler.plan().expect("assumed").positives_per_batch();
        let mut promised: Vec<(usize, Hit)> = Vec::new();
        let wanted = |per_256: f64| {
            let places = (config.batch_size as f64 * per_256 / 256.0).round_ties_even() as usize;
            if per_256 > 0.0 { places.max(1) } else { 0 }
        };
        let multi: Hit = Box::new(move |row| is_multi(&labels, row));
        let single = config.quotas.iter().map(|&TaskQuota { task, per_256 }| {
            let hit: Hit = Box::new(move |row| labels.is_positive(row, task));
            (wanted(per_256), hit)
        });
        for (places, hit) in single.chain([(wanted(config.quota_multi_per_256), multi)]) {
            if (0..labels.molecules()).any(&hit) {
                let places = places.min(open);
                open -= places;
                promised.push((places, hit));
            }
        }
        for batch in sampler.epoch(&mut rng(seed)) {
            for (places, hit) in &promised {
                prop_assert!(batch.iter().filter(|&&row| hit(row)).count() >= *places);
            }
        }
    }

    #[test]
    fn weights_lie_between_one_and_the_cap_and_grow_with_rarity(
        (values, tasks) in any_labels(), config in any_config(),
    ) {
        let labels = LabelMatrix::new(&values, tasks);
        let weights = sample_weights(labels, &config);
        prop_assert!(weights.iter().all(|weight| (1.0..=config.sample_weight_cap).contains(weight)));
        let counts = labels.positives();
        let rarest = |row: usize| {
            (0..tasks).filter(|&task| labels.is_positive(row, task)).map(|task| counts[task]).min()
        };
        for a in 0..labels.molecules() {
            for b in 0..labels.molecules() {
                match (rarest(a), rarest(b)) {
                    (Some(rarer), Some(commoner)) if rarer <= commoner => {
                        prop_assert!(weights[a] >= weights[b]);
                    }
                    (None, _) => prop_assert_eq!(weights[a], 1.0),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn automatic_rarity_has_no_cutoff(positives in 1usize..200) {
        let weight = |positives: usize| {
            let mut values = vec![false; 2000];
            values[..positives].fill(true);
            sample_weights(LabelMatrix::new(&values, 1), &SamplerConfig::default())[0]
        };
        let step = weight(positives) - weight(positives + 1);
        prop_assert!((0.0..=6.0 / 200.0 + 1e-9).contains(&step), "the weight changes by {step}");
    }

    #[test]
    fn the_same_seed_draws_the_same_batches(
        (values, tasks) in any_labels(), config in any_config(), balanced: bool, seed: u64,
    ) {
        let config = SamplerConfig { use_balanced_batch_sampler: balanced, ..fitted(config, tasks) };
        let draw = || {
            let labels = LabelMatrix::new(&values, tasks);
            let sampler = BatchSampler::new(labels, &config).expect("valid settings");
            let mut rng = rng(seed);
            [sampler.epoch(&mut rng), sampler.epoch(&mut rng)]
        };
        prop_assert_eq!(draw(), draw());
    }
}
