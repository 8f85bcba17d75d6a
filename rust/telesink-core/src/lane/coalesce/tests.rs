//! The stage with a merge of its own: a record's body is what it says, its header says of what.

use super::*;
use crate::clock;
use crate::record::encode::RecordBuilder;
use crate::record::{Header, Signal};

const HOLD: Duration = Duration::from_secs(30);

/// Bodies are joined with `+`; a member whose body ends with `.` is complete.
struct Joiner;

fn body(record: &Record) -> String {
    Entry::new(0, record.clone()).log().message().into_owned()
}

impl Merge for Joiner {
    fn part(&self, record: &Record) -> Part {
        let Header { trace_id, span_id, .. } = record.header();
        match (trace_id, span_id) {
            ([0, ..], [0, ..]) => Part::Alone,
            (key, [0, ..]) => Part::Group { key },
            (group, key) => Part::Member { key, group, is_complete: body(record).ends_with('.') },
        }
    }

    /// An update does not know its group; everything else does.
    fn is_same(&self, earlier: &Record, later: &Record) -> bool {
        earlier.header().trace_id == later.header().trace_id
            || [earlier, later].iter().any(|record| body(record).starts_with("update"))
    }

    fn join(&mut self, earlier: &Record, later: &Record) -> Record {
        let (first, last) = (earlier.header(), later.header());
        let trace_id = if last.trace_id == [0; 16] { first.trace_id } else { last.trace_id };
        build(trace_id, first.span_id, &format!("{}+{}", body(earlier), body(later)))
    }

    fn shared(&self, group: &Record, is_news: bool) -> Arc<[u8]> {
        format!("{}{}", body(group), if is_news { "!" } else { "" }).into_bytes().into()
    }
}

fn build(trace_id: [u8; 16], span_id: [u8; 8], body: &str) -> Record {
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.body(body);
    let header = Header {
        signal: Signal::Log,
        severity: 9,
        flags: 0,
        time_unix_nano: 1,
        observed_unix_nano: 1,
        id: [1; 16],
        trace_id,
        span_id,
        resource: 0,
        scope: 0,
        levelno: 20,
    };
    builder.finish(header, &[])
}

/// A stage, and the tickets that it has been given.
struct Rig {
    stage: Coalesce,
    ticket: u64,
    start: Instant,
    out: Vec<Entry>,
}

impl Rig {
    fn new(records_max: u64, bytes_max: u64) -> Self {
        let plan = CoalescePlan { hold: HOLD, merge: Arc::new(|| Box::new(Joiner)) };
        let stage = Coalesce::new(&plan, records_max, bytes_max);
        Self { stage, ticket: 0, start: clock::monotonic(), out: Vec::new() }
    }

    /// A record about span `span` of trace `trace`, given at `second`.
    fn push(&mut self, second: u64, trace: u8, span: u8, body: &str) -> &mut Self {
        self.ticket += 1;
        let record = build([trace; 16], [span; 8], body);
        let entry = Entry { ticket: self.ticket, bytes: 100, ..Entry::new(0, record) };
        self.stage.push(entry, self.start + Duration::from_secs(second), &mut self.out);
        self
    }

    fn due(&mut self, second: u64) -> Vec<String> {
        self.stage.due(self.start + Duration::from_secs(second), &mut self.out);
        self.told()
    }

    fn flush(&mut self) -> Vec<String> {
        self.stage.flush(&mut self.out);
        self.told()
    }

    /// What came out since the last look: body, what it carries of its group, and the tickets that it settles.
    fn told(&mut self) -> Vec<String> {
        let told = self.out.drain(..).map(|entry| {
            let carried = entry.appended.as_deref().map(String::from_utf8_lossy);
            let tickets: Vec<String> = entry.tickets().map(|ticket| ticket.to_string()).collect();
            assert_eq!(entry.bytes, 100 * entry.sources());
            format!("{} [{}] {}", body(&entry.record), carried.unwrap_or_default(), tickets.join(","))
        });
        told.collect()
    }

