//! Residual blocks with a gated feed-forward layer.

use burn::tensor::{Tensor, backend::Backend};
use burn_flex::FlexTensor;

use super::elementwise::{Branch, Gate, branch_backward, branch_forward, gate_backward, gate_forward};
use super::layer_norm::{normalise, normalise_backward};
use super::matrix::{Matrix, Threads, multiply, product};
use super::noise::{Mask, Noise};
use super::operation::{Operation, apply, from_primitive, primitive, tensor, values};
use super::rows::{PIECE, each, total};

/// The tensors of G residual blocks of width D and inner width I.
pub(in crate::network) struct GatedBlock<B: Backend> {
    /// Layer normalisation [G, D].
    pub gamma: Tensor<B, 2>,
    /// Layer normalisation [G, D].
    pub beta: Tensor<B, 2>,
    /// [G, D, 2·I]
    pub weight1: Tensor<B, 3>,
    /// [G, 2·I]
    pub bias1: Tensor<B, 2>,
    /// [G, I, D]
    pub weight2: Tensor<B, 3>,
    /// [G, D]
    pub bias2: Tensor<B, 2>,
    /// Factor of the branch `[G]`, tanh applied.
    pub scale: Tensor<B, 1>,
    /// Whether the gate is the first half of the inner layer.
    pub gate_first: bool,
}

/// x + scale · drop(W2 · drop(silu(gate) · value) + b2), gate and value from the normalised x: rows [G·R, D] of G
/// groups, each through its own block. Without noise nothing is dropped.
pub(in crate::network) fn gated_block<B: Backend>(
    x: Tensor<B, 2>,
    block: GatedBlock<B>,
    noise: Option<Noise>,
) -> Tensor<B, 2> {
    let [groups, width, inner] = block.weight1.dims();
    let [rows, _] = x.dims();
    let operation =
        Blocks { groups, rows: rows / groups, width, inner: inner / 2, gate_first: block.gate_first, noise };
    let inputs = [
        primitive(x),
        primitive(block.gamma),
        primitive(block.beta),
        primitive(block.weight1),
        primitive(block.bias1),
        primitive(block.weight2),
        primitive(block.bias2),
        primitive(block.scale),
    ];
    from_primitive(apply::<B, _, 8>(operation, inputs))
}

#[derive(Clone, Debug)]
struct Blocks {
    groups: usize,
    /// Rows of a group, R.
    rows: usize,
    /// D
    width: usize,
    /// I
    inner: usize,
    gate_first: bool,
    noise: Option<Noise>,
}

/// What the backward pass of a group needs.
#[derive(Clone, Debug)]
struct Saved {
    /// Normalised x [R, D].
    normalised: Vec<f32>,
    /// Mean and 1 / standard deviation of x [R, 2].
    statistics: Vec<f32>,
    /// First product, without bias [R, 2·I].
    z: Vec<f32>,
    /// Input of the second product [R, I].
    gated: Vec<f32>,
    /// The branch before its scale [R, D].
    branch: Vec<f32>,
}

/// The parameters of one block.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
    weight1: &'a [f32],
    bias1: &'a [f32],
    weight2: &'a [f32],
    bias2: &'a [f32],
    scale: f32,
}

