//! Every number of an explanation against its definition: each subset of the conformers predicted by itself.

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared_model::bags::{Bags, Matrix};
use shared_model::config::ModelConfig;
use shared_model::ensemble::Estimate;
use shared_model::explain::{Explaining, Subset, TaskExplanation, explain};
use shared_model::network::{BagBatch, Model};
use shared_model::predict::{PredictError, predict};
use shared_model::state_dict::{HostTensor, StateDict};

const F2: usize = 3;
const F3: usize = 4;
const TASKS: usize = 3;

fn config(aggregator: Value) -> ModelConfig {
    serde_json::from_value(json!({
        "mol_dim": F2, "inst_dim": F3, "n_tasks": TASKS, "n_absorbance": 1, "n_fluorescence": 1,
        "n_bitmask_groups": 2, "aggregator_kwargs": aggregator, "mol_hidden": 8, "mol_layers": 1,
        "mol_dropout": 0.1, "inst_hidden": 8, "inst_layers": 2, "inst_dropout": 0.1, "proj_dim": 8, "attn_heads": 2,
        "attn_dropout": 0.1, "mixer_hidden": 8, "mixer_layers": 1, "mixer_dropout": 0.1, "activation": "GELU",
        "head_num_layers": 1, "head_dropout": 0.1, "head_stochastic_depth": 0.1, "head_fc2_gain_non_last": 0.01
    }))
    .expect("a complete configuration")
}

/// A model whose conformers matter: an untrained one says nearly the same of everything.
fn model(config: &ModelConfig, seed: u64) -> Model<Flex> {
    let device = Default::default();
    let untrained = Model::<Flex>::initialise(config, seed, &device).expect("valid").state_dict();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut state = StateDict::default();
    for (name, tensor) in untrained.iter() {
        let data = tensor.data().iter().map(|value| value + random.random_range(-0.6f32..0.6)).collect();
        state.insert(name, HostTensor::new(tensor.shape(), data));
    }
    Model::from_state(config, &state, &device).expect("the same tensors")
}

fn plain(seed: u64) -> Model<Flex> {
    model(&config(json!({})), seed)
}

/// Molecules with so many conformers each.
fn bags(conformers: &[usize]) -> Bags {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut matrix = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|_| random.random_range(-1.5f32..1.5)).collect();
        Matrix::new(rows, columns, values).expect("filled")
    };
    let offsets: Vec<usize> = (0..=conformers.len()).map(|count| conformers[..count].iter().sum()).collect();
    Bags::new(matrix(conformers.len(), F2), matrix(offsets[conformers.len()], F3), offsets).expect("bags")
}

/// A molecule alone, with some of its conformers.
fn alone(bags: &Bags, molecule: usize, conformers: &[usize]) -> Bags {
    let start = bags.instances(molecule).start;
    let rows: Vec<f32> =
        conformers.iter().flat_map(|&conformer| bags.x3d().row(start + conformer)).copied().collect();
    let x2d = Matrix::new(1, F2, bags.x2d().row(molecule).to_vec()).expect("a row");
    let x3d = Matrix::new(conformers.len(), F3, rows).expect("rows");
    Bags::new(x2d, x3d, vec![0, conformers.len()]).expect("a bag")
}

/// The definition: the logits of a molecule that has these conformers and no others.
fn logits(model: &Model<Flex>, bags: &Bags, molecule: usize, conformers: &[usize]) -> Vec<f64> {
    let bags = alone(bags, molecule, conformers);
    let predicted = pollster::block_on(predict(model, &bags, &[0], &Default::default())).expect("fits");
    predicted[0].logits.iter().map(|&logit| f64::from(logit)).collect()
}

fn explained(models: &[Model<Flex>], bags: &Bags, molecule: usize) -> Vec<TaskExplanation> {
    kept(models, bags, molecule, &Subset::all(bags.instances(molecule).len()))
}

