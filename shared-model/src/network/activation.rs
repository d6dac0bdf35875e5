//! Activations by name.

use std::f64::consts::SQRT_2;

use burn::tensor::activation::{leaky_relu, log_sigmoid, relu, silu};
use burn::tensor::{Tensor, backend::Backend};

use crate::config::Activation;

/// Applies an activation element by element.
pub(super) fn activate<B: Backend, const D: usize>(x: Tensor<B, D>, activation: Activation) -> Tensor<B, D> {
    match activation {
        // Burn's own has the gradient of the tanh approximation on most devices; this is exact on all.
        Activation::Gelu => x.clone() * ((x / SQRT_2).erf() + 1.0) / 2.0,
        Activation::Silu => silu(x),
        // softplus(x) = -log sigmoid(-x): finite, and with a finite gradient, where exp(x) overflows.
        Activation::Mish => x.clone() * (-log_sigmoid(-x)).tanh(),
        Activation::Relu => relu(x),
        Activation::LeakyRelu => leaky_relu(x, 0.01),
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};

    use super::*;

    const POINTS: [f32; 6] = [-200.0, -2.0, -0.5, 0.5, 2.0, 200.0];

    /// Expects these values and derivatives, from the definitions in float64, at the points.
    fn check(activation: Activation, values: [f32; 6], derivatives: [f32; 6]) {
        let x = Tensor::<Autodiff<Flex>, 1>::from_floats(POINTS, &Default::default()).require_grad();
        let y = activate(x.clone(), activation);
        let derivative = x.grad(&y.clone().sum().backward()).expect("x is tracked");
        let found =
            [y.into_data(), derivative.into_data()].map(|data| data.to_vec::<f32>().expect("float32"));
        for (found, expected) in found.iter().flatten().zip(values.iter().chain(&derivatives)) {
            let close = (found - expected).abs() <= 2e-6 * expected.abs().max(1.0);
            assert!(close, "{activation:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn gelu_is_exact() {
        let values = [0.0, -0.0455003, -0.1542688, 0.3457312, 1.9544997, 200.0];
        let derivatives = [0.0, -0.0852318, 0.1325049, 0.8674951, 1.0852318, 1.0];
        check(Activation::Gelu, values, derivatives);
    }

    #[test]
    fn silu_is_x_times_sigmoid() {
        let values = [0.0, -0.2384058, -0.1887703, 0.3112297, 1.7615942, 200.0];
        let derivatives = [0.0, -0.0907842, 0.2600388, 0.7399612, 1.0907842, 1.0];
        check(Activation::Silu, values, derivatives);
    }

    #[test]
    fn mish_is_finite_where_its_exponential_is_not() {
        let values = [0.0, -0.2525015, -0.2207438, 0.3752452, 1.943959, 200.0];
        let derivatives = [0.0, -0.1083551, 0.2895107, 0.8864244, 1.0693179, 1.0];
        check(Activation::Mish, values, derivatives);
    }

    #[test]
    fn rectifiers_differ_in_their_leak() {
        check(Activation::Relu, [0.0, 0.0, 0.0, 0.5, 2.0, 200.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let values = [-2.0, -0.02, -0.005, 0.5, 2.0, 200.0];
        check(Activation::LeakyRelu, values, [0.01, 0.01, 0.01, 1.0, 1.0, 1.0]);
    }
}
