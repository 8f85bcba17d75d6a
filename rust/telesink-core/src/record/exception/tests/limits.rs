//! What is left out, and that it is said.

use super::super::{
    EXCEPTIONS_MAX, ExceptionBuilder, FILENAME_BYTES_MAX, MESSAGE_BYTES_MAX, NOTES_MAX, Relation,
    SourceCache, render,
};
use super::{Shop, TEXT_BYTES_MAX, rich_tail, text};
use proptest::prelude::*;

/// The tail that `walk` builds with `bytes_max`, and whether it is truncated.
fn bounded(bytes_max: usize, walk: impl FnOnce(&mut ExceptionBuilder<'_>)) -> (Vec<u8>, bool) {
    let mut tail = Vec::new();
    let mut builder = ExceptionBuilder::new(&mut tail, bytes_max);
    walk(&mut builder);
    builder.end();
    let is_truncated = builder.is_truncated();
    drop(builder);
    (tail, is_truncated)
}

fn frames(builder: &mut ExceptionBuilder<'_>, count: u32) {
    for line in 1..=count {
        builder.frame("<string>", "retry", line);
    }
}

#[test]
fn both_ends_of_a_long_traceback_are_kept() {
    let (tail, is_truncated) = bounded(TEXT_BYTES_MAX, |builder| {
        builder.begin("ValueError", "", Relation::Root);
        frames(builder, 2_000);
    });

    let text = text(&tail);
    let lines: Vec<_> = text.lines().collect();
    assert!(is_truncated);
    assert_eq!("  File \"<string>\", line 256, in retry", lines[256]);
    assert_eq!("  [1488 frames left out]", lines[257]);
    assert_eq!("  File \"<string>\", line 1745, in retry", lines[258]);
    assert_eq!(256 + 256 + 3, lines.len());
}

#[test]
fn a_traceback_of_512_frames_is_complete() {
    let (tail, is_truncated) = bounded(TEXT_BYTES_MAX, |builder| {
        builder.begin("ValueError", "", Relation::Root);
        frames(builder, 512);
    });

    assert!(!is_truncated);
    assert_eq!(512 + 2, text(&tail).lines().count());
}

#[test]
fn frames_beyond_the_bytes_go_from_the_middle() {
    let (tail, is_truncated) = bounded(2_000, |builder| {
        builder.begin("ValueError", "kept", Relation::Root);
        frames(builder, 300);
        builder.begin("KeyError", "kept too", Relation::Cause);
        builder.end();
    });

    let text = text(&tail);
    assert!(is_truncated);
    assert!(tail.len() <= 2_000);
    assert!(text.starts_with("KeyError: kept too\n"), "{text}");
    assert!(text.contains("line 1, in retry\n") && text.contains(" frames left out]\n"), "{text}");
    assert!(text.ends_with("line 300, in retry\nValueError: kept"), "{text}");
    let shown = text.lines().filter(|line| line.starts_with("  File")).count();
    assert!(text.contains(&format!("[{} frames left out]", 300 - shown)), "{text}");
}

#[test]
fn a_chain_that_is_too_long_says_that_its_beginning_is_missing() {
    let (tail, is_truncated) = bounded(TEXT_BYTES_MAX, |builder| {
        let begun = (0..100)
            .filter(|index| {
                let relation = if *index == 0 { Relation::Root } else { Relation::Context };
                builder.begin("ValueError", &index.to_string(), relation)
            })
            .count();
        assert_eq!(EXCEPTIONS_MAX, begun);
        (0..100).for_each(|_| builder.end());
    });

    let text = text(&tail);
    assert!(is_truncated);
    assert!(text.starts_with("[exceptions left out]\n\nDuring handling"), "{text}");
    assert!(text.ends_with("\n\nValueError: 0"), "{text}");
}

#[test]
fn what_is_reported_of_an_exception_left_out_is_ignored() {
    let (tail, is_truncated) = bounded(800, |builder| {
        builder.begin("ExceptionGroup", &"x".repeat(300), Relation::Root);
        builder.group(2);
        for _ in 0..2 {
            assert!(!builder.begin("ValueError", "left out", Relation::GroupMember));
            builder.note("left out");
            builder.frame("<string>", "left_out", 1);
            assert!(!builder.begin("KeyError", "left out", Relation::Context));
            builder.end();
            builder.end();
        }
    });

    let text = text(&tail);
    assert!(is_truncated);
    assert!(!text.contains("left out") && text.contains("| and 2 more exceptions\n"), "{text}");
}

#[test]
fn long_texts_are_cut_between_characters() {
    let (tail, is_truncated) = bounded(TEXT_BYTES_MAX, |builder| {
        builder.begin("ValueError", &"€".repeat(MESSAGE_BYTES_MAX), Relation::Root);
        builder.frame(&"ü".repeat(FILENAME_BYTES_MAX), &"\0".repeat(500), 1);
    });

    let text = text(&tail);
    assert!(is_truncated);
    assert_eq!(MESSAGE_BYTES_MAX / 3, text.matches('€').count());
    assert_eq!(FILENAME_BYTES_MAX / 2, text.matches('ü').count());
    assert_eq!(256 / 3, text.matches('\u{2400}').count());
}

#[test]
fn a_replaced_nul_is_marked() {
    let mut tail = Vec::new();
    let mut builder = ExceptionBuilder::new(&mut tail, TEXT_BYTES_MAX);

    builder.begin("ValueError", "clean", Relation::Root);
    assert!(!builder.is_sanitised());

    builder.note("nul\0");
    assert!(builder.is_sanitised() && !builder.is_truncated());
}

#[test]
fn notes_beyond_the_limit_are_left_out() {
    let (tail, is_truncated) = bounded(TEXT_BYTES_MAX, |builder| {
        builder.begin("ValueError", "", Relation::Root);
        (0..100).for_each(|_| builder.note("a note"));
    });

    assert!(is_truncated);
    assert_eq!(NOTES_MAX, text(&tail).matches("a note").count());
}

#[test]
fn a_tail_without_room_for_an_exception_stays_empty() {
    let (tail, is_truncated) = bounded(600, |builder| {
        assert!(!builder.begin("ValueError", "", Relation::Root));
    });

    assert!(is_truncated);
    assert_eq!("", text(&tail));
}

#[test]
fn a_text_beyond_its_limit_keeps_both_ends() {
    let (tail, _) = bounded(TEXT_BYTES_MAX, |builder| {
        builder.begin("ValueError", "what happened", Relation::Root);
        frames(builder, 500);
    });
    let mut out = "before".to_owned();

    let is_cut = render(&tail, &mut SourceCache::new(), &mut out, 1_000);

    assert!(is_cut);
    assert!(out.len() <= "before".len() + 1_000);
    assert!(out.starts_with("beforeTraceback (most recent call last):\n"), "{out}");
    assert!(out.contains("\n[") && out.contains(" bytes left out]\n  File"), "{out}");
    assert!(out.ends_with("line 500, in retry\nValueError: what happened"), "{out}");
}

#[test]
fn a_cut_tail_says_what_it_still_holds() {
    let shop = Shop::new();
    let tail = rich_tail(shop.path("shop.py").as_ref());

    for end in 0..tail.len() {
        let text = text(&tail[..end]);
        assert!(end < 20 || text.contains("ExceptionGroup"), "{end}: {text}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Begin(String, u8),
    Group(u32),
    Note(String),
    Detail(String),
    Frames(String, u32, u32),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        ("\\PC{0,600}", 0..4_u8).prop_map(|(message, relation)| Step::Begin(message, relation)),
        any::<u32>().prop_map(Step::Group),
        "[a\n\0€]{0,400}".prop_map(Step::Note),
        "[a\r]{0,40}".prop_map(Step::Detail),
        ("[<a>\0€]{0,300}", 0..20_u32, 1..700_u32)
            .prop_map(|(name, from, count)| Step::Frames(name, from, count)),
        Just(Step::End),
    ]
}

fn take(builder: &mut ExceptionBuilder<'_>, step: &Step) {
    match step {
        Step::Begin(message, relation) => {
            let relations = [Relation::Root, Relation::Cause, Relation::Context, Relation::GroupMember];
            builder.begin(message, message, relations[usize::from(*relation)]);
        }
        Step::Group(total) => builder.group(*total),
        Step::Note(note) => builder.note(note),
        Step::Detail(line) => builder.detail(line),
        Step::Frames(name, from, count) => {
            (0..*count).for_each(|line| builder.frame(name, name, from + line / 2));
        }
        Step::End => builder.end(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_walk_stays_within_its_bytes_and_can_be_rendered(
        steps in proptest::collection::vec(step(), 0..40),
        bytes_max in 0..20_000_usize,
        text_bytes_max in 0..20_000_usize,
    ) {
        let (tail, _) = bounded(bytes_max, |builder| {
            builder.begin("ValueError", "", Relation::Root);
            for step in &steps {
                take(builder, step);
            }
        });
        prop_assert!(tail.len() <= bytes_max);

        let mut out = String::new();
        render(&tail, &mut SourceCache::new(), &mut out, text_bytes_max);
        prop_assert!(out.len() <= text_bytes_max);
    }

    #[test]
    fn bytes_of_any_kind_never_panic(
        noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        alone in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut tail = rich_tail("<string>".as_ref());
        for (index, byte) in &noise {
            let at = index.index(tail.len());
            tail[at] = *byte;
        }

        for tail in [tail, alone] {
            let mut out = String::new();
            render(&tail, &mut SourceCache::new(), &mut out, 100_000);
            prop_assert!(out.len() <= 100_000);
        }
    }
}
