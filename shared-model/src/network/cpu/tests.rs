//! The fused layers against the same functions made of Burn's operations.

use std::cell::RefCell;
use std::sync::Arc;

use burn::backend::{Autodiff, Flex};
use burn::tensor::activation::silu;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{GatedBlock, Noise, Places, gated_block, layer_norm, linear, pooled, softmax};

type B = Autodiff<Flex>;

thread_local! {
    // Not the backend's generator, which all tests share: here every test sees its own numbers, the same each time.
    static RANDOM: RefCell<ChaCha8Rng> = RefCell::new(ChaCha8Rng::seed_from_u64(1));
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    let count = shape.iter().product();
    let values: Vec<f32> =
        RANDOM.with_borrow_mut(|random| (0..count).map(|_| random.random_range(-1.0f32..1.0)).collect());
    Tensor::<B, D>::from_data(TensorData::new(values, shape), &Default::default()).require_grad()
}

fn noise(rates: [f64; 3], sample_of_row: Option<Arc<Vec<usize>>>, rows_per_sample: usize) -> Option<Noise> {
    Some(Noise::new(rates, sample_of_row, rows_per_sample, [0x1234_5678, 0x9abc_def0]))
}

/// Asserts that two tensors agree to 1e-5 of the largest value.
fn assert_close<const D: usize>(what: &str, found: Tensor<Flex, D>, expected: Tensor<Flex, D>) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let largest = expected.clone().abs().max().into_scalar().max(1e-3);
    let difference = (found - expected).abs().max().into_scalar();
    assert!(difference <= 1e-5 * largest, "{what}: {difference} of {largest}");
}

fn composed_norm(x: Tensor<B, 3>, gamma: &Tensor<B, 2>, beta: &Tensor<B, 2>) -> Tensor<B, 3> {
    let centred = x.clone() - x.mean_dim(2);
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    centred / (variance + 1e-5).sqrt() * gamma.clone().unsqueeze_dim(1) + beta.clone().unsqueeze_dim(1)
}

#[test]
fn layer_norm_and_its_gradients() {
    // More rows than a piece, and a width that is no multiple of the lanes.
    let (x, gamma, beta) = (random([2 * 70, 37]), random([2, 37]), random([2, 37]));
    let weights = random([2 * 70, 37]).detach();
    let fused = layer_norm(x.clone(), gamma.clone(), beta.clone());
    let composed = composed_norm(x.clone().reshape([2, 70, 37]), &gamma, &beta).reshape([140, 37]);
    assert_close("result", fused.clone().inner(), composed.clone().inner());
    let found = (fused * weights.clone()).sum().backward();
    let expected = (composed * weights).sum().backward();
    assert_close("x", x.grad(&found).expect("tracked"), x.grad(&expected).expect("tracked"));
    for (name, parameter) in [("gamma", gamma), ("beta", beta)] {
        let (found, expected) = (parameter.grad(&found), parameter.grad(&expected));
        assert_close(name, found.expect("tracked"), expected.expect("tracked"));
    }
}

#[test]
fn linear_and_its_gradients() {
    let (x, weight, bias) = (random([3 * 65, 21]), random([3, 21, 10]), random([3, 10]));
    let weights = random([3 * 65, 10]).detach();
    let fused = linear(x.clone(), weight.clone(), bias.clone());
    let composed = x.clone().reshape([3, 65, 21]).matmul(weight.clone()) + bias.clone().unsqueeze_dim(1);
    let composed = composed.reshape([195, 10]);
    assert_close("result", fused.clone().inner(), composed.clone().inner());
    let found = (fused * weights.clone()).sum().backward();
    let expected = (composed * weights).sum().backward();
    assert_close("x", x.grad(&found).expect("tracked"), x.grad(&expected).expect("tracked"));
    assert_close("weight", weight.grad(&found).expect("tracked"), weight.grad(&expected).expect("tracked"));
    assert_close("bias", bias.grad(&found).expect("tracked"), bias.grad(&expected).expect("tracked"));
}

