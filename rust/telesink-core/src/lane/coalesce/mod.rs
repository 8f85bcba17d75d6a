//! The stage before the batcher, for sinks to which a thing can be told only once, as a whole: records of one thing are
//! held until its end is known and joined into one.
//!
//! Time is an argument. What is held is pending, and its bytes stay counted; a joined record settles all its sources.
//! Nothing is held for longer than the hold time, through a flush or a close, or beyond half of the lane's bounds.

mod groups;
mod recent;
#[cfg(test)]
mod tests;

use crate::record::Record;
use crate::sinks::{CoalescePlan, Entry, GroupKey, MemberKey, Merge, Part};
use groups::{Group, Groups};
use recent::Recent;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What waits for its time.
#[derive(Debug, Clone, Copy)]
enum Due {
    Member(MemberKey),
    Group(GroupKey),
}

/// A member that is not complete.
#[derive(Debug)]
struct Held {
    /// The joined record, and the tickets of all its sources.
    entry: Entry,
    group: GroupKey,
    due: u64,
}

/// The stage; one for each lane whose sink asks for it, owned by the lane's thread.
pub(super) struct Coalesce {
    merge: Box<dyn Merge>,
    hold: Duration,
    records_max: u64,
    bytes_max: u64,
    members: HashMap<MemberKey, Held>,
    /// How many held members each group has.
    open: HashMap<GroupKey, u32>,
    groups: Groups,
    recent: Recent,
    /// What waits, in the order of its time: the hold time is the same for all.
    due: BTreeMap<u64, (Instant, Due)>,
    next: u64,
    held_records: u64,
    held_bytes: u64,
}

impl Coalesce {
    /// An empty stage that holds at most so many source records and bytes.
    pub(super) fn new(plan: &CoalescePlan, records_max: u64, bytes_max: u64) -> Self {
        Self {
            merge: (plan.merge)(),
            hold: plan.hold,
            records_max,
            bytes_max,
            members: HashMap::new(),
            open: HashMap::new(),
            groups: Groups::default(),
            recent: Recent::default(),
            due: BTreeMap::new(),
            next: 0,
            held_records: 0,
            held_bytes: 0,
        }
    }

    /// Takes an entry; what need not wait, or can wait no longer, goes to `out`.
    pub(super) fn push(&mut self, entry: Entry, now: Instant, out: &mut Vec<Entry>) {
        match self.merge.part(&entry.record) {
            Part::Alone => out.push(entry),
            Part::Member { key, .. } => self.push_member(key, entry, now, out),
            Part::Group { key } => self.push_group(key, entry, now, out),
        }
        while self.held_records > self.records_max || self.held_bytes > self.bytes_max {
            let Some((_, (_, due))) = self.due.pop_first() else { return };
            self.release(due, true, out);
        }
    }

