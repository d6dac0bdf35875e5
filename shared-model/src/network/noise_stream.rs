//! Random numbers of dropout and stochastic depth.
//!
//! Burn's CPU backend has one generator for the whole process: models trained side by side would take each other's
//! numbers, and what they learn would depend on who comes first. Here every thread that trains has its own. A device
//! other than the CPU keeps its one generator.

use std::cell::RefCell;

use burn::tensor::{Distribution, Tensor, TensorData, backend::Backend};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::cpu;

thread_local! {
    static STREAM: RefCell<ChaCha12Rng> = RefCell::new(ChaCha12Rng::seed_from_u64(0));
}

/// Seeds dropout and stochastic depth: on the CPU of the models that this thread trains, elsewhere of the device.
pub fn seed_noise<B: Backend>(device: &B::Device, seed: u64) {
    if cpu::available::<B>() {
        STREAM.set(ChaCha12Rng::seed_from_u64(seed));
    } else {
        B::seed(device, seed);
    }
}

/// Ones with probability `keep`, and zeros.
pub(super) fn kept<B: Backend, const D: usize>(
    shape: [usize; D],
    keep: f64,
    device: &B::Device,
) -> Tensor<B, D> {
    let distribution = Distribution::Bernoulli(keep);
    if cpu::available::<B>() {
        Tensor::from_data(draw(shape, distribution), device)
    } else {
        Tensor::random(shape, distribution, device)
    }
}

/// Four numbers between 0 and 1, of the stream of this thread.
pub(super) fn uniform() -> [f32; 4] {
    let data = draw([4], Distribution::Default);
    data.to_vec().expect("float32").try_into().expect("four numbers")
}

fn draw<const D: usize>(shape: [usize; D], distribution: Distribution) -> TensorData {
    STREAM.with_borrow_mut(|stream| TensorData::random::<f32, _, _>(shape, distribution, stream))
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;

    #[test]
    fn a_thread_draws_its_own_numbers_whatever_the_others_do() {
        let numbers = |disturb: bool| {
            seed_noise::<Flex>(&Default::default(), 3);
            let first = uniform();
            if disturb {
                let other = std::thread::spawn(|| {
                    seed_noise::<Flex>(&Default::default(), 4);
                    uniform()
                });
                assert_ne!(other.join().expect("it ends"), first);
            }
            (first, uniform())
        };
        assert_eq!(numbers(false), numbers(true));
    }
}
