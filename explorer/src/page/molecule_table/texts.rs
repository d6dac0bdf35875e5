//! What every number of the table is, how it is computed, and where it misleads.

use crate::page::help::HelpText;
use explorer::table::Quantity;

/// All texts, each once.
pub const ALL: [HelpText; 8] = [ID, STRUCTURE, SPLIT, CONFORMERS, PROBABILITY, SPREAD, KNOWN, EFFECTIVE];

/// What is told of a column.
pub fn of(quantity: Quantity) -> HelpText {
    match quantity {
        Quantity::Id => ID,
        Quantity::Structure => STRUCTURE,
        Quantity::Split => SPLIT,
        Quantity::Conformers => CONFORMERS,
        Quantity::Probability(_) => PROBABILITY,
        Quantity::Spread(_) => SPREAD,
        Quantity::Known(_) => KNOWN,
        Quantity::Effective | Quantity::EffectiveOf(_) => EFFECTIVE,
    }
}

pub const ID: HelpText = HelpText {
    id: "column-id",
    name: "ID",
    what: "The name of the compound in the tables that the bundle was made with. The star pins it to the head of the table.",
    how: "Taken over as it is; sorted as people count, 9 before 10.",
    misleads: "Two IDs can be the same compound: names are not compared by structure.",
};

pub const STRUCTURE: HelpText = HelpText {
    id: "column-structure",
    name: "Structure",
    what: "The skeletal formula of the compound.",
    how: "Drawn in this browser from the SMILES in the bundle.",
    misleads: "The model need not have seen it: it reads the features in the bundle, which may be of another protonation state \
               or tautomer.",
};

pub const SPLIT: HelpText = HelpText {
    id: "column-split",
    name: "Split",
    what: "What the compound was used for: training, choosing the model, or testing it.",
    how: "Taken from the table of labels that the bundle was made with.",
    misleads: "Predictions for compounds that the model was trained on look better than those for new ones. Similar compounds \
               in training and test do the same.",
};

pub const CONFORMERS: HelpText = HelpText {
    id: "column-conformers",
    name: "Conformers",
    what: "How many conformers of the compound the model looks at.",
    how: "Counted in the bundle.",
    misleads: "It tells as much of the program that made them, and where that stopped, as of how flexible the compound is.",
};

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