/// More bags than a piece, of one to seven instances that lie in rows one after the other, and a row that stands for all
/// padding: where their positions are, and the row of each position on the device.
fn ragged() -> (Arc<Places>, Vec<bool>, Tensor<B, 1, Int>) {
    const WIDTH: usize = 7;
    let sizes: Vec<usize> = (0..70).map(|bag| 1 + bag * 5 % WIDTH).collect();
    let count: usize = sizes.iter().sum();
    let (mut rows, mut padding) = (vec![count; 70 * WIDTH], vec![true; 70 * WIDTH]);
    let mut next = 0..count;
    for (bag, &size) in sizes.iter().enumerate() {
        for position in bag * WIDTH..bag * WIDTH + size {
            rows[position] = next.next().expect("as many as there are");
            padding[position] = false;
        }
    }
    let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let places = Arc::new(Places::new(padding.clone(), WIDTH, Some(rows)));
    (places, padding, Tensor::from_ints(indices.as_slice(), &Default::default()))
}

#[test]
fn softmax_over_bags_and_its_gradients() {
    let (places, padding, rows) = ragged();
    let count = rows.clone().max().into_scalar() as usize + 1;
    let scores = random([count, 19]) * 20.0;
    let scores = scores.detach().require_grad();
    let weights = random([70, 19, 7]).detach();
    let fused = softmax(scores.clone(), places);
    let padded = Tensor::<B, 2, Bool>::from_data(TensorData::new(padding, [70, 7]), &Default::default());
    let padded = padded.unsqueeze_dim::<3>(1).expand([70, 19, 7]);
    let composed = scores.clone().select(0, rows).reshape([70, 7, 19]).swap_dims(1, 2);
    let composed = burn::tensor::activation::softmax(composed.mask_fill(padded, -1e30), 2);
    assert_close("result", fused.clone().inner(), composed.clone().inner());
    let found = (fused * weights.clone()).sum().backward();
    let expected = (composed * weights).sum().backward();
    assert_close("scores", scores.grad(&found).expect("tracked"), scores.grad(&expected).expect("tracked"));
}

#[test]
fn sums_over_bags_and_their_gradients() {
    let (places, _, indices) = ragged();
    let count = indices.clone().max().into_scalar() as usize + 1;
    // Weights of padding count too.
    let (weights, rows) = (random([70, 3, 7]), random([count, 37]));
    let factors = random([210, 37]).detach();
    let fused = pooled(weights.clone(), rows.clone(), places);
    let composed = weights.clone().matmul(rows.clone().select(0, indices).reshape([70, 7, 37]));
    let composed = composed.reshape([210, 37]);
    assert_close("result", fused.clone().inner(), composed.clone().inner());
    let found = (fused * factors.clone()).sum().backward();
    let expected = (composed * factors).sum().backward();
    assert_close("rows", rows.grad(&found).expect("tracked"), rows.grad(&expected).expect("tracked"));
    assert_close(
        "weights",
        weights.grad(&found).expect("tracked"),
        weights.grad(&expected).expect("tracked"),
    );
}

/// Parameters of G blocks of width 16 and inner width 24.
fn block(groups: usize, gate_first: bool) -> GatedBlock<B> {
    GatedBlock {
        gamma: random([groups, 16]),
        beta: random([groups, 16]),
        weight1: random([groups, 16, 48]),
        bias1: random([groups, 48]),
        weight2: random([groups, 24, 16]),
        bias2: random([groups, 16]),
        scale: random([groups]),
        gate_first,
    }
}

fn copy(block: &GatedBlock<B>) -> GatedBlock<B> {
    GatedBlock {
        gamma: block.gamma.clone(),
        beta: block.beta.clone(),
        weight1: block.weight1.clone(),
        bias1: block.bias1.clone(),
        weight2: block.weight2.clone(),
        bias2: block.bias2.clone(),
        scale: block.scale.clone(),
        gate_first: block.gate_first,
    }
}

