//! Is attention telling the truth? What a prediction does when conformers are taken away, beside the attention on them.
//!
//! A large attention weight means that a conformer enters what is pooled with a large share, not that the prediction
//! rests on it: other weights may give the same prediction (Jain and Wallace, NAACL 2019). How far a map can be trusted
//! is for each model and molecule to show (Wiegreffe and Pinter, EMNLP 2019). The tests here take conformers away, as
//! instances are from bags in multiple-instance learning (Early, Evers and Ramchurn, ICLR 2022).
//!
//! Every test compares predictions f(S) of subsets S of a bag of N conformers, in which the features of the conformers
//! are on the device once and every subset is a row of a batch; the answers come back in two transfers a model, since the
//! order of attention is known only after the first. Bags with fewer conformers than the model was trained on are not
//! what it knows: a prediction of one or two conformers of ten may be off for that alone.
//!
//! **Models that count padding** (`count_padding` with residual pooling or a top-k mean or sum, as the earlier system's
//! do) predict differently with more padding. Here every subset is as wide as the whole bag when it is predicted alone
//! (the next power of two), and padding takes the place of the conformers that are left out: what changes is the
//! conformers, never the width. The probability of the whole bag is that of [`predict`](crate::predict::predict) for this
//! molecule alone; in a batch with larger bags such a model says something else.
//!
//! **Ensembles.** The prediction of a subset is the mean over the members, and so are changes, curves and areas, with
//! their sample standard deviations. Orders, the effective number and the agreement are those of the mean attention and
//! the mean changes, which are what a person sees.

mod answers;
mod curves;
mod effective_number;
mod random_subsets;
mod rank;
mod subset;

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use self::answers::{Answers, Bag, Whole, sigmoid};
pub use self::curves::{Areas, Curves};
use self::curves::{AttentionOrder, RandomOrder};
pub use self::effective_number::effective_number;
use self::rank::descending;
pub use self::rank::spearman;
pub use self::subset::Subset;
use crate::bags::Bags;
use crate::ensemble::Estimate;
use crate::network::Model;
use crate::predict::{PredictError, check};

/// Attention weights that differ by less are equal.
pub const ATTENTION_RESOLUTION: f64 = 1e-6;
/// Logits that differ by less are equal.
const LOGIT_RESOLUTION: f64 = 1e-5;

/// How one task's prediction for a bag of N conformers hangs on its conformers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskExplanation {
    /// Probability of the task, from all conformers of the bag.
    pub probability: Estimate,
    /// Probability where every conformer has the attention 1 / N, and none is pruned or left out by top-k.
    ///
    /// Close to `probability`: which conformers the task looks at makes no difference here. A difference does not say
    /// that the attention is right, only that it matters; the layers behind it were trained with attention.
    pub uniform_probability: Estimate,
    /// Attention on each conformer `[N]`; sums to 1.
    pub attention: Vec<Estimate>,
    /// What leaving out each conformer does `[N]`; `None` for a bag of one, of which nothing would be left.
    pub left_out: Option<Vec<LeftOut>>,
    /// Over how many conformers the attention is spread: the exponential of its entropy, exp(-Σ w ln w), from 1 to N.
    ///
    /// It counts conformers that are looked at, whether or not they differ: near-duplicates count in full.
    pub effective_conformers: f32,
    /// Spearman's rank correlation, ties included, of attention and the magnitude of the change of the logit: 1, the more
    /// attention the larger the effect; 0, they have nothing to do with each other; negative, the opposite.
    ///
    /// Magnitude, since attention has no sign. `None` where one of the two is the same for all conformers. Of few
    /// conformers it says little: two can only give 1 or -1. Leaving one out underrates conformers that are alike: each
    /// stands in for the other.
    pub agreement: Option<f32>,
    /// Deletion and insertion; `None` for a bag of one, and where all conformers have the same attention, which is no
    /// order.
    pub curves: Option<Curves>,
}

/// What leaving out one conformer does: f(all but it), and its difference to f(all).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Probability without the conformer.
    pub probability: Estimate,
    /// Probability without it, less the probability with it: negative where the conformer speaks for the task.
    pub probability_change: Estimate,
    /// The same for the logit, log(p / (1 - p)), on which effects are comparable where probabilities are close to 0 or 1;
    /// of an ensemble, the mean of the members' changes.
    pub logit_change: Estimate,
}

impl TaskExplanation {
    /// Positions of the conformers in the order of attention, the most first; equal ones in their order.
    pub fn by_attention(&self) -> Vec<usize> {
        let weights = means(&self.attention);
        descending(&weights, ATTENTION_RESOLUTION).unwrap_or_else(|| (0..weights.len()).collect())
    }

    /// Positions of the conformers in the order of the magnitude of their effect on the logit, the largest first; `None`
    /// for a bag of one.
    pub fn by_effect(&self) -> Option<Vec<usize>> {
        let effects = effects(self.left_out.as_ref()?);
        Some(descending(&effects, LOGIT_RESOLUTION).unwrap_or_else(|| (0..effects.len()).collect()))
    }
}

fn effects(left_out: &[LeftOut]) -> Vec<f64> {
    left_out.iter().map(|left_out| f64::from(left_out.logit_change.mean).abs()).collect()
}

/// Explains what one or several models say of a molecule with the conformers that are kept, as though it had no others:
/// one explanation a task.
///
/// The same seed gives the same random order on every device.
///
/// # Errors
/// [`PredictError`] if the features do not fit the models, the molecule is not there or the device fails.
///
/// # Panics
/// Without a model, with models of different tasks, and with a subset of more conformers than the molecule has.
pub async fn explain<B: Backend>(
    models: &[Model<B>],
    bags: &Bags,
    molecule: usize,
    kept: &Subset,
    seed: u64,
    device: &B::Device,
) -> Result<Vec<TaskExplanation>, PredictError> {
    Explaining::start(models, bags, molecule, kept, device).await?.finish(seed).await
}