impl Blocks {
    fn parameters<'a>(&self, inputs: &'a [FlexTensor; 8], group: usize) -> Parameters<'a> {
        let part = |index: usize, size: usize| &values(&inputs[index])[group * size..][..size];
        let (width, inner) = (self.width, self.inner);
        Parameters {
            gamma: part(1, width),
            beta: part(2, width),
            weight1: part(3, width * 2 * inner),
            bias1: part(4, 2 * inner),
            weight2: part(5, inner * width),
            bias2: part(6, width),
            scale: part(7, 1)[0],
        }
    }

    fn group<'a>(&self, inputs: &'a [FlexTensor; 8], index: usize, threads: Threads) -> Group<'a> {
        let size = self.rows * self.width;
        let x = &values(&inputs[0])[index * size..][..size];
        Group { index, parameters: self.parameters(inputs, index), x, threads }
    }

    /// Many groups keep the threads busy by themselves; one needs them inside.
    fn threads(&self) -> (Threads, Threads) {
        if self.groups > 1 { (Threads::Many, Threads::One) } else { (Threads::One, Threads::Many) }
    }

    /// Index in the mask of a row's first element.
    fn index(&self, group: usize, row: usize, width: usize) -> u32 {
        ((group * self.rows + row) * width) as u32
    }

    fn gate<'a>(&self, bias: &'a [f32]) -> Gate<'a> {
        let mask = self.noise.as_ref().map_or_else(Mask::none, Noise::inner);
        Gate { bias, first: self.gate_first, mask }
    }

    fn outer_mask(&self) -> Mask {
        self.noise.as_ref().map_or_else(Mask::none, Noise::outer)
    }

    /// Factor of each row of a group.
    fn paths(&self, group: usize) -> Vec<f32> {
        match &self.noise {
            Some(noise) if noise.drop_path > 0.0 => {
                (0..self.rows).map(|row| noise.path(group, row)).collect()
            }
            _ => vec![1.0; self.rows],
        }
    }

    /// Memory is taken in here, by the thread that is to fill it: to fill all of it with zeros beforehand would keep the
    /// other threads waiting.
    fn forward_group(&self, group: Group, y: &mut [f32]) -> Saved {
        let Group { index: group, parameters: p, x, threads } = group;
        let (width, inner) = (self.width, self.inner);
        let (mut normalised, mut statistics) = (vec![0.0; x.len()], vec![0.0; 2 * self.rows]);
        normalise(p.gamma, p.beta, x, &mut normalised, &mut statistics, threads);
        let z = product(Matrix::new(&normalised, width), Matrix::new(p.weight1, 2 * inner), threads);
        let gate = self.gate(p.bias1);
        let mut gated = vec![0.0; self.rows * inner];
        let pieces = z.chunks(PIECE * 2 * inner).zip(gated.chunks_mut(PIECE * inner)).enumerate();
        each(pieces.collect(), self.rows * inner, threads, |(piece, (z, gated))| {
            gate_forward(gate, z, self.index(group, piece * PIECE, inner), gated);
        });
        let mut branch = product(Matrix::new(&gated, inner), Matrix::new(p.weight2, width), threads);
        let (path, mask) = (self.paths(group), self.outer_mask());
        let piece = PIECE * width;
        let pieces =
            branch.chunks_mut(piece).zip(x.chunks(piece)).zip(y.chunks_mut(piece)).zip(path.chunks(PIECE));
        each(pieces.enumerate().collect(), x.len(), threads, |(piece, (((branch, x), y), path))| {
            let end = Branch { bias: p.bias2, mask, path, scale: p.scale };
            branch_forward(end, branch, x, self.index(group, piece * PIECE, width), y);
        });
        Saved { normalised, statistics, z, gated, branch }
    }

    fn backward_group(&self, group: Group, saved: Saved, to_y: &[f32], to: Gradients) {
        let Group { index: group, parameters: p, x, threads } = group;
        let Saved { mut normalised, statistics, mut z, mut gated, mut branch } = saved;
        let (width, inner) = (self.width, self.inner);
        let (path, mask) = (self.paths(group), self.outer_mask());
        let piece = PIECE * width;
        let pieces = branch.chunks_mut(piece).zip(to_y.chunks(piece)).zip(path.chunks(PIECE)).enumerate();
        let sums = each(pieces.collect(), x.len(), threads, |(piece, ((branch, to_y), path))| {
            let end = Branch { bias: p.bias2, mask, path, scale: p.scale };
            branch_backward(end, branch, self.index(group, piece * PIECE, width), to_y)
        });
        to.scale[0] = sums.iter().map(|(_, scale)| scale).sum();
        total(sums.into_iter().map(|(bias, _)| bias).collect(), to.bias2);

        // What is the branch's gradient by now.
        let to_branch = Matrix::new(&branch, width);
        multiply(to.weight2, Matrix::new(&gated, inner).transposed(), to_branch, threads);
        multiply(&mut gated, to_branch, Matrix::new(p.weight2, width).transposed(), threads);

        let gate = self.gate(p.bias1);
        let pieces = z.chunks_mut(PIECE * 2 * inner).zip(gated.chunks_mut(PIECE * inner)).enumerate();
        let sums = each(pieces.collect(), self.rows * inner, threads, |(piece, (z, gradient))| {
            gate_backward(gate, z, self.index(group, piece * PIECE, inner), gradient)
        });
        total(sums, to.bias1);

        let to_z = Matrix::new(&z, 2 * inner);
        multiply(to.weight1, Matrix::new(&normalised, width).transposed(), to_z, threads);
        multiply(&mut normalised, to_z, Matrix::new(p.weight1, 2 * inner).transposed(), threads);
        to.x.copy_from_slice(to_y);
        let both = normalise_backward(p.gamma, x, &statistics, &normalised, to.x, threads);
        to.gamma.copy_from_slice(&both[..width]);
        to.beta.copy_from_slice(&both[width..]);
    }
}

