//! Explanations as tidy tables: a row a conformer and task, a row a molecule and task, and the curves point by point.
//!
//! Of an ensemble, `NAME_std` beside a column is the standard deviation over its members. What every number is, and where
//! it misleads, is said in [`shared_model::explain`].

use std::iter::once;
use std::sync::Arc;

use shared_model::bundle::Molecule;
use shared_model::ensemble::Estimate;
use shared_model::explain::{Curves, LeftOut, TaskExplanation};

use crate::column_table::{Column, ColumnTable};

/// A molecule and its explanations, one a task.
pub type Explained<'a> = (&'a Molecule, Vec<TaskExplanation>);

/// A row for each conformer and task: `ID, conf_id, task, attention, attention_rank, left_out_probability,
/// probability_change, logit_change, effect_rank`.
///
/// Ranks count from 1, the largest attention and the largest magnitude of `logit_change`; equal ones are ranked in their
/// order. Of a molecule of one conformer nothing can be left out: these cells are empty.
///
/// # Panics
/// If explanations are not of these tasks, or of other conformers than those of their molecule.
pub fn conformers(tasks: &[&str], explained: &[Explained]) -> ColumnTable {
    struct Row {
        id: Arc<str>,
        conf_id: Arc<str>,
        task: Arc<str>,
        attention: Estimate,
        attention_rank: u32,
        left_out: Option<LeftOut>,
        effect_rank: Option<u32>,
    }
    let rows: Vec<Row> = of_tasks(tasks, explained)
        .flat_map(|(molecule, id, task, explained)| {
            assert_eq!(explained.attention.len(), molecule.conformers.len(), "a weight a conformer");
            let attention_ranks = ranks(&explained.by_attention());
            let effect_ranks = explained.by_effect().map(|order| ranks(&order));
            molecule.conformers.iter().enumerate().map(move |(position, conformer)| Row {
                id: id.clone(),
                conf_id: conformer.as_str().into(),
                task: task.clone(),
                attention: explained.attention[position],
                attention_rank: attention_ranks[position],
                left_out: explained.left_out.as_ref().map(|left_out| left_out[position]),
                effect_rank: effect_ranks.as_ref().map(|ranks| ranks[position]),
            })
        })
        .collect();
    let left_out = |of: fn(LeftOut) -> Estimate| move |row: &Row| row.left_out.map(of);
    ColumnTable::new(
        [
            text("ID", &rows, |row| &row.id),
            text("conf_id", &rows, |row| &row.conf_id),
            text("task", &rows, |row| &row.task),
        ]
        .into_iter()
        .chain(estimates("attention", &rows, |row| Some(row.attention)))
        .chain(once(counts("attention_rank", &rows, |row| Some(row.attention_rank))))
        .chain(estimates("left_out_probability", &rows, left_out(|left_out| left_out.probability)))
        .chain(estimates("probability_change", &rows, left_out(|left_out| left_out.probability_change)))
        .chain(estimates("logit_change", &rows, left_out(|left_out| left_out.logit_change)))
        .chain(once(counts("effect_rank", &rows, |row| row.effect_rank)))
        .collect(),
    )
}

/// A row for each molecule and task: `ID, task, conformers, probability, uniform_probability, effective_conformers,
/// agreement, deletion_area, insertion_area, random_area, random_exact`.
///
/// # Panics
/// If explanations are not of these tasks.
pub fn summary(tasks: &[&str], explained: &[Explained]) -> ColumnTable {
    type Row<'a> = (Arc<str>, Arc<str>, &'a TaskExplanation);
    let rows: Vec<Row> =
        of_tasks(tasks, explained).map(|(_, id, task, explained)| (id, task, explained)).collect();
    let area = |of: fn(&Curves) -> Estimate| move |(_, _, row): &Row| row.curves.as_ref().map(of);
    let number = |name: &str, of: fn(&TaskExplanation) -> Option<f32>| {
        (name.to_owned(), Column::Numbers(rows.iter().map(|(_, _, row)| of(row)).collect()))
    };
    let exact = |(_, _, row): &Row| row.curves.as_ref().map(|curves| curves.random_is_exact);
    ColumnTable::new(
        [text("ID", &rows, |row| &row.0), text("task", &rows, |row| &row.1)]
            .into_iter()
            .chain(once(counts("conformers", &rows, |row| Some(row.2.attention.len() as u32))))
            .chain(estimates("probability", &rows, |row| Some(row.2.probability)))
            .chain(estimates("uniform_probability", &rows, |row| Some(row.2.uniform_probability)))
            .chain(once(number("effective_conformers", |row| Some(row.effective_conformers))))
            .chain(once(number("agreement", |row| row.agreement)))
            .chain(estimates("deletion_area", &rows, area(|curves| curves.areas.deletion)))
            .chain(estimates("insertion_area", &rows, area(|curves| curves.areas.insertion)))
            .chain(estimates("random_area", &rows, area(|curves| curves.areas.random)))
            .chain(once(("random_exact".into(), Column::Flags(rows.iter().map(exact).collect()))))
            .collect(),
    )
}

