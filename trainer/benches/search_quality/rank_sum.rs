//! The rank-sum test of Wilcoxon, Mann and Whitney.

/// The probability of ranks of `a` that are as small as these, or smaller, if both came from one distribution. Exact,
/// by counting; equal values share their ranks.
pub fn smaller_p(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|&value| (value, true)).chain(b.iter().map(|&value| (value, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // ways[k][s]: subsets of k values whose doubled mean ranks sum to s.
    let largest = 2 * all.len() * all.len();
    let mut ways = vec![vec![0.0f64; largest + 1]; a.len() + 1];
    ways[0][0] = 1.0;
    let (mut begin, mut observed) = (0, 0);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let rank = 2 * begin + tied.len() + 1;
        begin += tied.len();
        for &(_, mine) in tied {
            observed += if mine { rank } else { 0 };
            for taken in (0..a.len()).rev() {
                for sum in 0..=largest - rank {
                    ways[taken + 1][sum + rank] += ways[taken][sum];
                }
            }
        }
    }
    let ways = &ways[a.len()];
    ways[..=observed].iter().sum::<f64>() / ways.iter().sum::<f64>()
}
