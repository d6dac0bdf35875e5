//! What every number of the truth test is, how it is computed, and where it misleads.

use crate::page::help::HelpText;

pub const PROBABILITY: HelpText = HelpText {
    id: "probability",
    name: "Probability",
    what: "What the model says of the task from the conformers that are on.",
    how: "The model predicts the molecule as if it had no other conformers; of an ensemble, the mean of its members.",
    misleads: "With few conformers left, the model sees a molecule unlike those it was trained on.",
};

pub const UNIFORM: HelpText = HelpText {
    id: "uniform",
    name: "Uniform attention",
    what: "The probability if the task looked at all conformers alike.",
    how: "Every attention weight is replaced by 1 / N; everything else stays.",
    misleads: "If it is close to the probability, which conformers are looked at does not matter here. A difference only \
        says that it matters, not that the attention is right.",
};

pub const EFFECTIVE: HelpText = HelpText {
    id: "effective",
    name: "Effective conformers",
    what: "Over how many conformers the attention is spread, from 1 to all of them.",
    how: "The exponential of the entropy of the attention weights.",
    misleads: "Conformers that look alike all count: five near-copies of one shape are five.",
};

pub const AGREEMENT: HelpText = HelpText {
    id: "agreement",
    name: "Agreement",
    what: "Whether the conformers with more attention are those that matter more: 1 they are, 0 there is no relation, \
        −1 the opposite.",
    how: "Spearman's rank correlation of the attention and the size of the change when each conformer is left out.",
    misleads: "Of two or three conformers it says next to nothing. Where conformers are alike, leaving one out changes \
        little, although together they decide.",
};

pub const ATTENTION: HelpText = HelpText {
    id: "attention",
    name: "Attention",
    what: "The share of the conformer in what the model makes of the molecule, for this task.",
    how: "A softmax over the conformers, averaged over the heads; the shares add up to 1.",
    misleads: "A large share is not a large influence, and it has no sign: it may speak for the task or against it.",
};

pub const LEFT_OUT: HelpText = HelpText {
    id: "left-out",
    name: "Change when left out",
    what: "How the logit of the task moves when this conformer is left out. Negative: the conformer speaks for the task.",
    how: "The logit, log(p / (1 − p)), from all other conformers, less that from all. Of an ensemble, the mean of its \
        members.",
    misleads: "If a second conformer says the same, it stands in: neither seems to matter.",
};

pub const WITHOUT: HelpText = HelpText {
    id: "without",
    name: "Probability without",
    what: "The probability of the task when this conformer is left out.",
    how: "The model predicts the molecule from all other conformers that are on.",
    misleads: "Close to 0 or 1 a probability hardly moves, whatever the conformer does: compare the logits.",
};

pub const CURVES: HelpText = HelpText {
    id: "curves",
    name: "Deletion and insertion",
    what: "The probability while conformers are taken away, or put in, in the order of attention. If the attention is \
        right, the two curves part, and random order runs between them.",
    how: "Insertion keeps the conformers with the most attention, deletion (read from right to left) takes these away \
        first. Random order is the mean over sets of so many conformers: over all of them, or over sixteen drawn at \
        random where there are many. The areas are mean heights.",
    misleads: "Attention has no sign: where the conformers that are looked at speak against the task, deletion runs \
        above and insertion below. If all conformers say the same, every order gives the same flat line.",
};
