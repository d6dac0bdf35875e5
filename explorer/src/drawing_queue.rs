//! SMILES on their way to the drawing worker and back.

use std::collections::VecDeque;

/// Most SMILES of a batch: enough for a window full of rows, few enough that new wishes do not wait.
const BATCH: usize = 64;

/// What waits to be drawn, and the batch that the worker is at.
#[derive(Debug, Default)]
pub struct DrawingQueue {
    waiting: VecDeque<String>,
    asked: Vec<String>,
    /// Largest batch at present: halved with every crash, until the SMILES that does it is alone.
    limit: Option<usize>,
}

impl DrawingQueue {
    /// Takes a SMILES in.
    pub fn wish(&mut self, smiles: String) {
        self.waiting.push_back(smiles);
    }

    /// The next batch, if the worker is free and something waits.
    pub fn next_batch(&mut self) -> Option<&[String]> {
        if !self.asked.is_empty() || self.waiting.is_empty() {
            return None;
        }
        let size = self.limit.unwrap_or(BATCH).min(self.waiting.len());
        self.asked = self.waiting.drain(..size).collect();
        Some(&self.asked)
    }

    /// The worker has answered: the batch that it was at.
    pub fn answered(&mut self) -> Vec<String> {
        self.limit = None;
        std::mem::take(&mut self.asked)
    }

    /// The worker fell over: the SMILES that did it, if it was alone. The others wait for the next worker, first.
    pub fn crashed(&mut self) -> Option<String> {
        let mut asked = std::mem::take(&mut self.asked);
        if asked.len() == 1 {
            self.limit = None;
            return asked.pop();
        }
        self.limit = Some(asked.len().div_ceil(2));
        for smiles in asked.into_iter().rev() {
            self.waiting.push_front(smiles);
        }
        None
    }

    /// Whether nothing is to be drawn.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty()
    }

    /// Gives everything up: all that was asked and waited.
    pub fn give_up(&mut self) -> Vec<String> {
        let mut all = std::mem::take(&mut self.asked);
        all.extend(self.waiting.drain(..));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_batch_at_a_time() {
        let mut queue = DrawingQueue::default();
        assert_eq!(queue.next_batch(), None);
        (0..BATCH + 2).for_each(|number| queue.wish(number.to_string()));
        assert_eq!(queue.next_batch().map(<[String]>::len), Some(BATCH));
        assert_eq!(queue.next_batch(), None);
        assert_eq!(queue.answered().len(), BATCH);
        assert_eq!(queue.next_batch(), Some(["64".to_owned(), "65".to_owned()].as_slice()));
    }

    #[test]
    fn the_smiles_that_breaks_the_worker_is_found_and_all_others_are_drawn() {
        let mut queue = DrawingQueue::default();
        (0..50).for_each(|number| queue.wish(number.to_string()));
        let (mut drawn, mut broken, mut crashes) = (Vec::new(), Vec::new(), 0);
        while let Some(batch) = queue.next_batch() {
            if batch.iter().any(|smiles| smiles == "17") {
                crashes += 1;
                broken.extend(queue.crashed());
            } else {
                drawn.extend(queue.answered());
            }
        }
        assert_eq!((broken, drawn.len()), (vec!["17".to_owned()], 49));
        assert!(crashes < 20, "{crashes} workers");
    }
}
