//! What the numbers of a comparison are, how they are computed, and where they mislead.

use crate::page::help::HelpText;

pub const RANK_CORRELATION: HelpText = HelpText {
    id: "compare-rank",
    name: "Rank correlation",
    what: "Whether both models put the molecules in the same order: 1 they do, 0 there is no relation, −1 the opposite.",
    how: "Spearman's rank correlation of the probabilities over the molecules that both have; ties share their mean rank.",
    misleads: "Most molecules lie at the low end, where the order means little: look at the top of the scatter plot too. Two \
        models that agree may both be wrong.",
};

pub const DISTANCE: HelpText = HelpText {
    id: "compare-distance",
    name: "Mean difference",
    what: "How far the probabilities are apart, and which model says more.",
    how: "Mean of the sizes of B − A over the molecules that both have; in brackets the mean of B − A with its sign.",
    misleads: "Models that are calibrated differently are far apart although they rank alike.",
};

pub const EFFECTIVE: HelpText = HelpText {
    id: "compare-effective",
    name: "Effective conformers",
    what: "Over how many conformers the attention of each model is spread, from 1 to all of them.",
    how: "The exponential of the entropy of the attention weights.",
    misleads: "Conformers that look alike all count.",
};

pub const ATTENTION: HelpText = HelpText {
    id: "compare-attention-rank",
    name: "Attention agreement",
    what: "Whether both models look at the same conformers: 1 they do, 0 there is no relation, −1 the opposite.",
    how: "Spearman's rank correlation of the attention weights over the conformers that both have.",
    misleads: "Of two or three conformers it says next to nothing. The same prediction can rest on other conformers.",
};