/// A row for each point of the curves of a molecule and task, where there are curves: `ID, task, kept, deletion,
/// insertion, random`.
///
/// # Panics
/// If explanations are not of these tasks.
pub fn curves(tasks: &[&str], explained: &[Explained]) -> ColumnTable {
    struct Row<'a> {
        id: Arc<str>,
        task: Arc<str>,
        curves: &'a Curves,
        at: usize,
    }
    let rows: Vec<Row> = of_tasks(tasks, explained)
        .filter_map(|(_, id, task, explained)| Some((id, task, explained.curves.as_ref()?)))
        .flat_map(|(id, task, curves)| {
            (0..curves.kept.len()).map(move |at| Row { id: id.clone(), task: task.clone(), curves, at })
        })
        .collect();
    ColumnTable::new(
        [text("ID", &rows, |row| &row.id), text("task", &rows, |row| &row.task)]
            .into_iter()
            .chain(once(counts("kept", &rows, |row| Some(row.curves.kept[row.at]))))
            .chain(estimates("deletion", &rows, |row| Some(row.curves.deletion[row.at])))
            .chain(estimates("insertion", &rows, |row| Some(row.curves.insertion[row.at])))
            .chain(estimates("random", &rows, |row| Some(row.curves.random[row.at])))
            .collect(),
    )
}

/// Each task of each molecule: the molecule, its ID, the name of the task, and the explanation.
fn of_tasks<'a>(
    tasks: &[&str],
    explained: &'a [Explained<'a>],
) -> impl Iterator<Item = (&'a Molecule, Arc<str>, Arc<str>, &'a TaskExplanation)> {
    let tasks: Vec<Arc<str>> = tasks.iter().map(|&task| task.into()).collect();
    explained.iter().flat_map(move |(molecule, explained)| {
        assert_eq!(explained.len(), tasks.len(), "an explanation a task");
        let id: Arc<str> = molecule.id.as_str().into();
        let of_task = tasks.clone().into_iter().zip(explained);
        of_task.map(move |(task, explained)| (*molecule, id.clone(), task, explained))
    })
}

/// Ranks from 1 of positions in their order.
fn ranks(order: &[usize]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, &position) in (1..).zip(order) {
        ranks[position] = rank;
    }
    ranks
}

fn text<R>(name: &str, rows: &[R], value: impl Fn(&R) -> &Arc<str>) -> (String, Column) {
    (name.into(), Column::Text(rows.iter().map(|row| value(row).clone()).collect()))
}

fn counts<R>(name: &str, rows: &[R], value: impl Fn(&R) -> Option<u32>) -> (String, Column) {
    (name.into(), Column::Counts(rows.iter().map(value).collect()))
}

/// A column of means and, where there are several models, one of their spreads.
fn estimates<R>(name: &str, rows: &[R], value: impl Fn(&R) -> Option<Estimate>) -> Vec<(String, Column)> {
    let values: Vec<Option<Estimate>> = rows.iter().map(value).collect();
    let numbers = |of: fn(Estimate) -> Option<f32>| {
        Column::Numbers(values.iter().map(|estimate| estimate.and_then(of)).collect())
    };
    let spread = values.iter().flatten().any(|estimate| estimate.std.is_some());
    let mean = (name.to_owned(), numbers(|estimate| Some(estimate.mean)));
    let std = spread.then(|| (format!("{name}_std"), numbers(|estimate| estimate.std)));
    once(mean).chain(std).collect()
}
