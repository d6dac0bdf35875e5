//! What the numbers of a molecule are, how they are computed, and where they mislead.

use crate::page::help::HelpText;

pub const PROBABILITY: HelpText = HelpText {
    id: "task-probability",
    name: "Probability",
    what: "How likely the model holds it that this molecule is a positive of the task.",
    how: "By the network from all conformers of the molecule; of several models, the mean of what they say.",
    misleads: "It is as good as the model is: whether molecules of 0.7 are positives seven times in ten stands on the Model \
        page, under reliability. Of molecules unlike those that it was trained on, it may be wrong and sure.",
};

pub const PLACE: HelpText = HelpText {
    id: "place",
    name: "Among all molecules",
    what: "Where this molecule stands among all of this bundle. The bars are their probabilities, from the lowest to the \
        highest; the triangle is this molecule, the broken line the threshold from which on a molecule counts as positive \
        (an arrow: it lies beyond them all).",
    how: "The percentile is the share of molecules with a lower probability. The threshold is the model's own where it has \
        one, else 0.5; it can be moved on the Model page.",
    misleads: "Among other molecules, the same probability has another percentile. A high percentile of a task that is \
        rare may still be an unlikely positive.",
};

pub const LOGIT: HelpText = HelpText {
    id: "logit",
    name: "Logit",
    what: "The probability on a scale without ends: 0 is a probability of 0.5, negative numbers are below it.",
    how: "log(p / (1 − p)), as the network gives it.",
    misleads: "Equal steps are unequal changes of the probability: from 0 to 1 it rises by 0.23, from 4 to 5 by 0.01.",
};

pub const MEMBERS: HelpText = HelpText {
    id: "members",
    name: "Members",
    what: "The probability that each model of the ensemble gives, a dot each, from 0 to 1.",
    how: "Each model predicts the molecule alone.",
    misleads: "Models that agree were trained on much the same molecules: they can be wrong together.",
};

pub const ATTENTION: HelpText = HelpText {
    id: "map",
    name: "Attention",
    what: "At which conformers the model looks for each task. A row adds up to 1.",
    how: "A softmax over the conformers, averaged over the heads.",
    misleads: "It says where the model looks, not why it decides as it does, nor which way. Whether the answer rests on it \
        is tested further down.",
};
