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
pub fn conformers<'a>(tasks: &[&str], explained: &'a [Explained]) -> ColumnTable<'a> {
    struct Row {
        id: Arc<str>,
        conf_id: Arc<str>,
        task: Arc<str>,
        attention: Estimate,
        attention_rank: u32,
        left_out: Option<LeftOut>,
        effect_rank: Option<u32>,
    }
    let rows: Rows<Row> = of_tasks(tasks, explained)
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
        rows.len(),
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
pub fn summary<'a>(tasks: &[&str], explained: &'a [Explained]) -> ColumnTable<'a> {
    type Row<'a> = (Arc<str>, Arc<str>, &'a TaskExplanation);
    let rows: Rows<Row> =
        of_tasks(tasks, explained).map(|(_, id, task, explained)| (id, task, explained)).collect();
    let area = |of: fn(&Curves) -> Estimate| move |(_, _, row): &Row| row.curves.as_ref().map(of);
    let number = |name: &str, of: fn(&TaskExplanation) -> Option<f32>| {
        let rows = rows.clone();
        Column::numbers(name, move |row| of(rows[row].2))
    };
    let exact = {
        let rows = rows.clone();
        Column::flags("random_exact", move |row| {
            rows[row].2.curves.as_ref().map(|curves| curves.random_is_exact)
        })
    };
    ColumnTable::new(
        rows.len(),
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
            .chain(once(exact))
            .collect(),
    )
}

/// A row for each point of the curves of a molecule and task, where there are curves: `ID, task, kept, deletion,
/// insertion, random`.
///
/// # Panics
/// If explanations are not of these tasks.
pub fn curves<'a>(tasks: &[&str], explained: &'a [Explained]) -> ColumnTable<'a> {
    struct Row<'a> {
        id: Arc<str>,
        task: Arc<str>,
        curves: &'a Curves,
        at: usize,
    }
    let rows: Rows<Row> = of_tasks(tasks, explained)
        .filter_map(|(_, id, task, explained)| Some((id, task, explained.curves.as_ref()?)))
        .flat_map(|(id, task, curves)| {
            (0..curves.kept.len()).map(move |at| Row { id: id.clone(), task: task.clone(), curves, at })
        })
        .collect();
    ColumnTable::new(
        rows.len(),
        [text("ID", &rows, |row| &row.id), text("task", &rows, |row| &row.task)]
            .into_iter()
            .chain(once(counts("kept", &rows, |row| Some(row.curves.kept[row.at]))))
            .chain(estimates("deletion", &rows, |row| Some(row.curves.deletion[row.at])))
            .chain(estimates("insertion", &rows, |row| Some(row.curves.insertion[row.at])))
            .chain(estimates("random", &rows, |row| Some(row.curves.random[row.at])))
            .collect(),
    )
}

/// Rows that all columns of a table ask for their values.
type Rows<R> = Arc<[R]>;

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

fn text<'a, R: 'a>(name: &str, rows: &Rows<R>, value: impl Fn(&R) -> &str + 'a) -> Column<'a> {
    let rows = rows.clone();
    Column::text(name, move |row| Some(value(&rows[row]).to_owned()))
}

fn counts<'a, R: 'a>(name: &str, rows: &Rows<R>, value: impl Fn(&R) -> Option<u32> + 'a) -> Column<'a> {
    let rows = rows.clone();
    Column::counts(name, move |row| value(&rows[row]))
}

/// A column of means and, where there are several models, one of their spreads.
fn estimates<'a, R: 'a>(
    name: &str,
    rows: &Rows<R>,
    value: impl Fn(&R) -> Option<Estimate> + Copy + 'a,
) -> impl Iterator<Item = Column<'a>> {
    let numbers = |name: String, of: fn(Estimate) -> Option<f32>| {
        let rows = rows.clone();
        Column::numbers(name, move |row| value(&rows[row]).and_then(of))
    };
    let spread = rows.iter().filter_map(value).any(|estimate| estimate.std.is_some());
    let mean = numbers(name.to_owned(), |estimate| Some(estimate.mean));
    let std = spread.then(|| numbers(format!("{name}_std"), |estimate| estimate.std));
    once(mean).chain(std)
}
