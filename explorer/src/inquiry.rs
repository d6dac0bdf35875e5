//! Questions to the worker, one at a time.

use crate::protocol::Question;

/// The question that the worker is at, and the one that waits.
#[derive(Debug, Default)]
pub struct Inquiry {
    asked: Option<Question>,
    waiting: Option<Question>,
}

impl Inquiry {
    /// Takes a question in; returns it if it is to be asked now. A question that waited before it is forgotten.
    pub fn wish(&mut self, question: Question) -> Option<Question> {
        self.waiting = (self.asked.as_ref() != Some(&question)).then_some(question);
        if self.asked.is_some() { None } else { self.next() }
    }

    /// The worker is done with its question; returns the next one to ask.
    pub fn answered(&mut self) -> Option<Question> {
        self.asked = None;
        self.next()
    }

    fn next(&mut self) -> Option<Question> {
        self.asked = self.waiting.take();
        self.asked.clone()
    }
}