    fn is_empty(&self) -> bool {
        (self.stage.held_records, self.stage.held_bytes) == (0, 0) && self.stage.next_due().is_none()
    }
}

fn rig() -> Rig {
    Rig::new(1_000, 1 << 20)
}

#[test]
fn a_record_that_belongs_to_nothing_passes_at_once() {
    assert_eq!(rig().push(0, 0, 0, "log").told(), ["log [] 1"]);
}

#[test]
fn create_and_update_become_one_record_that_settles_both() {
    let mut rig = rig();

    assert!(rig.push(0, 1, 7, "create").told().is_empty());
    assert_eq!(rig.push(1, 1, 7, "update.").told(), ["create+update. [] 1,2"]);
    assert!(rig.is_empty());
}

#[test]
fn a_record_that_is_complete_is_not_held() {
    assert_eq!(rig().push(0, 1, 7, "whole.").told(), ["whole. [] 1"]);
}

#[test]
fn what_never_ends_is_let_go_when_the_hold_time_of_its_first_record_is_over() {
    let mut rig = rig();
    rig.push(0, 1, 7, "create").push(20, 1, 7, "update");

    assert!(rig.due(29).is_empty());
    assert_eq!(rig.stage.next_due(), Some(rig.start + HOLD));
    assert_eq!(rig.due(30), ["create+update [] 1,2"]);
    assert!(rig.is_empty());
}

#[test]
fn a_word_that_comes_after_a_record_was_let_go_is_joined_to_what_was_sent() {
    let mut rig = rig();
    rig.push(0, 1, 7, "create");
    rig.due(30);

    assert_eq!(rig.push(31, 1, 7, "end.").told(), ["create+end. [] 2"]);
}

#[test]
fn a_flush_lets_go_of_everything_members_before_groups() {
    let mut rig = rig();
    rig.push(0, 2, 0, "lonely").push(0, 1, 0, "trace").push(0, 1, 7, "open").push(0, 1, 8, "other");

    assert_eq!(rig.flush(), ["open [trace!] 3,2", "other [trace] 4", "lonely [] 1"]);
    assert!(rig.is_empty());
}

#[test]
fn the_first_member_after_a_word_on_its_group_carries_that_word_and_later_ones_repeat_it() {
    let mut rig = rig();
    rig.push(0, 1, 0, "trace");

    assert_eq!(rig.push(1, 1, 7, "first.").told(), ["first. [trace!] 2,1"]);
    assert_eq!(rig.push(1, 1, 8, "second.").told(), ["second. [trace] 3"]);
    assert!(rig.is_empty());
}

#[test]
fn several_words_on_a_group_travel_with_one_member() {
    let mut rig = rig();
    rig.push(0, 1, 0, "start").push(1, 1, 0, "more");

    assert_eq!(rig.push(2, 1, 7, "first.").told(), ["first. [start+more!] 3,1,2"]);
}

#[test]
fn a_group_without_members_is_let_go_alone() {
    let mut rig = rig();
    rig.push(0, 1, 0, "trace");

    assert!(rig.due(29).is_empty());
    assert_eq!(rig.due(30), ["trace [] 1"]);
    assert!(rig.is_empty());
}

#[test]
fn a_word_on_a_group_after_its_members_goes_alone_and_says_everything() {
    let mut rig = rig();
    rig.push(0, 1, 0, "start").push(1, 1, 7, "first.");
    rig.told();

    assert!(rig.push(2, 1, 0, "end").told().is_empty());
    assert_eq!(rig.due(32), ["start+end [] 3"]);
}

#[test]
fn a_group_waits_for_its_open_members() {
    let mut rig = rig();
    rig.push(0, 1, 0, "trace").push(10, 1, 7, "slow");

    assert!(rig.due(35).is_empty());
    assert_eq!(rig.due(40), ["slow [trace!] 2,1"]);
    assert!(rig.is_empty());
}

