//! Binary labels of a set of molecules, as the weighting, the sampler and the metrics see them.

/// A row-major view `[M, T]` of binary labels: one row per molecule, one column per task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelMatrix<'a> {
    values: &'a [bool],
    tasks: usize,
}

impl<'a> LabelMatrix<'a> {
    /// A view of `values` with `tasks` columns; `true` is a positive.
    ///
    /// # Panics
    /// If there is no task, or if the values do not fill whole rows.
    pub fn new(values: &'a [bool], tasks: usize) -> Self {
        assert!(tasks > 0, "labels need at least one task");
        assert!(
            values.len().is_multiple_of(tasks),
            "{} labels do not fill rows of {tasks} tasks",
            values.len()
        );
        Self { values, tasks }
    }

    /// Number of tasks, T.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Number of molecules, M.
    pub fn molecules(&self) -> usize {
        self.values.len() / self.tasks
    }

    /// Whether molecule `row` is a positive of `task`.
    ///
    /// # Panics
    /// If either is out of range.
    pub fn is_positive(&self, row: usize, task: usize) -> bool {
        assert!(task < self.tasks, "task {task} of {}", self.tasks);
        self.values[row * self.tasks + task]
    }

    /// For each molecule, whether it is a positive of each task.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = impl Iterator<Item = bool>> {
        self.values.chunks_exact(self.tasks).map(|row| row.iter().copied())
    }

    /// Number of positives of each task, length T.
    pub fn positives(&self) -> Vec<usize> {
        let mut counts = vec![0; self.tasks];
        for row in self.rows() {
            for (count, positive) in counts.iter_mut().zip(row) {
                *count += usize::from(positive);
            }
        }
        counts
    }
}
