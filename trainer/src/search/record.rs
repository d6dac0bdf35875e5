//! A search as its run folder and the bundle keep it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared_model::bundle::{Interval, ParameterImportance, SearchSummary, SearchTrial};

use super::History;
use super::importance::{self, Importance};
use crate::study::{Direction, Trial, best};

/// `search.json`: what the report of a search is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchRecord {
    /// Name and version of the program.
    pub producer: String,
    /// When it was written: UTC, RFC 3339.
    pub created: String,
    /// Name of the study.
    pub study: String,
    /// Where it is kept, without passwords.
    pub storage: String,
    /// What goes into a bundle; none if no trial was completed.
    pub summary: Option<SearchSummary>,
    /// All trials, by number.
    pub trials: Vec<TrialRecord>,
}

/// One trial of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Number, state and value.
    #[serde(flatten)]
    pub outcome: SearchTrial,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// Its parameters as people read them.
    pub parameters: Map<String, Value>,
}

impl SearchRecord {
    /// The file's name in a run folder.
    pub const FILE: &str = "search.json";

    /// Records a study as it is.
    pub fn new(study: &str, storage: &str, direction: Direction, trials: &[Trial]) -> Self {
        let records: Vec<TrialRecord> = trials.iter().map(TrialRecord::new).collect();
        let summary = best(trials, direction).and_then(|best| {
            Some(SearchSummary {
                study: study.into(),
                best_trial: best.number,
                best_value: best.value()?,
                trials: records.iter().map(|record| record.outcome.clone()).collect(),
                importance: importance(direction, trials),
            })
        });
        Self {
            producer: concat!("optimil ", env!("CARGO_PKG_VERSION")).into(),
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            study: study.into(),
            storage: storage.into(),
            summary,
            trials: records,
        }
    }
}

impl TrialRecord {
    fn new(trial: &Trial) -> Self {
        let duration = trial.started.zip(trial.completed);
        Self {
            outcome: SearchTrial {
                number: trial.number,
                state: trial.state.name().into(),
                value: trial.value().filter(|value| value.is_finite()),
            },
            seconds: duration.map(|(from, to)| to.duration_since(from).as_secs_f64()),
            parameters: trial.external_parameters(),
        }
    }
}

fn importance(direction: Direction, trials: &[Trial]) -> Vec<ParameterImportance> {
    let found = importance::importance(&History { direction, trials }).unwrap_or_default();
    let told = |of: Importance| ParameterImportance {
        parameter: of.name,
        share: of.share,
        interval: Interval { low: of.interval.0, high: of.interval.1 },
    };
    found.into_iter().map(told).collect()
}
