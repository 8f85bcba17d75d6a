//! Stored records that wait to be freed.

use super::Entry;
use std::cell::{Cell, RefCell};

/// The records of the batch before. To free thousands of them takes a millisecond in which no destination has anything
/// to do; a sink that waits for its destination anyway does it then.
#[derive(Debug, Default)]
pub struct Spent {
    entries: RefCell<Vec<Entry>>,
    has_leisure: Cell<bool>,
}

impl Spent {
    /// Frees them. For a sink to call while its destination works; the batch in hand is not touched.
    pub fn recycle(&self) {
        self.has_leisure.set(true);
        self.free();
    }

    /// Keeps stored records until the sink asks for them, if it is one that asks. Those of the last time are freed.
    pub(crate) fn add(&self, entries: Vec<Entry>) {
        self.free();
        let has_leisure = self.has_leisure.replace(false);
        self.entries.replace(entries);
        if !has_leisure {
            self.free();
        }
    }

    /// Frees them now: nothing else is to be done.
    pub(crate) fn free(&self) {
        for entry in self.entries.take() {
            entry.record.recycle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::HEADER_BYTES;
    use crate::record::Record;

    fn record() -> Record {
        Record::from_encoded(&[0; HEADER_BYTES])
    }

    #[test]
    fn a_sink_that_never_asks_has_them_freed_at_once() {
        let spent = Spent::default();
        spent.add(vec![Entry::new(1, record())]);
        assert!(spent.entries.borrow().is_empty());
    }

    #[test]
    fn a_sink_that_asks_gets_those_of_the_batch_before() {
        let spent = Spent::default();
        spent.recycle();
        spent.add(vec![Entry::new(1, record())]);
        assert_eq!(spent.entries.borrow().len(), 1);
        spent.recycle();
        assert!(spent.entries.borrow().is_empty());
    }

    #[test]
    fn one_batch_is_kept_at_most() {
        let spent = Spent::default();
        for seq in 1..=2 {
            spent.recycle();
            spent.add(vec![Entry::new(seq, record())]);
        }
        assert_eq!(spent.entries.borrow().len(), 1);
        spent.add(Vec::new());
        assert!(spent.entries.borrow().is_empty());
    }
}
