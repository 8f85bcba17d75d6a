//! The numbers of each instance: which are there, which are not, and why not. Pure: a destination enters what it counted.

use super::account::Account;
use std::collections::BTreeMap;

/// Most holes without a reason that are told one by one, for each instance.
const SHOWN_MAX: usize = 20;

/// Milliseconds in the front of a `UUIDv7`, as hex digits and one hyphen.
const TIME_CHARS: usize = 13;

/// Why a number is not there under its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It stands in the dead-letter file.
    Letter,
    /// It was replayed, and is stored under another instance.
    Replayed,
}

/// All instances of a destination.
#[derive(Debug, Default)]
pub struct Book {
    instances: BTreeMap<String, Entry>,
    /// Nothing was ever deleted: what is missing in front is missing, too.
    is_complete: bool,
}

#[derive(Debug, Default)]
struct Entry {
    account: Account,
    covered: Vec<(u64, u64)>,
    reasons: BTreeMap<u64, Reason>,
    /// Numbers that were replayed and lie in a hole.
    replayed_holes: u64,
    /// Rows of this instance that were numbered by another one first.
    replays: u64,
    /// Rows in which telesink tells of losses.
    markers: u64,
}

impl Book {
    /// An empty book. `is_complete`: nothing was ever deleted from the tables, so every instance begins with 1.
    pub fn new(is_complete: bool) -> Self {
        Self { instances: BTreeMap::new(), is_complete }
    }

    /// A record in the dead-letter file.
    pub fn letter(&mut self, instance: &str, seq: u64) {
        self.entry(instance).reasons.entry(seq).or_insert(Reason::Letter);
    }

    /// All rows of an instance. Enter it before its breaks.
    pub(in crate::sinks) fn rows(&mut self, instance: &str, rows: u64, first: u64, last: u64) {
        let account = &mut self.entry(instance).account;
        (account.rows, account.first, account.last) = (rows, first, last);
    }

    /// A row of the ledger.
    pub(in crate::sinks) fn ledger(&mut self, instance: &str, last_seq: u64) {
        let account = &mut self.entry(instance).account;
        account.lanes += 1;
        account.ledger = Some(account.ledger.unwrap_or(0).max(last_seq));
    }

    /// A loss marker, as its row says: numbers are texts, because anybody may have written them. One that tells of itself
    /// or of what comes after it is none.
    pub(in crate::sinks) fn marker(
        &mut self,
        instance: &str,
        seq: u64,
        from: Option<&str>,
        to: Option<&str>,
    ) {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        self.entry(instance).markers += 1;
        if let (Some(from), Some(to)) = (number(from), number(to))
            && 1 <= from
            && from <= to
            && to < seq
        {
            self.entry(instance).covered.push((from, to));
        }
    }

    /// A row that was replayed from the dead letters of an instance; it stands under the number of `replay`.
    pub(in crate::sinks) fn replayed(&mut self, instance: &str, seq: Option<&str>, replay: &str) {
        let Some(seq) = seq.and_then(|text| text.parse::<u64>().ok()) else { return };
        self.entry(replay).replays += 1;
        let entry = self.entry(instance);
        if entry.reasons.insert(seq, Reason::Replayed) == Some(Reason::Replayed) {
            entry.account.duplicates += 1;
        }
    }

    /// A row whose number does not follow the one before it, in the order of the numbers. Everything else has to be
    /// entered by then.
    pub(in crate::sinks) fn jump(&mut self, instance: &str, before: u64, seq: u64) {
        let entry = self.entry(instance);
        if seq == before {
            entry.account.duplicates += 1;
        } else if before + 1 < seq {
            entry.hole(before + 1, seq - 1);
        }
    }

    /// Sorts what was entered; call it before the first jump.
    pub(in crate::sinks) fn prepare(&mut self) {
        for entry in self.instances.values_mut() {
            entry.join_markers();
        }
    }

    /// Adds front and end of each instance, and answers all accounts in the order of their instances.
    pub fn close(mut self) -> Vec<(String, Account)> {
        // Retention deletes the oldest rows of all instances: where the first row of one that started earlier is still
        // there, it has taken nothing from those that started later.
        let oldest_whole = self.instances.iter().filter(|(_, entry)| entry.account.first == 1);
        let oldest_whole =
            oldest_whole.filter_map(|(instance, _)| started(instance)).min().map(str::to_owned);
        for (instance, entry) in &mut self.instances {
            let is_whole = self.is_complete
                || oldest_whole.as_deref().zip(started(instance)).is_some_and(|(oldest, own)| oldest < own);
            entry.close(is_whole);
        }
        // What only a dead-letter file knows was not stored here.
        let known = self.instances.into_iter().map(|(instance, entry)| (instance, entry.account));
        known.filter(|(_, account)| account.rows > 0 || account.lanes > 0).collect()
    }

