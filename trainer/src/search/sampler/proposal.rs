//! The parameters of one trial, as they are asked for.

use serde_json::{Map, Value};

use super::{Draw, RelativeParameters, Sampler};
use crate::search::History;
use crate::study::{Distribution, Trial, python_json};

/// Prefix of the system attributes that tell other workers what a running trial is about to try; Optuna's.
const RELATIVE: &str = "tpe:relative_params";

/// Most characters of such an attribute: what fits into a database.
const ATTRIBUTE_LENGTH: usize = 2045;

/// A trial's parameters in the making.
pub struct Proposal<'a> {
    sampler: &'a dyn Sampler,
    history: History<'a>,
    draw: Draw,
    relative: RelativeParameters,
    fixed: Option<&'a Map<String, Value>>,
}

impl<'a> Proposal<'a> {
    /// Draws what is drawn jointly. Values in `fixed` (external ones) win over those of the sampler, as far as they are
    /// possible.
    pub fn new(
        sampler: &'a dyn Sampler,
        history: History<'a>,
        draw: Draw,
        fixed: Option<&'a Map<String, Value>>,
    ) -> Self {
        Self { sampler, history, draw, relative: sampler.relative(&history, draw), fixed }
    }

    /// What was drawn jointly: to be shared with other workers as [`relative_attributes`].
    pub fn relative(&self) -> &RelativeParameters {
        &self.relative
    }

    /// The internal value of a parameter: fixed, drawn jointly, the only one, or drawn now.
    pub fn suggest(&self, name: &str, distribution: &Distribution) -> f64 {
        if let Some(value) = self.fixed.and_then(|fixed| distribution.internal(fixed.get(name)?)) {
            return value;
        }
        match self.relative.get(name) {
            Some((value, drawn_from))
                if drawn_from.is_compatible(distribution) && distribution.contains(*value) =>
            {
                *value
            }
            _ if distribution.is_single() => super::unit_interval::from_unit_interval(distribution, 0.0),
            _ => self.sampler.independent(&self.history, self.draw, name, distribution),
        }
    }
}

/// System attributes that share what was drawn jointly, before the parameters themselves are stored: workers that draw
/// in the same moment keep away from it. None if nothing was.
pub fn relative_attributes(relative: &RelativeParameters) -> Vec<(String, Value)> {
    if relative.is_empty() {
        return Vec::new();
    }
    let external: Map<String, Value> = relative
        .iter()
        .map(|(name, (value, distribution))| (name.clone(), distribution.external(*value)))
        .collect();
    let text: Vec<char> = Value::Object(external).to_string().chars().collect();
    let chunks = text.chunks(ATTRIBUTE_LENGTH).map(|chunk| chunk.iter().collect::<String>());
    chunks.enumerate().map(|(index, chunk)| (format!("{RELATIVE}:{index}"), chunk.into())).collect()
}

/// What a running trial is about to try (external values), as [`relative_attributes`] shared it; none if it shared
/// nothing, or not all of it yet.
pub(super) fn shared_parameters(trial: &Trial) -> Option<Map<String, Value>> {
    let chunks =
        (0..).map_while(|index| trial.system_attributes.get(&format!("{RELATIVE}:{index}"))?.as_str());
    match python_json::parse(&chunks.collect::<String>()) {
        Ok(Value::Object(parameters)) => Some(parameters),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::trial;
    use crate::study::{Direction, TrialState};

    struct Fixed;

    impl Sampler for Fixed {
        fn relative(&self, _: &History, _: Draw) -> RelativeParameters {
            [("a".into(), (0.25, float(1.0))), ("b".into(), (0.75, float(1.0)))].into()
        }

        fn independent(&self, _: &History, _: Draw, _: &str, _: &Distribution) -> f64 {
            0.125
        }
    }

    fn float(high: f64) -> Distribution {
        Distribution::Float { low: 0.0, high, log: false, step: None }
    }

    #[test]
    fn what_is_fixed_comes_before_what_is_drawn() {
        let fixed = Map::from_iter([("b".to_owned(), 0.5.into()), ("c".to_owned(), "impossible".into())]);
        let history = History { direction: Direction::Minimize, trials: &[] };
        let proposal = Proposal::new(&Fixed, history, Draw { trial: 0, attempt: 0 }, Some(&fixed));
        assert_eq!(proposal.suggest("a", &float(1.0)), 0.25, "drawn jointly");
        assert_eq!(proposal.suggest("a", &float(0.2)), 0.125, "the range has changed since");
        assert_eq!(proposal.suggest("b", &float(1.0)), 0.5, "fixed");
        assert_eq!(proposal.suggest("c", &float(1.0)), 0.125, "cannot be what was fixed");
        assert_eq!(proposal.suggest("d", &Distribution::Int { low: 3, high: 3, log: false, step: 1 }), 3.0);
    }

    #[test]
    fn what_was_drawn_jointly_is_shared_in_attributes_of_bounded_length() {
        let relative: RelativeParameters = (0..200)
            .map(|index| (format!("parameter_{index:03}"), (f64::from(index) / 7.0, float(100.0))))
            .collect();
        let attributes = relative_attributes(&relative);
        assert!(attributes.len() > 1);
        assert!(attributes.iter().all(|(_, text)| text.as_str().is_some_and(|text| text.len() <= 2045)));
        let mut running = trial(0, TrialState::Running, None, []);
        running.system_attributes = Map::from_iter(attributes);
        let shared = shared_parameters(&running).expect("complete");
        assert_eq!(shared.len(), 200);
        assert_eq!(shared["parameter_003"], 3.0 / 7.0);
        running.system_attributes.remove("tpe:relative_params:1");
        assert_eq!(shared_parameters(&running), None, "half written");
        assert_eq!(relative_attributes(&RelativeParameters::new()), []);
    }
}
