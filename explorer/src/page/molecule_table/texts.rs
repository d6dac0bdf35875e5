//! What every number of the table is, how it is computed, and where it misleads.

use crate::page::help::HelpText;

pub const PROBABILITY: HelpText = HelpText {
    id: "column-probability",
    name: "Probability",
    what: "How likely the model holds it that the compound is positive in this task.",
    how: "The sigmoid of the task's logit, from all conformers of the molecule; of an ensemble, the mean of its members.",
    misleads: "Positives are rare and training may weigh them up: a number of 0.5 need not mean that half of such compounds \
               are positive. Compare with the other molecules, and see the model's reliability.",
};

pub const SPREAD: HelpText = HelpText {
    id: "column-spread",
    name: "Spread over the ensemble",
    what: "How far the members of the ensemble disagree about the probability.",
    how: "The sample standard deviation of the members' probabilities.",
    misleads: "Members that were trained alike can agree and all be wrong: a small spread is no proof.",
};

pub const KNOWN: HelpText = HelpText {
    id: "column-known",
    name: "Known label",
    what: "What was measured: 1 is a positive, 0 a negative, nothing if it was not measured.",
    how: "Taken from the table of labels that the bundle was made with; ● and ○ beside a probability are the same.",
    misleads: "The model may have been trained on these very molecules: see the column Split.",
};

pub const EFFECTIVE: HelpText = HelpText {
    id: "column-effective",
    name: "Effective conformers",
    what: "Over how many conformers attention is spread: 1 if one has all of it, their number if all have the same.",
    how: "The exponential of the entropy of a task's attention weights; without the name of a task, the mean over the tasks.",
    misleads: "Attention says where the model looks, not what its answer rests on: the truth test of a molecule tells.",
};
