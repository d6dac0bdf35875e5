//! Agreement of every option with the PyTorch system, and what it has no numbers for.

use burn::backend::Flex;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor, TensorData};
use burn::{Dispatch, DispatchDevice};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{Positions, TaskAttentionPool, TaskAttentionPoolConfig};
use crate::config::TaskAttentionPoolOptions;
use crate::network::parameters::{GradientCollector, ParameterNames, ParameterSource, StateCollector};
use crate::state_dict::{HostTensor, StateDict};

const FIXTURE: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../trainer/tests/fixtures/model/attention_pool.safetensors"
));
const INDEX: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../trainer/tests/fixtures/model/index.json"));

const BAGS: usize = 6;
const WIDTH: usize = 5;
const TASKS: usize = 4;
const D: usize = 16;

fn options(value: Value) -> TaskAttentionPoolOptions {
    serde_json::from_value(value).expect("known options")
}

fn config(options: TaskAttentionPoolOptions) -> TaskAttentionPoolConfig {
    TaskAttentionPoolConfig { d: D, heads: 4, tasks: TASKS, dropout: 0.0, options }
}

fn initial<B: Backend>(
    options: TaskAttentionPoolOptions,
    device: &B::Device,
) -> (TaskAttentionPool<B>, ParameterNames) {
    let mut source = ParameterSource::<B>::random(ChaCha8Rng::seed_from_u64(7), device);
    let pool = config(options).build("attn_pool", &mut source).expect("builds");
    (pool, source.finish().expect("nothing left over"))
}

/// Tokens [B·N, D] and padding [B, N] of the fixture.
struct Bags {
    tokens: Vec<f32>,
    padding: Vec<bool>,
}

impl Bags {
    fn of_fixture(fixture: &StateDict) -> Self {
        let padding = fixture.get("kpm").expect("padding").data().iter().map(|&value| value == 1.0).collect();
        Self { tokens: fixture.get("tokens").expect("tokens").data().to_vec(), padding }
    }

    fn forward<B: Backend>(&self, pool: &TaskAttentionPool<B>) -> (Tensor<B, 2>, Tensor<B, 3>) {
        let device = pool.q.device();
        let width = if self.padding.len() == BAGS * WIDTH { WIDTH } else { self.padding.len() };
        let shape = [self.padding.len() / width, width];
        let tokens = TensorData::new(self.tokens.clone(), [shape[0] * width, D]);
        let padding = TensorData::new(self.padding.clone(), shape);
        let positions = Positions::padded(Tensor::<B, 2, Bool>::from_data(padding, &device));
        pool.forward(Tensor::from_data(tokens, &device), &positions)
    }

    /// The instances of one bag, without padding.
    fn alone(&self, bag: usize) -> Self {
        let rows: Vec<usize> =
            (bag * WIDTH..(bag + 1) * WIDTH).filter(|&position| !self.padding[position]).collect();
        let tokens = rows.iter().flat_map(|row| self.tokens[row * D..(row + 1) * D].to_vec()).collect();
        Self { tokens, padding: vec![false; rows.len()] }
    }

    /// The positions of every bag in reverse order.
    fn reversed(&self) -> Self {
        let padding = self.padding.chunks_exact(WIDTH).flat_map(|bag| bag.iter().rev().copied()).collect();
        let tokens = self.tokens.chunks_exact(WIDTH * D).flat_map(|bag| bag.chunks_exact(D).rev().flatten());
        Self { tokens: tokens.copied().collect(), padding }
    }

    /// Puts the padding of a bag into another order.
    fn reorder(&mut self, bag: usize, order: [usize; WIDTH]) {
        let start = bag * WIDTH * D;
        let before = self.tokens[start..start + WIDTH * D].to_vec();
        for (to, from) in order.into_iter().enumerate() {
            assert!(to == from || (self.padding[bag * WIDTH + to] && self.padding[bag * WIDTH + from]));
            self.tokens[start + to * D..start + (to + 1) * D]
                .copy_from_slice(&before[from * D..(from + 1) * D]);
        }
    }
}