fn kept(models: &[Model<Flex>], bags: &Bags, molecule: usize, kept: &Subset) -> Vec<TaskExplanation> {
    pollster::block_on(explain(models, bags, molecule, kept, 0, &Default::default())).expect("fits")
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn near(found: f32, expected: f64, what: &str) {
    assert!((f64::from(found) - expected).abs() <= 2e-5, "{what}: {found}, expected {expected}");
}

/// Mean and sample standard deviation over the members.
fn near_members(found: Estimate, members: &[f64], what: &str) {
    let count = members.len() as f64;
    let mean = members.iter().sum::<f64>() / count;
    near(found.mean, mean, what);
    match found.std {
        None => assert_eq!(members.len(), 1, "{what}"),
        Some(std) => {
            let squares: f64 = members.iter().map(|value| (value - mean).powi(2)).sum();
            near(std, (squares / (count - 1.0)).sqrt(), &format!("spread of {what}"));
        }
    }
}

fn without(count: usize, left_out: usize) -> Vec<usize> {
    (0..count).filter(|&conformer| conformer != left_out).collect()
}

/// All subsets of `size` of `count`, as bits.
fn subsets(count: usize, size: usize) -> Vec<Vec<usize>> {
    (1..1usize << count)
        .filter(|bits| bits.count_ones() as usize == size)
        .map(|bits| (0..count).filter(|bit| bits >> bit & 1 == 1).collect())
        .collect()
}

fn mean_height(curve: &[f64]) -> f64 {
    curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / (curve.len() - 1) as f64
}

/// Everything that is asked of subsets, by its definition, for a molecule of so few conformers that all their subsets
/// can be predicted.
fn assert_as_defined(models: &[Model<Flex>], bags: &Bags, molecule: usize) {
    let count = bags.instances(molecule).len();
    let explanation = explained(models, bags, molecule);
    let all: Vec<usize> = (0..count).collect();
    let ask = |subset: &[usize], task: usize| -> Vec<f64> {
        models.iter().map(|model| logits(model, bags, molecule, subset)[task]).collect()
    };
    let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let probabilities = |logits: &[f64]| logits.iter().map(|&logit| sigmoid(logit)).collect::<Vec<f64>>();
    assert_eq!(explanation.len(), TASKS);
    for (task, explanation) in explanation.iter().enumerate() {
        let whole = ask(&all, task);
        near_members(explanation.probability, &probabilities(&whole), "probability");

        let left_out = explanation.left_out.as_ref().expect("more than one conformer");
        assert_eq!(left_out.len(), count);
        for (conformer, left_out) in left_out.iter().enumerate() {
            let rest = ask(&without(count, conformer), task);
            let (with, rest_probabilities) = (probabilities(&whole), probabilities(&rest));
            near_members(left_out.probability, &rest_probabilities, "left out");
            near_members(left_out.probability_change, &difference(&rest_probabilities, &with), "change");
            near_members(left_out.logit_change, &difference(&rest, &whole), "change of the logit");
        }

        let curves = explanation.curves.as_ref().expect("an order");
        assert_eq!(curves.kept, (1..=count as u32).collect::<Vec<_>>());
        assert!(curves.random_is_exact);
        let mut order = all.clone();
        order.sort_by(|&a, &b| explanation.attention[b].mean.total_cmp(&explanation.attention[a].mean));
        let mut heights: [Vec<Vec<f64>>; 3] = Default::default();
        for size in 1..=count {
            heights[0].push(probabilities(&ask(&order[count - size..], task)));
            heights[1].push(probabilities(&ask(&order[..size], task)));
            let any: Vec<Vec<f64>> =
                subsets(count, size).iter().map(|subset| probabilities(&ask(subset, task))).collect();
            let mean = |member: usize| any.iter().map(|of| of[member]).sum::<f64>() / any.len() as f64;
            heights[2].push((0..models.len()).map(mean).collect());
        }
        let found = [
            (&curves.deletion, curves.areas.deletion, "deletion"),
            (&curves.insertion, curves.areas.insertion, "insertion"),
            (&curves.random, curves.areas.random, "random order"),
        ];
        for ((points, area, what), heights) in found.into_iter().zip(&heights) {
            points.iter().zip(heights).for_each(|(point, heights)| near_members(*point, heights, what));
            let of_member = |member: usize| heights.iter().map(|point| point[member]).collect::<Vec<f64>>();
            let areas: Vec<f64> = (0..models.len()).map(|member| mean_height(&of_member(member))).collect();
            near_members(area, &areas, &format!("area of {what}"));
        }
        assert_eq!(explanation.by_attention(), order);
    }
}

#[test]
fn every_number_of_a_single_model_is_that_of_its_definition() {
    let bags = bags(&[3, 5, 2, 6]);
    let models = [plain(1)];
    for molecule in 0..bags.len() {
        assert_as_defined(&models, &bags, molecule);
    }
}

#[test]
fn of_an_ensemble_they_are_means_with_their_spread() {
    let larger = ModelConfig { mol_hidden: 16, ..config(json!({})) };
    assert_as_defined(&[plain(1), model(&larger, 2), plain(3)], &bags(&[2, 5]), 1);
}

#[test]
fn what_is_told_first_is_all_but_the_curves() {
    let (models, bags) = ([plain(1), plain(2)], bags(&[4]));
    let (all, device) = (Subset::all(4), Default::default());
    let explaining = pollster::block_on(Explaining::start(&models, &bags, 0, &all, &device)).expect("fits");
    let first = explaining.so_far();
    let mut last = pollster::block_on(explaining.finish(0)).expect("fits");
    assert_eq!(last, explained(&models, &bags, 0));
    for task in &mut last {
        assert!(task.curves.take().is_some());
    }
    assert_eq!(first, last);
}

#[test]
fn it_holds_for_every_way_of_pooling() {
    let bags = bags(&[5]);
    for options in [
        json!({ "topk_n": 2 }),
        json!({ "topk_n": 1 }),
        json!({ "topk_n": 3, "topk_strategy": "mean" }),
        json!({ "topk_n": 2, "topk_strategy": "sum", "residual_pooling": true }),
        json!({ "prune_below": 0.2, "topk_n": 2, "topk_strategy": "argmax" }),
        json!({ "residual_pooling": true, "pool_from": "attn_out" }),
        json!({ "pool_v_mode": "linear", "pool_from": "inputs" }),
    ] {
        println!("{options}");
        assert_as_defined(&[model(&config(options), 5)], &bags, 0);
    }
}

#[test]
fn attention_and_its_effective_number_are_those_of_the_prediction() {
    let bags = bags(&[4, 6]);
    let models = [plain(1), plain(2)];
    let predicted: Vec<_> = models
        .iter()
        .map(|model| pollster::block_on(predict(model, &bags, &[1], &Default::default())).expect("fits"))
        .collect();
    for (task, explanation) in explained(&models, &bags, 1).iter().enumerate() {
        for (conformer, weight) in explanation.attention.iter().enumerate() {
            let members: Vec<f64> = predicted
                .iter()
                .map(|predicted| f64::from(predicted[0].attention[task * 6 + conformer]))
                .collect();
            near_members(*weight, &members, "attention");
        }
        let entropy: f64 = explanation.attention.iter().map(|w| f64::from(w.mean)).map(|w| -w * w.ln()).sum();
        near(explanation.effective_conformers, entropy.exp(), "effective number");
        assert!((1.0..=6.0).contains(&explanation.effective_conformers));
    }
}

#[test]
fn uniform_attention_is_the_same_network_with_that_option() {
    let bags = bags(&[5]);
    for options in [json!({}), json!({ "residual_pooling": true }), json!({ "pool_from": "attn_out" })] {
        let attentive = model(&config(options.clone()), 4);
        let mut uniform = options.clone();
        uniform["uniform_attention"] = json!(true);
        let state = attentive.state_dict();
        let uniform = Model::from_state(&config(uniform), &state, &Default::default()).expect("same tensors");
        let expected = logits(&uniform, &bags, 0, &[0, 1, 2, 3, 4]);
        // Selecting among equal weights would be arbitrary.
        let mut selecting = options;
        selecting["topk_n"] = json!(1);
        selecting["prune_below"] = json!(0.5);
        let selecting = Model::from_state(&config(selecting), &state, &Default::default()).expect("same");
        for model in [attentive, selecting] {
            for (explanation, &logit) in explained(&[model], &bags, 0).iter().zip(&expected) {
                near(explanation.uniform_probability.mean, sigmoid(logit), "uniform attention");
            }
        }
    }
}

#[test]
fn agreement_is_the_rank_correlation_of_attention_and_the_size_of_the_effect() {
    let bags = bags(&[6, 5]);
    for molecule in 0..2 {
        for explanation in explained(&[plain(8)], &bags, molecule) {
            let count = explanation.attention.len();
            let place = |order: Vec<usize>| {
                let mut places = vec![0; count];
                order.iter().enumerate().for_each(|(place, &conformer)| places[conformer] = place);
                places
            };
            let attention = place(explanation.by_attention());
            let effect = place(explanation.by_effect().expect("several"));
            let squares: usize = attention.iter().zip(&effect).map(|(a, b)| a.abs_diff(*b).pow(2)).sum();
            let n = count as f64;
            let expected = 1.0 - 6.0 * squares as f64 / (n * (n * n - 1.0));
            near(explanation.agreement.expect("ordered"), expected, "Spearman's formula without ties");
        }
    }
}

#[test]
fn of_one_conformer_nothing_can_be_left_out() {
    let bags = bags(&[1, 3]);
    for explanation in explained(&[plain(1)], &bags, 0) {
        assert_eq!(explanation.left_out, None);
        assert_eq!(explanation.curves, None);
        assert_eq!(explanation.agreement, None);
        assert_eq!(explanation.by_effect(), None);
        assert_eq!(explanation.effective_conformers, 1.0);
        assert_eq!(explanation.attention, [Estimate { mean: 1.0, std: None }]);
        near(explanation.uniform_probability.mean, explanation.probability.mean.into(), "one way to attend");
    }
}

/// One molecule whose conformers are those of another, in this order, maybe more than once.
fn arranged(bags: &Bags, molecule: usize, order: &[usize]) -> Bags {
    alone(bags, molecule, order)
}

#[test]
fn copies_of_one_conformer_leave_nothing_to_explain() {
    let copies = arranged(&bags(&[3]), 0, &[1; 5]);
    for explanation in explained(&[plain(2)], &copies, 0) {
        near(explanation.effective_conformers, 5.0, "all weigh the same");
        assert_eq!(explanation.agreement, None, "neither side has an order");
        assert_eq!(explanation.curves, None);
        for left_out in explanation.left_out.expect("five") {
            near(left_out.logit_change.mean, 0.0, "a copy stands in for each");
        }
    }
}

#[test]
fn copies_share_attention_and_effect_and_are_taken_in_their_order() {
    let with_copy = arranged(&bags(&[4]), 0, &[0, 1, 2, 1, 3]);
    assert_as_defined(&[plain(3)], &bags(&[4]), 0);
    for explanation in explained(&[plain(3)], &with_copy, 0) {
        let left_out = explanation.left_out.as_ref().expect("five");
        near(left_out[1].logit_change.mean, left_out[3].logit_change.mean.into(), "the same conformer");
        near(explanation.attention[1].mean, explanation.attention[3].mean.into(), "the same conformer");
        let order = explanation.by_attention();
        let place = |conformer| order.iter().position(|&other| other == conformer).expect("in the order");
        assert_eq!(place(3), place(1) + 1);
        assert!(explanation.agreement.is_some());
    }
}

#[test]
fn the_order_of_the_conformers_in_the_table_changes_nothing() {
    let order = [4, 2, 0, 3, 1];
    let bags = bags(&[5]);
    let (before, after) =
        (explained(&[plain(6)], &bags, 0), explained(&[plain(6)], &arranged(&bags, 0, &order), 0));
    for (before, after) in before.iter().zip(&after) {
        let (left_out, moved) = (before.left_out.as_ref(), after.left_out.as_ref());
        for (place, &from) in order.iter().enumerate() {
            near(after.attention[place].mean, before.attention[from].mean.into(), "attention");
            let (from, place) = (left_out.expect("five")[from], moved.expect("five")[place]);
            near(place.logit_change.mean, from.logit_change.mean.into(), "change");
        }
        near(after.agreement.expect("ordered"), before.agreement.expect("ordered").into(), "agreement");
        let (before, after) = (before.curves.as_ref(), after.curves.as_ref());
        let (before, after) = (before.expect("ordered").areas, after.expect("ordered").areas);
        near(after.deletion.mean, before.deletion.mean.into(), "deletion");
        near(after.insertion.mean, before.insertion.mean.into(), "insertion");
        near(after.random.mean, before.random.mean.into(), "random");
    }
}

#[test]
fn conformers_that_are_switched_off_are_as_though_they_had_never_been() {
    let bags = bags(&[2, 6, 3]);
    let models = [plain(1), plain(2)];
    let on = Subset::of(&[true, false, true, true, false, true]).expect("some are on");
    assert_eq!(on.positions(), [0, 2, 3, 5]);
    let found = kept(&models, &bags, 1, &on);
    let expected = explained(&models, &alone(&bags, 1, on.positions()), 0);
    for (found, expected) in found.iter().zip(&expected) {
        near(found.probability.mean, expected.probability.mean.into(), "probability");
        near(found.uniform_probability.mean, expected.uniform_probability.mean.into(), "uniform");
        near(found.agreement.expect("ordered"), expected.agreement.expect("ordered").into(), "agreement");
        assert_eq!(found.attention.len(), 4);
        assert_eq!(found.by_attention(), expected.by_attention());
    }
    assert_eq!(Subset::of(&[false; 3]), None, "there is no prediction of nothing");
}

#[test]
fn a_network_that_sees_no_conformers_says_that_they_do_not_matter() {
    let config = ModelConfig {
        inst_embedder_name: serde_json::from_value(json!("none")).expect("a name"),
        ..config(json!({}))
    };
    for explanation in explained(&[model(&config, 1)], &bags(&[4]), 0) {
        near(explanation.uniform_probability.mean, explanation.probability.mean.into(), "uniform");
        near(explanation.effective_conformers, 4.0, "it attends to none more than to another");
        assert_eq!((explanation.agreement, &explanation.curves), (None, &None));
        assert!(explanation.left_out.expect("four").iter().all(|l| l.logit_change.mean.abs() < 1e-6));
    }
}

/// Logits at a padded width.
fn at_width(model: &Model<Flex>, bags: &Bags, conformers: &[usize], width: usize) -> Vec<f64> {
    let device = Default::default();
    let bags = alone(bags, 0, conformers);
    let mut rows = bags.x3d().data().to_vec();
    rows.resize(width * F3, 0.0);
    let padding: Vec<bool> = (0..width).map(|position| position >= conformers.len()).collect();
    let batch = BagBatch::padded(
        Tensor::from_data(TensorData::new(bags.x2d().data().to_vec(), [1, F2]), &device),
        Tensor::from_data(TensorData::new(rows, [1, width, F3]), &device),
        Tensor::from_data(TensorData::new(padding, [1, width]), &device),
    );
    let logits: Vec<f32> = model.forward(batch).logits.into_data().to_vec().expect("float32");
    logits.into_iter().map(f64::from).collect()
}

#[test]
fn a_model_that_counts_padding_sees_padding_where_a_conformer_was() {
    let bags = bags(&[5]);
    for options in [
        json!({ "count_padding": true, "residual_pooling": true }),
        json!({ "count_padding": true, "topk_n": 5, "topk_strategy": "mean" }),
    ] {
        let model = model(&config(options), 7);
        let whole = at_width(&model, &bags, &[0, 1, 2, 3, 4], 8);
        let mut width_matters = false;
        let explanation = explained(std::slice::from_ref(&model), &bags, 0);
        for (conformer, rest) in (0..5).map(|conformer| (conformer, without(5, conformer))) {
            let padded = at_width(&model, &bags, &rest, 8);
            let alone = logits(&model, &bags, 0, &rest);
            width_matters |= padded.iter().zip(&alone).any(|(a, b)| (a - b).abs() > 1e-3);
            for (task, explanation) in explanation.iter().enumerate() {
                near(explanation.probability.mean, sigmoid(whole[task]), "probability");
                let left_out = explanation.left_out.as_ref().expect("five")[conformer];
                near(left_out.logit_change.mean, padded[task] - whole[task], "change at one width");
            }
        }
        assert!(width_matters, "or this test shows nothing");
    }
}

#[test]
fn random_order_of_many_conformers_is_drawn_and_close_to_the_mean_over_all() {
    let bags = bags(&[9]);
    let model = plain(1);
    let explanation = explained(std::slice::from_ref(&model), &bags, 0);
    for (task, explanation) in explanation.iter().enumerate() {
        let curves = explanation.curves.as_ref().expect("an order");
        assert!(!curves.random_is_exact);
        assert_eq!(curves.kept.len(), 9);
        // These sizes have few subsets: all are taken.
        for size in [1, 8, 9] {
            let all: Vec<f64> = subsets(9, size)
                .iter()
                .map(|subset| sigmoid(logits(&model, &bags, 0, subset)[task]))
                .collect();
            near(curves.random[size - 1].mean, all.iter().sum::<f64>() / all.len() as f64, "mean over all");
        }
        let all: Vec<f64> =
            subsets(9, 4).iter().map(|subset| sigmoid(logits(&model, &bags, 0, subset)[task])).collect();
        let count = all.len() as f64;
        let mean = all.iter().sum::<f64>() / count;
        let std = (all.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / count).sqrt();
        // Sixteen draws: four standard errors are one standard deviation.
        assert!((f64::from(curves.random[3].mean) - mean).abs() <= std + 1e-6, "task {task}");
    }
    assert_eq!(explained(&[model], &bags, 0), explanation, "the same seed draws the same");
}

#[test]
fn a_large_bag_is_explained_in_bounded_steps() {
    let bags = bags(&[150]);
    let model = plain(2);
    let all: Vec<usize> = (0..150).collect();
    let whole = logits(&model, &bags, 0, &all);
    for (task, explanation) in explained(std::slice::from_ref(&model), &bags, 0).iter().enumerate() {
        assert_eq!(explanation.left_out.as_ref().expect("many").len(), 150);
        let rest = logits(&model, &bags, 0, &without(150, 77));
        let left_out = explanation.left_out.as_ref().expect("many")[77];
        near(left_out.logit_change.mean, rest[task] - whole[task], "left out");
        let curves = explanation.curves.as_ref().expect("an order");
        assert_eq!(curves.kept.len(), 33);
        for points in [&curves.deletion, &curves.insertion, &curves.random] {
            near(points[32].mean, sigmoid(whole[task]), "all curves meet in the whole bag");
        }
    }
}

#[test]
fn features_of_another_model_are_an_error() {
    let narrow = ModelConfig { inst_dim: F3 - 1, ..config(json!({})) };
    let models = [plain(1), model(&narrow, 1)];
    let bags = bags(&[2]);
    let device = Default::default();
    let found = |models: &[Model<Flex>], molecule| {
        pollster::block_on(explain(models, &bags, molecule, &Subset::all(2), 0, &device))
            .expect_err("refused")
    };
    assert!(matches!(found(&models, 0), PredictError::FeatureWidth { input: "3D", .. }));
    assert_eq!(found(&models[..1], 5), PredictError::NoSuchMolecule { index: 5, count: 1 });
}
