//! How much more often a molecule is drawn because a task that it is a positive of is rare.

use crate::labels::LabelMatrix;

use super::SamplerConfig;

/// Rarity of each task, 0 (not rare) to 1, length T.
///
/// `clip((target − prevalence) / target, 0, 1)` with the target `rare_target_prev`, or 1 below the threshold
/// `rare_prev_thr` and 0 from it on where a legacy study has one.
pub fn task_rarity(labels: LabelMatrix, config: &SamplerConfig) -> Vec<f64> {
    let molecules = labels.molecules().max(1) as f64;
    let rarity = |positives: usize| {
        let prevalence = positives as f64 / molecules;
        match config.rare_prev_thr {
            Some(threshold) => f64::from(u8::from(prevalence < threshold)),
            None => ((config.rare_target_prev - prevalence) / config.rare_target_prev).clamp(0.0, 1.0),
        }
    };
    labels.positives().into_iter().map(rarity).collect()
}

/// Weight of each molecule, `clip(1 + rare_oversample_mult · r, 1, sample_weight_cap)` with the rarity r of
/// the rarest task that it is a positive of, length M.
pub fn sample_weights(labels: LabelMatrix, config: &SamplerConfig) -> Vec<f64> {
    let task_rarity = task_rarity(labels, config);
    labels
        .rows()
        .map(|row| {
            let rarity = row
                .zip(&task_rarity)
                .map(|(positive, &rarity)| if positive { rarity } else { 0.0 })
                .fold(0.0, f64::max);
            (1.0 + config.rare_oversample_mult * rarity).max(1.0).min(config.sample_weight_cap)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let molecules = 10_000;
        let mut labels = vec![false; molecules * 4];
        for (task, positives) in [560, 147, 1669, 24].into_iter().enumerate() {
            (0..positives).for_each(|row| labels[row * 4 + task] = true);
        }
        let rarity = task_rarity(LabelMatrix::new(&labels, 4), &SamplerConfig::default());
        for (found, expected) in rarity.into_iter().zip([0.44, 0.853, 0.0, 0.976]) {
            assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
        }
    }

    #[test]
    fn a_molecule_weighs_what_its_rarest_task_does() {
        let mut labels = vec![false; 40];
        labels[1] = true;
        (0..10).for_each(|row| labels[row * 2] = true);
        let config = SamplerConfig { rare_target_prev: 0.1, ..SamplerConfig::default() };
        let weights = sample_weights(LabelMatrix::new(&labels, 2), &config);
        assert!(
            (weights[0] - 4.0).abs() < 1e-12,
            "prevalence 0.05 is half as rare as can be: {}",
            weights[0]
        );
        assert_eq!(weights[1], 1.0);
    }
}