    /// When [`Coalesce::due`] has something to do; `None` while nothing is held.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(_, (at, _))| *at)
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.held_records == 0
    }

    /// Lets go of what has waited long enough.
    pub(super) fn due(&mut self, now: Instant, out: &mut Vec<Entry>) {
        while let Some(first) = self.due.first_entry()
            && first.get().0 <= now
        {
            let (_, due) = first.remove();
            self.release(due, false, out);
        }
    }

    /// Lets go of everything: somebody waits for it.
    pub(super) fn flush(&mut self, out: &mut Vec<Entry>) {
        // Members first: they carry what their groups have to say.
        let (members, groups): (Vec<_>, Vec<_>) = std::mem::take(&mut self.due)
            .into_values()
            .map(|(_, due)| due)
            .partition(|due| matches!(due, Due::Member(_)));
        for due in members.into_iter().chain(groups) {
            self.release(due, false, out);
        }
    }

    fn push_member(&mut self, key: MemberKey, entry: Entry, now: Instant, out: &mut Vec<Entry>) {
        let held = self.take_same(key, &entry, out);
        let before = held.as_ref().map(|held| (held.group, held.due));
        let entry = match held {
            Some(held) => {
                self.close(held.group);
                self.count_out(&held.entry);
                let record = self.merge.join(&held.entry.record, &entry.record);
                joined(held.entry, &entry, record)
            }
            None => match self.recent.get(key).filter(|sent| self.merge.is_same(sent, &entry.record)) {
                Some(sent) => Entry { record: self.merge.join(sent, &entry.record), ..entry },
                None => entry,
            },
        };
        let Part::Member { group, is_complete, .. } = self.merge.part(&entry.record) else {
            // Joined records are of one kind; should they not be, holding one for ever would be worse.
            out.push(entry);
            return;
        };
        if is_complete {
            if let Some((_, due)) = before {
                self.due.remove(&due);
            }
            self.let_go(key, group, entry, out);
        } else {
            let due = before.map_or_else(|| self.wait(now, Due::Member(key)), |(_, due)| due);
            *self.open.entry(group).or_default() += 1;
            self.count_in(&entry);
            self.members.insert(key, Held { entry, group, due });
        }
        if let Some((left, _)) = before
            && left != group
        {
            // Nothing but the later word knew the right group; the other may have waited for this member.
            self.wait_for_group(left, now);
        }
    }

    /// Takes out what is held of a member; something else that has the same name is let go.
    fn take_same(&mut self, key: MemberKey, entry: &Entry, out: &mut Vec<Entry>) -> Option<Held> {
        let held = self.members.remove(&key)?;
        if self.merge.is_same(&held.entry.record, &entry.record) {
            return Some(held);
        }
        self.due.remove(&held.due);
        self.close(held.group);
        self.count_out(&held.entry);
        self.let_go(key, held.group, held.entry, out);
        None
    }

    fn push_group(&mut self, key: GroupKey, entry: Entry, now: Instant, out: &mut Vec<Entry>) {
        self.count_in(&entry);
        let record = match self.groups.get(&key) {
            Some(group) => self.merge.join(&group.record, &entry.record),
            None => entry.record.clone(),
        };
        let shared = self.merge.shared(&record, false);
        let group = self.groups.put(key, record.clone(), shared);
        let news = match group.news.take() {
            Some(before) => joined(before, &entry, record),
            None => Entry { record, ..entry },
        };
        group.news = Some(news);
        self.wait_for_group(key, now);
        while let Some(group) = self.groups.pop_excess() {
            self.forget(group, out);
        }
    }

    /// Lets go of what the order of time had for it. A group waits for its members, which carry what it has to say,
    /// unless there is no room.
    fn release(&mut self, due: Due, is_forced: bool, out: &mut Vec<Entry>) {
        match due {
            Due::Member(key) => {
                if let Some(held) = self.members.remove(&key) {
                    self.close(held.group);
                    self.count_out(&held.entry);
                    self.let_go(key, held.group, held.entry, out);
                }
            }
            Due::Group(key) => {
                let is_waited_for = !is_forced && self.open.contains_key(&key);
                let Some(group) = self.groups.get(&key) else { return };
                group.due = None;
                if is_waited_for {
                    return;
                }
                if let Some(news) = group.news.take() {
                    self.count_out(&news);
                    out.push(news);
                }
            }
        }
    }

    /// Hands a member on, with what its group has to say.
    fn let_go(&mut self, key: MemberKey, group: GroupKey, mut entry: Entry, out: &mut Vec<Entry>) {
        self.recent.add(key, &entry.record);
        if let Some(group) = self.groups.get(&group) {
            if let Some(news) = group.news.take() {
                entry.appended = Some(self.merge.shared(&group.record, true));
                entry.absorb(&news);
                if let Some(due) = group.due.take() {
                    self.due.remove(&due);
                }
                self.count_out(&news);
            } else {
                entry.appended = Some(Arc::clone(&group.shared));
            }
        }
        out.push(entry);
    }

    /// A group for which there is no room any more.
    fn forget(&mut self, group: Group, out: &mut Vec<Entry>) {
        if let Some(due) = group.due {
            self.due.remove(&due);
        }
        if let Some(news) = group.news {
            self.count_out(&news);
            out.push(news);
        }
    }

    fn wait(&mut self, now: Instant, what: Due) -> u64 {
        self.next += 1;
        self.due.insert(self.next, (now + self.hold, what));
        self.next
    }

    /// Has what a group has to say wait for its time, unless a held member will carry it.
    fn wait_for_group(&mut self, key: GroupKey, now: Instant) {
        if self.open.contains_key(&key) {
            return;
        }
        if let Some(group) = self.groups.get(&key)
            && group.news.is_some()
            && group.due.is_none()
        {
            self.next += 1;
            group.due = Some(self.next);
            self.due.insert(self.next, (now + self.hold, Due::Group(key)));
        }
    }

    /// One held member less of a group.
    fn close(&mut self, group: GroupKey) {
        if let std::collections::hash_map::Entry::Occupied(mut open) = self.open.entry(group) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }

    fn count_in(&mut self, entry: &Entry) {
        self.held_records += entry.sources();
        self.held_bytes += entry.bytes;
    }

    fn count_out(&mut self, entry: &Entry) {
        self.held_records -= entry.sources();
        self.held_bytes -= entry.bytes;
    }
}

/// The two as one, which settles the sources of both.
fn joined(earlier: Entry, later: &Entry, record: Record) -> Entry {
    let mut entry = Entry { record, ..earlier };
    entry.absorb(later);
    entry
}