#[test]
fn a_member_that_turns_out_to_belong_elsewhere_leaves_no_group_waiting_for_ever() {
    let mut rig = rig();
    rig.push(0, 1, 7, "update").push(1, 1, 0, "first trace").push(2, 2, 7, "create.");

    assert_eq!(rig.told(), ["update+create. [] 1,3"]);
    assert_eq!(rig.due(32), ["first trace [] 2"]);
    assert!(rig.is_empty());
}

#[test]
fn a_name_that_is_used_again_in_another_group_takes_nothing_from_the_first() {
    let mut rig = rig();
    rig.push(0, 1, 7, "held").push(1, 2, 7, "other.").push(2, 3, 7, "third.");

    assert_eq!(rig.told(), ["held [] 1", "other. [] 2", "third. [] 3"]);
    assert!(rig.is_empty());
}

#[test]
fn beyond_half_of_the_lanes_room_the_oldest_are_let_go() {
    let mut by_records = Rig::new(2, 1 << 20);
    by_records.push(0, 1, 1, "a").push(0, 1, 2, "b").push(0, 1, 3, "c");
    let mut by_bytes = Rig::new(1_000, 250);
    by_bytes.push(0, 1, 1, "a").push(0, 1, 2, "b").push(0, 1, 3, "c");

    assert_eq!(by_records.told(), ["a [] 1"]);
    assert_eq!(by_bytes.told(), ["a [] 1"]);
}

#[test]
fn so_many_groups_are_remembered_and_the_others_lose_only_what_they_would_have_shared() {
    let mut rig = Rig::new(1_000_000, u64::MAX);
    for number in 0..10_001_u32 {
        let mut trace = [9; 16];
        trace[1..5].copy_from_slice(&number.to_be_bytes());
        let entry =
            Entry { ticket: u64::from(number) + 1, bytes: 100, ..Entry::new(0, build(trace, [0; 8], "t")) };
        rig.stage.push(entry, rig.start, &mut rig.out);
    }

    assert_eq!(rig.told(), ["t [] 1"]);
    assert_eq!(rig.flush().len(), 10_000);
    assert!(rig.is_empty());
}

#[test]
fn a_group_that_grows_without_end_is_forgotten_even_if_it_is_the_only_one() {
    let mut groups = Groups::default();
    let large: Arc<[u8]> = vec![0; 9 << 20].into();

    groups.put([1; 16], build([1; 16], [0; 8], "t"), large);

    assert!(groups.pop_excess().is_some());
    assert!(groups.pop_excess().is_none());
}

#[test]
fn whatever_comes_in_comes_out_once() {
    use proptest::prelude::*;
    let step = (0_u64..3, 0_u8..3, 0_u8..4, prop::bool::ANY, 0_u8..20);
    proptest!(|(steps in prop::collection::vec(step, 0..200), room in 1_u64..20)| {
        let mut rig = Rig::new(room, room * 100);
        let (mut now, mut seen) = (0, Vec::new());
        for (seconds, trace, span, is_end, action) in steps {
            now += seconds * 11;
            let body = match (is_end, action % 2) {
                (true, _) => "x.",
                (false, 0) => "x",
                (false, _) => "update",
            };
            match action {
                0 => rig.stage.flush(&mut rig.out),
                1..4 => rig.stage.due(rig.start + Duration::from_secs(now), &mut rig.out),
                _ => { rig.push(now, trace, span, body); }
            }
            prop_assert!(rig.stage.held_records <= room);
        }
        rig.stage.flush(&mut rig.out);
        seen.extend(rig.out.iter().flat_map(Entry::tickets));
        seen.sort_unstable();
        prop_assert_eq!(seen, (1..=rig.ticket).collect::<Vec<_>>());
        prop_assert!(rig.is_empty());
    });
}