/// An explanation in the making: everything but the curves, which ask for many more subsets, is there at the start.
pub struct Explaining<'a, B: Backend> {
    models: Vec<Model<B>>,
    bag: Bag<'a>,
    device: &'a B::Device,
    answers: Answers,
    /// Of each member.
    wholes: Vec<Whole>,
    /// Attention [T, N].
    attention: Vec<Estimate>,
    /// The subset without each conformer `[N]`; none for a bag of one.
    without: Option<Vec<usize>>,
}

impl<'a, B: Backend> Explaining<'a, B> {
    /// Asks for the whole bag, with and without attention, and for the bag without each conformer.
    ///
    /// # Errors
    /// As [`explain`].
    ///
    /// # Panics
    /// As [`explain`].
    pub async fn start(
        models: &[Model<B>],
        bags: &'a Bags,
        molecule: usize,
        kept: &'a Subset,
        device: &'a B::Device,
    ) -> Result<Self, PredictError> {
        for model in models {
            check(model, bags, &[molecule])?;
        }
        assert!(kept.fits(bags.instances(molecule)), "a subset of the conformers of the molecule");
        let tasks = models.first().expect("an ensemble has a member").config().n_tasks;
        assert!(models.iter().all(|model| model.config().n_tasks == tasks), "members have the same tasks");
        let models: Vec<Model<B>> = models.iter().map(|model| model.clone().classifier()).collect();
        let bag = Bag::new(bags, molecule, kept);
        let conformers = bag.len();

        let mut answers = Answers::new(models.len(), tasks, conformers);
        let without: Option<Vec<usize>> = (conformers > 1).then(|| {
            let others = |conformer| (0..conformers).filter(|&other| other != conformer).collect();
            (0..conformers).map(|conformer| answers.number(others(conformer))).collect()
        });
        let mut wholes = Vec::with_capacity(models.len());
        for (member, model) in models.iter().enumerate() {
            wholes.push(answers.ask_first(member, model, &bag, device).await?);
        }
        let weight = |member: usize, at: usize| f64::from(wholes[member].attention[at]);
        let attention =
            (0..tasks * conformers).map(|at| answers.estimate(|member| weight(member, at))).collect();
        Ok(Self { models, bag, device, answers, wholes, attention, without })
    }

    /// What is known by now: one explanation a task, without the curves.
    pub fn so_far(&self) -> Vec<TaskExplanation> {
        self.by_task().enumerate().map(|(task, attention)| self.task(task, attention)).collect()
    }

    /// Asks for the curves, with sets of conformers drawn from this seed: the explanations, complete.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn finish(mut self, seed: u64) -> Result<Vec<TaskExplanation>, PredictError> {
        let mut tasks = self.so_far();
        let conformers = self.bag.len();
        if conformers == 1 {
            return Ok(tasks);
        }
        let random = RandomOrder::draw(conformers, seed, &mut self.answers);
        let orders: Vec<Option<Vec<usize>>> =
            self.by_task().map(|weights| descending(&means(weights), ATTENTION_RESOLUTION)).collect();
        let orders: Vec<Option<AttentionOrder>> = orders
            .into_iter()
            .map(|order| Some(AttentionOrder::new(&order?, &random, &mut self.answers)))
            .collect();
        for (member, model) in self.models.iter().enumerate() {
            self.answers.ask_next(member, model, &self.bag, self.device).await?;
        }
        for (task, (explained, order)) in tasks.iter_mut().zip(orders).enumerate() {
            explained.curves = order.map(|order| order.curves(task, &random, &self.answers));
        }
        Ok(tasks)
    }

    /// Attention of each task `[N]`.
    fn by_task(&self) -> impl Iterator<Item = &[Estimate]> {
        self.attention.chunks_exact(self.bag.len())
    }

    fn task(&self, task: usize, attention: &[Estimate]) -> TaskExplanation {
        let answers = &self.answers;
        let uniform = |member: usize| sigmoid(f64::from(self.wholes[member].uniform[task]));
        let left_out: Option<Vec<LeftOut>> = self
            .without
            .as_ref()
            .map(|without| without.iter().map(|&without| left_out(task, without, answers)).collect());
        let weights = means(attention);
        let agreement = left_out
            .as_deref()
            .map(effects)
            .and_then(|effects| spearman((&weights, ATTENTION_RESOLUTION), (&effects, LOGIT_RESOLUTION)));
        TaskExplanation {
            probability: answers.estimate(|member| answers.probability(member, 0, task)),
            uniform_probability: answers.estimate(uniform),
            attention: attention.to_vec(),
            left_out,
            effective_conformers: effective_number(weights) as f32,
            agreement: agreement.map(|correlation| correlation as f32),
            curves: None,
        }
    }
}

fn means(estimates: &[Estimate]) -> Vec<f64> {
    estimates.iter().map(|estimate| f64::from(estimate.mean)).collect()
}

fn left_out(task: usize, without: usize, answers: &Answers) -> LeftOut {
    let probability = |member, subset| answers.probability(member, subset, task);
    let logit = |member, subset| answers.logit(member, subset, task);
    LeftOut {
        probability: answers.estimate(|member| probability(member, without)),
        probability_change: answers.estimate(|member| probability(member, without) - probability(member, 0)),
        logit_change: answers.estimate(|member| logit(member, without) - logit(member, 0)),
    }
}
