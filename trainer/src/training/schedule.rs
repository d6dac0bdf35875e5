//! The learning rate of every optimiser step.

use crate::parameters::{LearningRateSchedule, OptimisationParameters};

/// Linear warm-up, then a constant rate or cosine decay (Loshchilov & Hutter 2017) to a floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    lr: f64,
    kind: LearningRateSchedule,
    floor: f64,
    /// Steps of the warm-up, maybe a fraction.
    warmup: f64,
    /// Steps of the whole run.
    total: f64,
}

impl Schedule {
    /// The schedule of a run of at most `max_epochs` epochs of that many optimiser steps.
    pub fn new(parameters: &OptimisationParameters, steps_per_epoch: usize, max_epochs: usize) -> Self {
        Self {
            lr: parameters.lr,
            kind: parameters.lr_schedule,
            floor: parameters.lr_floor,
            warmup: parameters.warmup_epochs * steps_per_epoch as f64,
            total: (steps_per_epoch * max_epochs) as f64,
        }
    }

    /// Learning rate of a step, counted from 1: the last step of the warm-up has the full rate, the last of the run
    /// the floor.
    pub fn lr(&self, step: u64) -> f64 {
        let step = step as f64;
        let factor = if step < self.warmup {
            step / self.warmup
        } else {
            match self.kind {
                LearningRateSchedule::Constant => 1.0,
                LearningRateSchedule::Cosine => {
                    let progress = ((step - self.warmup) / (self.total - self.warmup).max(1.0)).min(1.0);
                    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                    self.floor + (1.0 - self.floor) * cosine
                }
            }
        };
        self.lr * factor
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared_model::schema::TaskSchema;

    use super::*;
    use crate::parameters::RunParameters;

    fn schedule(parameters: serde_json::Value) -> Schedule {
        let run = RunParameters::from_json(&parameters, &TaskSchema::euos25()).expect("valid");
        Schedule::new(&run.optimisation, 10, 5)
    }

    #[test]
    fn the_rate_is_constant_unless_asked_otherwise() {
        let schedule = schedule(json!({ "lr": 0.01 }));
        assert!((1..=80).all(|step| schedule.lr(step) == 0.01));
    }

    #[test]
    fn warm_up_is_linear_and_may_end_within_an_epoch() {
        let schedule = schedule(json!({ "lr": 0.01, "warmup_epochs": 0.25 }));
        let rates = [1, 2, 3, 4].map(|step| schedule.lr(step));
        assert_eq!(rates, [0.01 / 2.5, 0.01 * 2.0 / 2.5, 0.01, 0.01]);
    }

    #[test]
    fn cosine_decay_ends_at_the_floor_and_passes_the_middle_half_way() {
        let schedule =
            schedule(json!({ "lr": 0.01, "warmup_epochs": 1, "lr_schedule": "cosine", "lr_floor": 0.2 }));
        assert_eq!((schedule.lr(5), schedule.lr(10)), (0.005, 0.01));
        assert!((schedule.lr(30) - 0.01 * (0.2 + 0.8 * 0.5)).abs() < 1e-12);
        assert!((schedule.lr(50) - 0.002).abs() < 1e-12);
        assert!((schedule.lr(60) - 0.002).abs() < 1e-12, "never below the floor");
        assert!((11..=50).all(|step| schedule.lr(step) < schedule.lr(step - 1)));
    }
}