/// One of the groups.
struct Group<'a> {
    index: usize,
    parameters: Parameters<'a>,
    /// [R, D]
    x: &'a [f32],
    threads: Threads,
}

/// Gradients of the inputs of one group.
struct Gradients<'a> {
    x: &'a mut [f32],
    gamma: &'a mut [f32],
    beta: &'a mut [f32],
    weight1: &'a mut [f32],
    bias1: &'a mut [f32],
    weight2: &'a mut [f32],
    bias2: &'a mut [f32],
    scale: &'a mut [f32],
}

impl Operation<8> for Blocks {
    /// Of each group.
    type Saved = Vec<Saved>;

    fn forward(&self, inputs: &[FlexTensor; 8]) -> (FlexTensor, Vec<Saved>) {
        let count = self.groups * self.rows;
        let mut result = vec![0.0; count * self.width];
        let (outside, inside) = self.threads();
        let groups = result.chunks_exact_mut(self.rows * self.width).enumerate().collect();
        let saved = each(groups, usize::MAX, outside, |(index, y)| {
            self.forward_group(self.group(inputs, index, inside), y)
        });
        (tensor(result, [count, self.width]), saved)
    }

    fn backward(
        &self,
        inputs: &[FlexTensor; 8],
        saved: Vec<Saved>,
        gradient: FlexTensor,
        _: [bool; 8],
    ) -> [Option<FlexTensor>; 8] {
        let Self { groups, rows, width, inner, .. } = *self;
        let sizes = [rows * width, width, width, width * 2 * inner, 2 * inner, inner * width, width, 1];
        let mut gradients = sizes.map(|size| vec![0.0f32; groups * size]);
        let mut by_group: Vec<Vec<&mut [f32]>> = (0..groups).map(|_| Vec::with_capacity(8)).collect();
        for (values, size) in gradients.iter_mut().zip(sizes) {
            for (group, values) in by_group.iter_mut().zip(values.chunks_exact_mut(size)) {
                group.push(values);
            }
        }
        let (outside, inside) = self.threads();
        let work = saved.into_iter().zip(by_group).enumerate();
        each(work.collect(), usize::MAX, outside, |(index, (saved, slices))| {
            let slices: [&mut [f32]; 8] = slices.try_into().expect("one slice an input");
            let [x, gamma, beta, weight1, bias1, weight2, bias2, scale] = slices;
            let to = Gradients { x, gamma, beta, weight1, bias1, weight2, bias2, scale };
            let to_y = &values(&gradient)[index * rows * width..][..rows * width];
            self.backward_group(self.group(inputs, index, inside), saved, to_y, to);
        });
        let [x, gamma, beta, weight1, bias1, weight2, bias2, scale] = gradients;
        [
            Some(tensor(x, [groups * rows, width])),
            Some(tensor(gamma, [groups, width])),
            Some(tensor(beta, [groups, width])),
            Some(tensor(weight1, [groups, width, 2 * inner])),
            Some(tensor(bias1, [groups, 2 * inner])),
            Some(tensor(weight2, [groups, inner, width])),
            Some(tensor(bias2, [groups, width])),
            Some(tensor(scale, [groups])),
        ]
    }
}