/// The block as Burn's operations, with factors in the place of dropout.
fn composed_block(
    x: Tensor<B, 3>,
    block: &GatedBlock<B>,
    inner: Tensor<B, 3>,
    outer: Tensor<B, 3>,
) -> Tensor<B, 3> {
    let h = composed_norm(x.clone(), &block.gamma, &block.beta).matmul(block.weight1.clone())
        + block.bias1.clone().unsqueeze_dim(1);
    let [first, second]: [Tensor<B, 3>; 2] = h.chunk(2, 2).try_into().expect("two halves");
    let (gate, value) = if block.gate_first { (first, second) } else { (second, first) };
    let h = silu(gate) * value * inner;
    let branch = h.matmul(block.weight2.clone()) + block.bias2.clone().unsqueeze_dim(1);
    let [groups] = block.scale.dims();
    x + branch * outer * block.scale.clone().reshape([groups, 1, 1])
}

fn compare_blocks(groups: usize, rows: usize, gate_first: bool, noise: Option<Noise>) {
    let x = random([groups * rows, 16]);
    let block = block(groups, gate_first);
    let weights = random([groups * rows, 16]).detach();
    let factors = |width: usize, factor: &dyn Fn(usize, usize, u32) -> f32| -> Tensor<B, 3> {
        let values: Vec<f32> = (0..groups * rows * width)
            .map(|index| factor(index / width / rows, index / width % rows, index as u32))
            .collect();
        Tensor::from_data(TensorData::new(values, [groups, rows, width]), &Default::default())
    };
    let (inner, outer) = match &noise {
        Some(noise) => (
            factors(24, &|_, _, index| noise.inner().factor(index)),
            factors(16, &|group, row, index| noise.outer().factor(index) * noise.path(group, row)),
        ),
        None => (factors(24, &|_, _, _| 1.0), factors(16, &|_, _, _| 1.0)),
    };
    let fused = gated_block(x.clone(), copy(&block), noise);
    let composed = composed_block(x.clone().reshape([groups, rows, 16]), &block, inner, outer);
    let composed = composed.reshape([groups * rows, 16]);
    assert_close("result", fused.clone().inner(), composed.clone().inner());
    let found = (fused * weights.clone()).sum().backward();
    let expected = (composed * weights).sum().backward();
    assert_close("x", x.grad(&found).expect("tracked"), x.grad(&expected).expect("tracked"));
    macro_rules! check {
        ($($field:ident),*) => {$(
            let pair = (block.$field.grad(&found), block.$field.grad(&expected));
            assert_close(stringify!($field), pair.0.expect("tracked"), pair.1.expect("tracked"));
        )*};
    }
    check!(gamma, beta, weight1, bias1, weight2, bias2, scale);
}

#[test]
fn gated_blocks_and_their_gradients() {
    compare_blocks(1, 150, true, None);
    compare_blocks(3, 66, false, None);
}

#[test]
fn gated_blocks_drop_the_same_forwards_and_backwards() {
    compare_blocks(1, 150, true, noise([0.3, 0.2, 0.4], None, 5));
    compare_blocks(3, 66, false, noise([0.3, 0.0, 0.4], None, 1));
    let of_row = Arc::new((0..150).map(|row| row / 7).collect());
    compare_blocks(1, 150, true, noise([0.3, 0.2, 0.4], Some(of_row), 1));
}

#[test]
fn many_threads_give_the_bits_of_one() {
    // Products and rows beyond the thresholds of both.
    let x = random([1000, 16]);
    let mut block = block(1, true);
    block.weight1 = random([1, 16, 1024]);
    block.bias1 = random([1, 1024]);
    block.weight2 = random([1, 512, 16]);
    let gradients = || {
        let y = gated_block(x.clone(), copy(&block), None);
        let gradients = y.clone().powi_scalar(2).sum().backward();
        (y.into_data(), block.weight1.grad(&gradients).expect("tracked").into_data())
    };
    let many = gradients();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool").install(gradients);
    assert_eq!(many, one);
}

#[test]
fn inputs_that_need_no_gradient_get_none() {
    let x = Tensor::ones([8, 16], &Default::default());
    let block = block(1, true);
    let rows: Tensor<B, 1, Int> = Tensor::arange(0..8, &Default::default());
    let y = gated_block(x.clone().select(0, rows), copy(&block), None);
    let gradients = y.sum().backward();
    assert!(x.grad(&gradients).is_none() && block.weight1.grad(&gradients).is_some());
}
