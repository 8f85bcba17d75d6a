//! The contract that every sink has to pass, whatever it writes to.
//!
//! A sink is driven directly here, without a lane: what it must do by itself, so that a lane can rely on it.

use super::records::{Draft, histogram, info, span, sum};
use std::collections::BTreeSet;
use telesink_core::error::{WriteError, WriteErrorKind};
use telesink_core::record::Record;
use telesink_core::record::tables::{Resource, Tables};
use telesink_core::sinks::{Batch, Entry, Outcome, Route, Sink, SinkPlan, Spent};

/// Stands in the DSN where one can, and in what is logged; no error may show it.
pub(crate) const SECRET: &str = "hunter2-contract";

/// Mends what a test broke.
pub(crate) type Mend = Box<dyn FnOnce()>;

/// A sink and what its destination can show.
pub(crate) struct Subject {
    pub(crate) plan: SinkPlan,
    /// The messages at the destination in order; `None` where nothing can be read back.
    pub(crate) read: Option<Box<dyn Fn() -> Vec<String>>>,
    /// How many rows of log records, spans and metric points there are; `None` where nobody can count them.
    pub(crate) count: Option<Box<dyn Fn() -> [u64; 3]>>,
    /// Makes the next write fail; `None` where no write can.
    pub(crate) break_it: Option<Box<dyn Fn() -> Mend>>,
    /// Whether a batch offered twice under one number is stored once.
    pub(crate) has_ledger: bool,
}

/// A sink in use: numbers what it writes, and keeps the words of every refusal.
struct Session {
    subject: Subject,
    sink: Box<dyn Sink>,
    tables: Tables,
    previous_seq: u64,
    next_seq: u64,
    words: Vec<String>,
}

/// Runs all parts of the contract on one sink.
pub(crate) fn check(subject: Subject) {
    let tables = Tables::new(Resource::new(&[("service.name".to_owned(), "shop".to_owned())]));
    let sink = (subject.plan.factory)(super::eager().limits());
    let mut session = Session { subject, sink, tables, previous_seq: 0, next_seq: 1, words: Vec::new() };
    an_empty_batch_is_written(&mut session);
    what_was_written_is_readable_in_order(&mut session);
    odd_text_survives_or_is_refused(&mut session);
    after_a_failed_write_the_next_can_succeed(&mut session);
    a_batch_offered_again_is_stored_once(&mut session);
    all_signals_of_a_batch_are_stored_together_and_once(&mut session);
    closing_twice_is_harmless(&mut session);
    no_word_of_it_holds_a_secret(&session);
}

fn an_empty_batch_is_written(session: &mut Session) {
    let outcome = session.write(&[]).expect("an empty batch is no error");

    assert_eq!(outcome, Outcome::default());
    session.assert_readable(&[]);
}

fn what_was_written_is_readable_in_order(session: &mut Session) {
    let before = session.readable();
    let first: Vec<Record> = (0..50).map(|number| info(&format!("first {number}"))).collect();
    let second: Vec<Record> = (0..50).map(|number| info(&format!("second {number}"))).collect();

    session.write(&first).expect("written");
    session.write(&second).expect("written");

    let expected: Vec<String> = [before, bodies(&first), bodies(&second)].concat();
    session.assert_readable(&expected);
}

fn odd_text_survives_or_is_refused(session: &mut Session) {
    for body in odd_texts() {
        let before = session.readable();
        let record = Draft::new(&body).attribute("key \"quoted\"\n", &body).build();
        let sent = bodies(std::slice::from_ref(&record));

        let stored = match session.write(std::slice::from_ref(&record)) {
            Ok(outcome) if outcome.refused.is_empty() => sent,
            Ok(_) => Vec::new(),
            Err(error) => {
                assert_eq!(error.kind, WriteErrorKind::Reject, "one odd text stops the lane: {error}");
                Vec::new()
            }
        };

        session.assert_readable(&[before, stored].concat());
    }
}

fn odd_texts() -> Vec<String> {
    vec![
        String::new(),
        " ".to_owned(),
        "nul \0 inside".to_owned(),
        "two\nlines\r\nand\ttabs".to_owned(),
        "quotes \" ' ` and \\ back\\slashes \\n".to_owned(),
        "\u{1b}[31mred\u{1b}[0m \u{7} \u{8} \u{7f} \u{9f}".to_owned(),
        "\u{202e}override \u{2028} separator \u{feff} mark".to_owned(),
        "Grüße, мир, 世界, 🦀🏳️‍🌈, e\u{301}".to_owned(),
        "'; DROP TABLE telesink_logs; --".to_owned(),
        "%s {} {{ }} $1 ?1 :name @x".to_owned(),
        "\u{10ffff}\u{fffd}\u{e000}".to_owned(),
        "long ".repeat(50_000),
    ]
}

