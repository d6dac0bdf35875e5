//! What every number of the model page is, how it is computed, and where it misleads.

use crate::page::help::HelpText;

pub const AVERAGE_PRECISION: HelpText = HelpText {
    id: "average-precision",
    name: "Average precision",
    what: "How pure a selection from the top of the ranking is, on average over how many of the positives it is to find.",
    how: "The area under the precision-recall curve, step by step. In brackets: the 95 % interval over a thousand bootstrap \
        samples of the molecules, positives and negatives drawn apart.",
    misleads: "A model without skill has the share of positives, not 0.5: compare tasks by the lift. With few positives one \
        molecule moves it a lot.",
};

pub const LIFT: HelpText = HelpText {
    id: "lift",
    name: "Lift",
    what: "How many times better than without skill.",
    how: "Average precision divided by the share of positives.",
    misleads: "It cannot exceed one over the share of positives: a common positive leaves little room.",
};

pub const ROC_AUC: HelpText = HelpText {
    id: "roc-auc",
    name: "ROC AUC",
    what: "The chance that a positive is ranked before a negative; 0.5 without skill.",
    how: "The area under the true over the false positive rate; ties count half.",
    misleads: "Where positives are rare, 0.9 can still mean many false alarms for each hit: look at the precision too.",
};

pub const ENRICHMENT: HelpText = HelpText {
    id: "enrichment",
    name: "Enrichment",
    what: "How many times more positives there are among the molecules ranked highest than among all.",
    how: "The share of positives in the top 1 %, 5 % or 10 %, at least one molecule, over that in all.",
    misleads: "Of a hundred molecules the top 1 % is a single one. It cannot exceed one over the share of positives.",
};

pub const CALIBRATION: HelpText = HelpText {
    id: "calibration",
    name: "Calibration error",
    what: "How far predicted probabilities are from observed shares, on average; 0 where they can be taken at their word.",
    how: "The distance of both in ten bins of equal width, weighted by the molecules in them.",
    misleads: "It is about the numbers, not the ranking: a model may rank well and be badly calibrated. With few molecules \
        chance alone makes it larger than 0.",
};

pub const CONFUSION: HelpText = HelpText {
    id: "confusion",
    name: "Confusion matrix",
    what: "What flagging from this probability on makes of the molecules.",
    how: "Counts. In brackets beside the shares: Wilson's 95 % intervals.",
    misleads: "A threshold that was chosen to look good on these molecules will look worse on others. The share of molecules \
        told rightly is not shown: where positives are rare, flagging nothing would look excellent.",
};

pub const CURVES: HelpText = HelpText {
    id: "quality-curves",
    name: "Curves",
    what: "Precision and recall: how pure a selection stays while it grows. ROC: hits against false alarms. Enrichment: how \
        many positives are found when only the molecules ranked highest are looked at.",
    how: "Each curve on a grid of 200 steps; bands are 95 % bootstrap intervals, point by point. The orange dot is the \
        threshold.",
    misleads: "The left ends rest on a few molecules and jump. A band holds 95 % at each point, not for the whole curve.",
};

pub const RELIABILITY: HelpText = HelpText {
    id: "reliability",
    name: "Reliability and probabilities",
    what: "Whether molecules with a probability of 0.3 are positives three times in ten, and where positives and negatives \
        lie.",
    how: "Shares of positives in ten bins, with Wilson's 95 % intervals and the number of molecules above; probabilities of \
        each class in 25 bins, as shares of the class.",
    misleads: "Training that favours rare positives pushes probabilities up: points below the line are expected then. Rank \
        by such probabilities, and do not read them as chances.",
};