fn host<B: Backend, const R: usize>(tensor: Tensor<B, R>) -> Vec<f32> {
    tensor.into_data().to_vec().expect("float32")
}

/// Largest difference relative to the largest value expected.
fn deviation(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|value| value.is_finite()));
    let scale = expected.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max) / scale
}

#[test]
fn all_variants_agree_with_pytorch() {
    let fixture = StateDict::from_safetensors(FIXTURE).expect("safetensors");
    let index: Value = serde_json::from_slice(INDEX).expect("index.json");
    let variants = index["attention_pool"]["variants"].as_object().expect("variants");
    assert_eq!(variants.len(), 23);
    for (variant, given) in variants {
        let mut given = given.clone();
        given["count_padding"] = json!(true);
        let mut state = StateDict::default();
        let prefix = format!("{variant}.weights.");
        for (name, tensor) in fixture.iter() {
            if let Some(name) = name.strip_prefix(&prefix) {
                state.insert(format!("attn_pool.{name}"), tensor.clone());
            }
        }
        let device = Default::default();
        let mut source = ParameterSource::<Flex>::state(&state, &device);
        let pool = config(options(given.clone())).build("attn_pool", &mut source).expect("its tensors");
        source.finish().unwrap_or_else(|error| panic!("{variant} {given}: {error}"));

        let mut bags = Bags::of_fixture(&fixture);
        // Equal weights leave open which padding a top-k takes. PyTorch took these positions; here it is the
        // first ones.
        match variant.as_str() {
            "v09" => bags.reorder(1, [0, 2, 1, 3, 4]),
            "v10" => {
                bags.reorder(1, [0, 2, 4, 1, 3]);
                bags.reorder(3, [0, 1, 4, 2, 3]);
            }
            _ => {}
        }
        let (pooled, map) = bags.forward(&pool);
        for (what, found) in [("pooled", host(pooled)), ("attn", host(map))] {
            let expected = fixture.get(&format!("{variant}.{what}")).expect(what);
            let deviation = deviation(&found, expected.data());
            assert!(deviation <= 1e-5, "{variant} {given}: {what} deviates by {deviation:e}");
        }
    }
}

/// Options whose result could depend on padding.
fn options_that_look_at_all_positions() -> impl Iterator<Item = Value> {
    let top_k = ["renorm", "mean", "sum", "argmax"]
        .into_iter()
        .flat_map(|strategy| (1..=4).map(move |k| json!({ "topk_n": k, "topk_strategy": strategy })));
    let residual = [
        json!({ "residual_pooling": true }),
        json!({ "residual_pooling": true, "residual_mix_learnable": false, "residual_pool_from": "inputs" }),
        json!({ "residual_pooling": true, "pool_from": "attn_out" }),
        json!({ "residual_pooling": true, "topk_n": 2, "topk_strategy": "sum", "prune_below": 0.25 }),
        json!({ "prune_below": 0.25, "topk_n": 3, "topk_strategy": "mean" }),
        json!({ "prune_below": 0.99, "topk_n": 2, "topk_strategy": "mean" }),
    ];
    top_k.chain(residual)
}

#[test]
fn without_counting_padding_each_bag_is_pooled_as_if_it_were_alone() {
    let fixture = StateDict::from_safetensors(FIXTURE).expect("safetensors");
    let mut bags = Bags::of_fixture(&fixture);
    // Whatever the padding holds.
    for (row, _) in bags.tokens.chunks_exact_mut(D).zip(&bags.padding).filter(|(_, padded)| **padded) {
        row.copy_from_slice(&std::array::from_fn::<f32, D, _>(|i| 50.0 * (i as f32 - 3.0)));
    }
    // And wherever it is.
    for bags in [bags.reversed(), bags] {
        for given in options_that_look_at_all_positions() {
            assert_pooled_as_if_alone(&bags, &given);
        }
    }
}