fn after_a_failed_write_the_next_can_succeed(session: &mut Session) {
    let Some(break_it) = session.subject.break_it.take() else { return };
    let before = session.readable();
    let records = [info("kept while it was broken"), info("and its neighbour")];

    let mend = break_it();
    let error = session.write(&records).expect_err("it is broken");
    let again = session.write(&records).expect_err("it is still broken");
    mend();
    let outcome = session.write(&records).expect("mended");

    assert_ne!(WriteErrorKind::Reject, error.kind, "a broken destination is not the records' fault");
    assert_eq!(error.kind, again.kind);
    assert!(outcome.refused.is_empty(), "{outcome:?}");
    session.assert_readable(&[before, bodies(&records)].concat());
}

fn a_batch_offered_again_is_stored_once(session: &mut Session) {
    if !session.subject.has_ledger {
        return;
    }
    let before = session.readable();
    let records = [info("once"), info("and only once"), info("whatever happens")];

    let (previous_seq, next_seq) = (session.previous_seq, session.next_seq);
    session.write(&records).expect("written");
    // As if the answer had been lost: the same records under the same numbers.
    (session.previous_seq, session.next_seq) = (previous_seq, next_seq);
    let outcome = session.write(&records).expect("written before");

    assert_eq!(outcome.duplicates_suppressed, 3);
    session.assert_readable(&[before, bodies(&records)].concat());
}

fn all_signals_of_a_batch_are_stored_together_and_once(session: &mut Session) {
    let routes = [info("a log"), span("a span"), sum("a metric", &[1.0])].map(|it| session.sink.route(&it));
    let Some(count) = session.subject.count.take() else { return };
    let before = count();
    let records =
        [span("first"), info("between them"), sum("m", &[1.0, f64::NAN]), span("second"), histogram("h")];

    let (previous_seq, next_seq) = (session.previous_seq, session.next_seq);
    session.write(&records).expect("written");
    let once = count();
    (session.previous_seq, session.next_seq) = (previous_seq, next_seq);
    let outcome = session.write(&records).expect("written before");

    assert_eq!(routes, [Some(Route::All); 3]);
    assert_eq!(once, [before[0] + 1, before[1] + 2, before[2] + 3]);
    if session.subject.has_ledger {
        assert_eq!((outcome.duplicates_suppressed, count()), (5, once));
    }
}

fn closing_twice_is_harmless(session: &mut Session) {
    let before = session.readable();

    session.sink.close().expect("closed");
    session.sink.close().expect("closed again");

    session.assert_readable(&before);
}

fn no_word_of_it_holds_a_secret(session: &Session) {
    let target = &session.subject.plan.target;
    for words in session.words.iter().chain([target]) {
        assert!(!words.contains(SECRET), "{words}");
        assert!(!words.contains("passw0rd"), "{words}");
    }
}

impl Session {
    /// Writes records under the next numbers. What the sink says is checked for what it promises to have stored.
    fn write(&mut self, records: &[Record]) -> Result<Outcome, WriteError> {
        let seqs = self.next_seq..;
        let entries: Vec<Entry> =
            seqs.zip(records).map(|(seq, record)| Entry::new(seq, record.clone())).collect();
        let before = self.readable();
        let answer = self.sink.write(&Batch {
            instance: [7; 16],
            lane: 0,
            previous_seq: self.previous_seq,
            route: Route::All,
            entries: &entries,
            tables: &self.tables,
            now_unix_nano: telesink_core::clock::unix_nano(),
            spent: &Spent::default(),
        });
        match &answer {
            Ok(outcome) => {
                self.words.extend(outcome.refused.iter().map(|refusal| refusal.text.clone()));
                let named: BTreeSet<usize> = outcome.refused.iter().map(|refusal| refusal.index).collect();
                assert!(named.iter().all(|index| *index < records.len()), "{outcome:?}");
                assert_eq!(named.len(), outcome.refused.len(), "refused twice: {outcome:?}");
                self.next_seq += records.len() as u64;
                self.previous_seq = self.next_seq - 1;
            }
            Err(error) => {
                self.words.push(error.full_text());
                if error.kind == WriteErrorKind::Reject {
                    self.assert_readable(&before);
                }
            }
        }
        answer
    }

    fn readable(&self) -> Vec<String> {
        self.subject.read.as_ref().map_or_else(Vec::new, |read| read())
    }

    #[track_caller]
    fn assert_readable(&self, expected: &[String]) {
        if self.subject.read.is_some() {
            assert_eq!(self.readable(), expected);
        }
    }
}

/// The messages as any reader has to see them: what the record holds, not what the test meant.
fn bodies(records: &[Record]) -> Vec<String> {
    let entry = |record: &Record| Entry::new(0, record.clone());
    records.iter().map(|record| entry(record).log().message().into_owned()).collect()
}