    fn entry(&mut self, instance: &str) -> &mut Entry {
        self.instances.entry(instance.to_owned()).or_default()
    }
}

/// When an instance began, as far as its name says.
fn started(instance: &str) -> Option<&str> {
    instance.get(..TIME_CHARS)
}

impl Entry {
    /// Joins markers that touch, so that a hole told by several is one covered hole.
    fn join_markers(&mut self) {
        self.covered.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(self.covered.len());
        for &(from, to) in &self.covered {
            match joined.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.covered = joined;
    }

    fn close(&mut self, is_whole: bool) {
        let Account { first, last, ledger, .. } = self.account;
        let stored_to = ledger.unwrap_or(0);
        if self.account.rows == 0 {
            if is_whole && stored_to > 0 {
                self.hole(1, stored_to);
            } else {
                self.account.retired = stored_to;
            }
        } else {
            if first > 1 && is_whole {
                self.hole(1, first - 1);
            } else {
                self.account.retired = first.saturating_sub(1);
            }
            if stored_to > last {
                self.hole(last + 1, stored_to);
            }
        }
        self.account.is_replay = self.replays > 0 && self.replays + self.markers >= self.account.rows;
        if self.account.lanes > 1 || self.account.is_replay {
            self.unjudge();
            return;
        }
        let retired = self.account.retired;
        let end = last.max(stored_to);
        let inside = self.reasons.range(retired + 1..=end.max(retired + 1));
        let replayed = inside.filter(|(_, reason)| **reason == Reason::Replayed).count() as u64;
        self.account.duplicates += replayed.saturating_sub(self.replayed_holes);
    }

    /// Two rows of the same number, or none, may both be right where several sinks write; and what a replay did not
    /// store is missing where it was numbered first.
    fn unjudge(&mut self) {
        let Account { rows, first, last, ledger, lanes, is_replay, .. } = self.account;
        self.account = Account { rows, first, last, ledger, lanes, is_replay, ..Account::default() };
    }

    /// Numbers that are not there.
    fn hole(&mut self, from: u64, to: u64) {
        self.account.holes += 1;
        self.account.missing += to - from + 1;
        let mut at = from;
        let first = self.covered.partition_point(|covered| covered.1 < from);
        let covered: Vec<(u64, u64)> =
            self.covered[first..].iter().copied().take_while(|covered| covered.0 <= to).collect();
        for (start, end) in covered {
            let (start, end) = (start.max(at), end.min(to));
            if start > at {
                self.open(at, start - 1);
            }
            self.account.covered += end - start + 1;
            at = end + 1;
        }
        if at <= to {
            self.open(at, to);
        }
    }

    /// Numbers that are not there and that no marker tells of.
    fn open(&mut self, from: u64, to: u64) {
        let known: Vec<(u64, Reason)> =
            self.reasons.range(from..=to).map(|(seq, reason)| (*seq, *reason)).collect();
        let mut at = from;
        for (seq, reason) in known {
            match reason {
                Reason::Letter => self.account.dead_lettered += 1,
                Reason::Replayed => {
                    self.account.replayed += 1;
                    self.replayed_holes += 1;
                }
            }
            if seq > at {
                self.unexplained(at, seq - 1);
            }
            at = seq + 1;
        }
        if at <= to {
            self.unexplained(at, to);
        }
    }

    fn unexplained(&mut self, from: u64, to: u64) {
        self.account.unexplained += to - from + 1;
        if self.account.shown.len() < SHOWN_MAX {
            self.account.shown.push((from, to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "019aaaaa-0000-7000-8000-000000000001";
    const NEW: &str = "019bbbbb-0000-7000-8000-000000000002";
    /// A replay.
    const OTHER: &str = "019ccccc-0000-7000-8000-000000000003";

    /// The account of an instance with these numbers, beside what `more` enters.
    fn account(seqs: &[u64], more: impl FnOnce(&mut Book)) -> Account {
        let mut book = Book::new(false);
        enter(&mut book, NEW, seqs, more);
        book.close().into_iter().find(|(instance, _)| instance == NEW).expect("the account").1
    }

    fn enter(book: &mut Book, instance: &str, seqs: &[u64], more: impl FnOnce(&mut Book)) {
        if let (Some(first), Some(last)) = (seqs.first(), seqs.last()) {
            book.rows(instance, seqs.len() as u64, *first, *last);
        }
        more(book);
        book.prepare();
        for pair in seqs.windows(2).filter(|pair| pair[0] + 1 != pair[1]) {
            book.jump(instance, pair[0], pair[1]);
        }
    }

    #[test]
    fn dense_numbers_have_no_holes() {
        let found = account(&[1, 2, 3], |book| book.ledger(NEW, 3));

        assert_eq!((found.holes, found.missing, found.duplicates, found.retired), (0, 0, 0, 0));
    }

    #[test]
    fn several_markers_cover_one_hole_together_and_what_they_leave_is_told() {
        let found = account(&[1, 9, 10], |book| {
            book.marker(NEW, 9, Some("2"), Some("4"));
            book.marker(NEW, 10, Some("5"), Some("6"));
        });

        assert_eq!((found.holes, found.missing, found.covered, found.unexplained), (1, 7, 5, 2));
        assert_eq!(found.shown, [(7, 8)]);
    }

    #[test]
    fn a_marker_that_nobody_can_have_written_covers_nothing() {
        for (from, to) in [("2", "99"), ("0", "3"), ("3", "2"), ("x", "3"), ("2", "-1")] {
            let found = account(&[1, 5], |book| book.marker(NEW, 5, Some(from), Some(to)));

            assert_eq!((found.covered, found.unexplained), (0, 3), "{from}..{to}");
        }
    }

    #[test]
    fn dead_letters_and_replayed_records_are_reasons_of_their_own() {
        let found = account(&[1, 6], |book| {
            book.letter(NEW, 2);
            book.letter(NEW, 4);
            book.replayed(NEW, Some("4"), OTHER);
        });

        assert_eq!((found.dead_lettered, found.replayed, found.unexplained), (1, 1, 2));
        assert_eq!(found.shown, [(3, 3), (5, 5)]);
        assert_eq!(found.duplicates, 0);
    }

    #[test]
    fn the_same_number_twice_is_a_duplicate_wherever_it_comes_from() {
        assert_eq!(account(&[1, 2, 2, 2], |_| {}).duplicates, 2);
        let twice = |book: &mut Book| {
            book.replayed(NEW, Some("2"), OTHER);
            book.replayed(NEW, Some("2"), OTHER);
        };
        assert_eq!(account(&[1, 3], twice).duplicates, 1);
        assert_eq!(account(&[1, 2, 3], |book| book.replayed(NEW, Some("2"), OTHER)).duplicates, 1);
    }

    #[test]
    fn what_the_ledger_knows_and_the_table_does_not_is_missing() {
        let found = account(&[1, 2], |book| book.ledger(NEW, 5));

        assert_eq!((found.missing, found.unexplained, found.shown), (3, 3, vec![(3, 5)]));
    }

    #[test]
    fn the_front_is_taken_for_retired_unless_an_older_instance_is_whole() {
        assert_eq!(account(&[4, 5], |_| {}).retired, 3);
        let beside_older = |first| {
            let mut book = Book::new(false);
            enter(&mut book, OLD, &[first, first + 1], |_| {});
            enter(&mut book, NEW, &[4, 5], |_| {});
            book.close().pop().expect("the newer one").1
        };

        assert_eq!((beside_older(1).retired, beside_older(1).unexplained), (0, 3));
        assert_eq!((beside_older(2).retired, beside_older(2).unexplained), (3, 0));
    }

    #[test]
    fn where_nothing_was_ever_deleted_the_front_is_missing() {
        let mut book = Book::new(true);
        enter(&mut book, NEW, &[4], |_| {});

        assert_eq!(book.close()[0].1.unexplained, 3);
    }

    #[test]
    fn an_instance_without_rows_is_retired_or_gone() {
        assert_eq!(account(&[], |book| book.ledger(NEW, 7)).retired, 7);
        let mut book = Book::new(true);
        book.ledger(NEW, 7);
        assert_eq!(book.close()[0].1.unexplained, 7);
    }

    #[test]
    fn the_numbers_of_two_sinks_are_not_judged() {
        let found = account(&[1, 1, 4], |book| {
            book.ledger(NEW, 4);
            book.ledger(NEW, 1);
        });

        assert_eq!((found.lanes, found.rows, found.missing, found.duplicates), (2, 3, 0, 0));
    }

    #[test]
    fn the_holes_of_a_replay_are_those_of_the_instances_that_it_replayed() {
        let mut book = Book::new(true);
        enter(&mut book, NEW, &[1, 4], |book| book.replayed(NEW, Some("2"), OTHER));
        enter(&mut book, OTHER, &[1, 5], |book| {
            book.ledger(OTHER, 9);
            book.marker(OTHER, 5, Some("2"), Some("4"));
        });
        let found = book.close();

        let [(_, first), (_, replay)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((first.replayed, first.unexplained, first.is_replay), (1, 1, false));
        assert_eq!((replay.rows, replay.missing, replay.is_replay), (2, 0, true));
    }

    #[test]
    fn who_writes_records_of_its_own_beside_replayed_ones_is_judged() {
        let found = account(&[1, 2, 4], |book| book.replayed(OLD, Some("2"), NEW));

        assert_eq!((found.unexplained, found.is_replay), (1, false));
    }

    #[test]
    fn only_so_many_holes_are_told_one_by_one() {
        let seqs: Vec<u64> = (0..100).map(|number| number * 2 + 1).collect();

        let found = account(&seqs, |_| {});

        assert_eq!((found.unexplained, found.shown.len()), (99, SHOWN_MAX));
    }
}