fn assert_pooled_as_if_alone(bags: &Bags, given: &Value) {
    let device = Default::default();
    let (pool, _) = initial::<Flex>(options(given.clone()), &device);
    // Alone there is no padding that could count: this is the PyTorch system's own rule.
    let counting = TaskAttentionPoolOptions { count_padding: true, ..options(given.clone()) };
    let (counting, _) = initial::<Flex>(counting, &device);
    let (pooled, map) = bags.forward(&pool);
    let (pooled, map) = (host(pooled), host(map));
    for bag in 0..BAGS {
        let (pooled_alone, map_alone) = bags.alone(bag).forward(&counting);
        let found = &pooled[bag * TASKS * D..(bag + 1) * TASKS * D];
        let deviation = deviation(found, &host(pooled_alone));
        assert!(deviation <= 1e-5, "{given}: bag {bag} deviates by {deviation:e}");
        let mut expected = host(map_alone).into_iter();
        for task in 0..TASKS {
            for position in 0..WIDTH {
                let found = map[(bag * TASKS + task) * WIDTH + position];
                if bags.padding[bag * WIDTH + position] {
                    assert_eq!(found, 0.0, "{given}: weight on padding");
                } else {
                    let expected = expected.next().expect("one weight per instance");
                    assert!((found - expected).abs() <= 1e-6, "{given}: {found}, expected {expected}");
                }
            }
        }
    }
}

#[test]
fn equal_instances_are_taken_in_their_order() {
    let fixture = StateDict::from_safetensors(FIXTURE).expect("safetensors");
    let mut bags = Bags::of_fixture(&fixture).alone(0);
    bags.tokens = bags.tokens[..D].repeat(WIDTH);
    let fixed = |given: Value| {
        let (pool, _) = initial::<Flex>(options(given), &Default::default());
        bags.forward(&pool)
    };
    let (_, map) = fixed(json!({ "prune_below": 0.9 }));
    for row in host(map).chunks_exact(WIDTH) {
        assert_eq!(row, [1.0, 0.0, 0.0, 0.0, 0.0]);
    }
    // Two of five equal instances are exactly two, not all that share the rank.
    let (sum, _) = fixed(json!({ "topk_n": 2, "topk_strategy": "sum" }));
    let (one, _) = fixed(json!({ "topk_n": 1 }));
    assert!(deviation(&host(sum), &host(one * 2.0)) <= 1e-6);
}

/// Gradients on the backend that training uses.
fn gradients_of(given: Value) -> StateDict {
    let fixture = StateDict::from_safetensors(FIXTURE).expect("safetensors");
    let device = DispatchDevice::autodiff(DispatchDevice::Flex(Default::default()));
    let (pool, names) = initial::<Dispatch>(options(given), &device);
    let (pooled, _) = Bags::of_fixture(&fixture).forward(&pool);
    let gradients = (pooled.clone() * pooled).sum().backward();
    let mut collector =
        GradientCollector::<Dispatch> { collector: StateCollector::new(&names), gradients: &gradients };
    burn::module::Module::visit(&pool, &mut collector);
    collector.collector.into_state()
}

#[test]
fn an_option_trains_its_parameters_and_no_others() {
    let norm = |given: Value, name: &str| {
        let state = gradients_of(given);
        let gradient =
            state.get(&format!("attn_pool.{name}")).map_or(vec![], |g: &HostTensor| g.data().to_vec());
        assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
        gradient.iter().map(|value| value * value).sum::<f32>()
    };
    for (given, name) in [
        (json!({ "use_temperature": true }), "log_tau"),
        (json!({ "residual_pooling": true }), "residual_mix"),
        (json!({ "pool_from": "attn_out" }), "mha.out_proj.weight"),
        (json!({ "pool_v_mode": "linear", "pool_v_bias": true }), "pool_v.bias"),
        (json!({ "pool_v_mode": "linear" }), "pool_v.weight"),
    ] {
        assert!(norm(given.clone(), name) > 0.0, "{given} does not reach {name}");
        assert_eq!(norm(json!({}), name), 0.0, "{name} is trained without {given}");
    }
    for given in options_that_look_at_all_positions() {
        assert!(norm(given.clone(), "mha.in_proj_weight") > 0.0, "{given}");
    }
}
