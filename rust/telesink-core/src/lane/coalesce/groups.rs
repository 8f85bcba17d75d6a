//! What the members of each group share, for the groups that were used last.

use crate::record::Record;
use crate::sinks::{Entry, GroupKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most groups remembered.
const GROUPS_MAX: usize = 10_000;

/// Most bytes of their records, beside what the lane counts.
const BYTES_MAX: usize = 8 << 20;

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    /// All that was said of it so far, in one record.
    pub(super) record: Record,
    /// What its members carry.
    pub(super) shared: Arc<[u8]>,
    /// The records that say something which no member has carried yet, as one entry.
    pub(super) news: Option<Entry>,
    /// Where it stands in the order of what is due.
    pub(super) due: Option<u64>,
    used: u64,
}

/// The groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    known: HashMap<GroupKey, Group>,
    order: BTreeMap<u64, GroupKey>,
    bytes: usize,
    next: u64,
}

impl Groups {
    /// The group, which counts as used now.
    pub(super) fn get(&mut self, key: &GroupKey) -> Option<&mut Group> {
        let group = self.known.get_mut(key)?;
        self.order.remove(&group.used);
        self.next += 1;
        group.used = self.next;
        self.order.insert(group.used, *key);
        Some(group)
    }

    /// Puts a group in, or in the place of what was known of it.
    pub(super) fn put(&mut self, key: GroupKey, record: Record, shared: Arc<[u8]>) -> &mut Group {
        self.bytes += weight(&record, &shared);
        self.next += 1;
        self.order.insert(self.next, key);
        let used = self.next;
        let fresh = Group { record, shared, news: None, due: None, used };
        match self.known.entry(key) {
            std::collections::hash_map::Entry::Vacant(slot) => slot.insert(fresh),
            std::collections::hash_map::Entry::Occupied(slot) => {
                let group = slot.into_mut();
                self.bytes -= weight(&group.record, &group.shared);
                self.order.remove(&group.used);
                let (news, due) = (group.news.take(), group.due.take());
                *group = Group { news, due, ..fresh };
                group
            }
        }
    }

    /// Takes out the group that was not used for the longest time, if there are too many, or if they are too large: the
    /// only one as well, which would grow with every word on it.
    pub(super) fn pop_excess(&mut self) -> Option<Group> {
        if self.known.len() <= GROUPS_MAX && self.bytes <= BYTES_MAX {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        let group = self.known.remove(&key)?;
        self.bytes -= weight(&group.record, &group.shared);
        Some(group)
    }
}

fn weight(record: &Record, shared: &[u8]) -> usize {
    record.cost_bytes() + shared.len()
}
