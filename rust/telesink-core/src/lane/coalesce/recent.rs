//! The members that were let go last: a word that comes late is joined to what was sent, so that the destination, which
//! keeps the last one it gets, loses nothing of the first.

use crate::record::Record;
use crate::sinks::MemberKey;
use std::collections::{HashMap, VecDeque};

/// Most members remembered.
const RECORDS_MAX: usize = 10_000;

/// Most of their bytes: an eighth of the default bound of a lane, which does not count them, since they are settled.
const BYTES_MAX: usize = 8 << 20;

/// Settled members, the last ones only.
#[derive(Debug, Default)]
pub(super) struct Recent {
    records: HashMap<MemberKey, (u64, Record)>,
    /// In the order in which they were added; those with an older number than the record's are of no use.
    order: VecDeque<(u64, MemberKey)>,
    bytes: usize,
    next: u64,
}

impl Recent {
    /// What was sent last of this member.
    pub(super) fn get(&self, key: MemberKey) -> Option<&Record> {
        self.records.get(&key).map(|(_, record)| record)
    }

    /// Remembers a member.
    pub(super) fn add(&mut self, key: MemberKey, record: &Record) {
        self.next += 1;
        self.bytes += record.cost_bytes();
        self.order.push_back((self.next, key));
        if let Some((_, before)) = self.records.insert(key, (self.next, record.clone())) {
            self.bytes -= before.cost_bytes();
            before.recycle();
        }
        while self.bytes > BYTES_MAX || self.order.len() > RECORDS_MAX {
            let Some((number, key)) = self.order.pop_front() else { return };
            if self.records.get(&key).is_some_and(|(known, _)| *known == number)
                && let Some((_, record)) = self.records.remove(&key)
            {
                self.bytes -= record.cost_bytes();
                record.recycle();
            }
        }
    }
}
