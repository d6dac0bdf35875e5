//! What belongs to single tasks, for tasks other than those that the specification has ranges for.

use shared_model::schema::TaskSchema;

use super::{Entry, Values};
use crate::study::Distribution;

/// Families of parameters with one a task, `{family}_t0` ….
const FAMILIES: [&str; 3] = ["posw_clip", "gamma", "lam"];

/// The entries for the tasks of a schema.
///
/// The ranges of the four EUOS25 tasks were chosen by their prevalences. Every task of another schema gets the range from
/// the smallest to the largest value that the specification has for any task. What has no effect is left out: the weights
/// of tasks against each other where there is one, and the weights of auxiliary losses that the schema does not have.
pub(super) fn adapt(entries: Vec<Entry>, schema: &TaskSchema) -> Vec<Entry> {
    let names = |schema: &TaskSchema| schema.tasks.iter().map(|task| task.name.clone()).collect::<Vec<_>>();
    let specified = names(&TaskSchema::euos25()) == names(schema);
    let tasks = schema.task_count();
    let mut adapted: Vec<Entry> = Vec::new();
    for entry in &entries {
        let family = family(&entry.name);
        let left_out = match entry.name.as_str() {
            "lambda_aux_abs" => schema.absorbance.is_empty(),
            "lambda_aux_fluo" => schema.fluorescence.is_empty(),
            "lam_floor" | "lam_ceil" => tasks == 1,
            "quota_t450_per_256" | "quota_fgt480_per_256" => !specified,
            _ => family.is_some() && !specified,
        };
        if !left_out {
            adapted.push(entry.clone());
        }
    }
    if !specified {
        for name in FAMILIES.into_iter().filter(|&name| tasks > 1 || name != "lam") {
            let ranges = entries.iter().filter(|entry| family(&entry.name) == Some(name));
            let values = Values::Searched(hull(ranges));
            adapted.extend((0..tasks).map(|task| Entry {
                name: format!("{name}_t{task}"),
                values: values.clone(),
                condition: None,
            }));
        }
    }
    adapted
}

fn family(name: &str) -> Option<&'static str> {
    let (family, task) = name.rsplit_once("_t")?;
    task.parse::<usize>().ok()?;
    FAMILIES.into_iter().find(|&known| known == family)
}

/// The smallest range that holds all of these.
fn hull<'a>(entries: impl Iterator<Item = &'a Entry>) -> Distribution {
    let ranges = entries.filter_map(|entry| match entry.values {
        Values::Searched(Distribution::Float { low, high, log, .. }) => Some((low, high, log)),
        _ => None,
    });
    let (low, high, log) = ranges
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1), a.2))
        .expect("a space of the specification has a range for every task");
    Distribution::Float { low, high, log, step: None }
}
