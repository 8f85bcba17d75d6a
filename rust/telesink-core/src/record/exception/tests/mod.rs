//! What exceptions look like. Expected texts are what `CPython` 3.11 prints for the program [`SHOP`], less carets.

mod limits;
mod sources;

use super::{ExceptionBuilder, Relation, SourceCache, render};
use std::path::Path;
use tempfile::TempDir;

/// The program that the walked exceptions come from.
const SHOP: &str = r#"def pay(invoice):
    raise ValueError("no such invoice")


def charge(invoice):
    try:
        pay(invoice)
    except ValueError as error:
        raise RuntimeError("not charged") from error


def retry(times):
    if times:
        retry(times - 1)
    pay(None)


def settle(invoices):
    raise ExceptionGroup("unsettled", invoices)
"#;

const TEXT_BYTES_MAX: usize = 1 << 20;

/// The shop as a file of its own.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        let shop = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::write(shop.path("shop.py"), SHOP).expect("a written file");
        shop
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// Asserts on the text of what `walk` builds; `FILE` in `expected` is the shop's path, and `~` a blank at the
    /// end of a line.
    #[track_caller]
    fn assert_text(&self, expected: &str, walk: impl FnOnce(&mut ExceptionBuilder<'_>, &str)) {
        let file = self.path("shop.py");
        let expected = expected.replace("FILE", &file).replace('~', " ");
        assert_eq!(expected, text(&tail(|builder| walk(builder, &file))));
    }
}

fn tail(walk: impl FnOnce(&mut ExceptionBuilder<'_>)) -> Vec<u8> {
    let mut tail = Vec::new();
    walk(&mut ExceptionBuilder::new(&mut tail, TEXT_BYTES_MAX));
    tail
}

fn text(tail: &[u8]) -> String {
    let mut out = String::new();
    let is_cut = render(tail, &mut SourceCache::new(), &mut out, TEXT_BYTES_MAX);
    assert!(!is_cut);
    out
}

/// `shop.pay(…)` as it fails.
fn pay(builder: &mut ExceptionBuilder<'_>, file: &str, callers: &[(&str, u32)], relation: Relation) {
    builder.begin("ValueError", "no such invoice", relation);
    for (function, line) in callers {
        builder.frame(file, function, *line);
    }
    builder.frame(file, "pay", 2);
    builder.end();
}

/// `shop.charge(…)` as it fails.
fn charge(builder: &mut ExceptionBuilder<'_>, file: &str, relation: Relation) {
    builder.begin("RuntimeError", "not charged", relation);
    builder.frame(file, "charge", 9);
    pay(builder, file, &[("charge", 7)], Relation::Cause);
    builder.end();
}

#[test]
fn a_cause_stands_before_what_it_caused() {
    let expected = r#"Traceback (most recent call last):
  File "FILE", line 7, in charge
    pay(invoice)
  File "FILE", line 2, in pay
    raise ValueError("no such invoice")
ValueError: no such invoice

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "FILE", line 9, in charge
    raise RuntimeError("not charged") from error
RuntimeError: not charged"#;

    Shop::new().assert_text(expected, |builder, file| charge(builder, file, Relation::Root));
}

#[test]
fn a_context_stands_before_what_was_raised_while_handling_it() {
    let expected = r#"Traceback (most recent call last):
  File "FILE", line 2, in pay
    raise ValueError("no such invoice")
ValueError: no such invoice

During handling of the above exception, another exception occurred:

KeyError: 'invoice'"#;

    Shop::new().assert_text(expected, |builder, file| {
        builder.begin("KeyError", "'invoice'", Relation::Root);
        pay(builder, file, &[], Relation::Context);
        builder.end();
    });
}

#[test]
fn a_frame_is_written_three_times_and_then_counted() {
    let repeated = "  File \"FILE\", line 14, in retry\n    retry(times - 1)\n";
    let end = r#"  File "FILE", line 15, in retry
    pay(None)
  File "FILE", line 2, in pay
    raise ValueError("no such invoice")
ValueError: no such invoice"#;
    let shop = Shop::new();

    for (times, shown, counted) in [
        (2, 2, ""),
        (3, 3, ""),
        (4, 3, "  [Previous line repeated 1 more time]\n"),
        (5, 3, "  [Previous line repeated 2 more times]\n"),
        (980, 3, "  [Previous line repeated 977 more times]\n"),
    ] {
        let repeated = repeated.repeat(shown);
        let expected = format!("Traceback (most recent call last):\n{repeated}{counted}{end}");
        shop.assert_text(&expected, |builder, file| {
            let mut callers = vec![("retry", 14); times];
            callers.push(("retry", 15));
            pay(builder, file, &callers, Relation::Root);
        });
    }
}

#[test]
fn groups_are_indented_and_share_the_rule_at_their_end() {
    let expected = r#"  + Exception Group Traceback (most recent call last):
  |   File "FILE", line 19, in settle
  |     raise ExceptionGroup("unsettled", invoices)
  | ExceptionGroup: unsettled (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "FILE", line 7, in charge
    |     pay(invoice)
    |   File "FILE", line 2, in pay
    |     raise ValueError("no such invoice")
    | ValueError: no such invoice
    |~
    | The above exception was the direct cause of the following exception:
    |~
    | Traceback (most recent call last):
    |   File "FILE", line 9, in charge
    |     raise RuntimeError("not charged") from error
    | RuntimeError: not charged
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "FILE", line 19, in settle
    |     raise ExceptionGroup("unsettled", invoices)
    | ExceptionGroup: unsettled (1 sub-exception)
    | second
    | attempt
    +-+---------------- 1 ----------------
      | Traceback (most recent call last):
      |   File "FILE", line 2, in pay
      |     raise ValueError("no such invoice")
      | ValueError: no such invoice
      +------------------------------------"#;

    Shop::new().assert_text(expected, |builder, file| {
        builder.begin("ExceptionGroup", "unsettled (2 sub-exceptions)", Relation::Root);
        builder.group(2);
        builder.frame(file, "settle", 19);
        charge(builder, file, Relation::GroupMember);
        builder.begin("ExceptionGroup", "unsettled (1 sub-exception)", Relation::GroupMember);
        builder.group(1);
        builder.note("second\nattempt");
        builder.frame(file, "settle", 19);
        pay(builder, file, &[], Relation::GroupMember);
        builder.end();
        builder.end();
    });
}

#[test]
fn a_group_shows_fifteen_members_and_counts_the_others() {
    let text = text(&tail(|builder| {
        builder.begin("ExceptionGroup", "unsettled (17 sub-exceptions)", Relation::Root);
        builder.group(17);
        for member in 0..17 {
            builder.begin("ValueError", &member.to_string(), Relation::GroupMember);
            builder.end();
        }
        builder.end();
    }));

    let end = "    +---------------- 15 ----------------
    | ValueError: 14
    +---------------- ... ----------------
    | and 2 more exceptions
    +------------------------------------";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn groups_deeper_than_ten_are_named_only() {
    let text = text(&tail(|builder| {
        for depth in 0..13 {
            let relation = if depth == 0 { Relation::Root } else { Relation::GroupMember };
            builder.begin("ExceptionGroup", "deep (1 sub-exception)", relation);
            builder.group(1);
        }
    }));

    let last_line = text.lines().rev().nth(1).expect("two lines");
    assert_eq!(format!("{}| ... (max_group_depth is 10)", " ".repeat(22)), last_line);
}

#[test]
fn a_syntax_error_shows_the_text_it_is_about() {
    let expected = "Traceback (most recent call last):
  File \"<string>\", line 1, in <module>
  File \"broken.py\", line 2
    y = (2
SyntaxError: '(' was never closed
look at line two";

    let text = text(&tail(|builder| {
        builder.begin("SyntaxError", "'(' was never closed", Relation::Root);
        builder.detail("  File \"broken.py\", line 2");
        builder.detail("    y = (2");
        builder.frame("<string>", "<module>", 1);
        builder.note("look at line two");
        builder.end();
    }));

    assert_eq!(expected, text);
}

#[test]
fn a_message_is_written_as_it_stands() {
    for (message, expected) in [
        ("", "Outer.Inner"),
        ("one\n\ntwo", "Outer.Inner: one\n\ntwo"),
        ("ends\n", "Outer.Inner: ends\n"),
        ("nul\0nul", "Outer.Inner: nul\u{2400}nul"),
    ] {
        let tail = tail(|builder| {
            builder.begin("Outer.Inner", message, Relation::Root);
            builder.end();
        });

        assert_eq!(expected, text(&tail));
    }
}

#[test]
fn an_unknown_line_number_is_written_as_python_writes_it() {
    let text = text(&tail(|builder| {
        builder.begin("ValueError", "", Relation::Root);
        builder.frame("shop.py", "pay", 0);
        builder.end();
    }));

    assert_eq!("Traceback (most recent call last):\n  File \"shop.py\", line None, in pay\nValueError", text);
}

#[test]
fn a_walk_given_up_half_way_leaves_a_readable_tail() {
    let text = text(&tail(|builder| {
        builder.begin("RuntimeError", "not charged", Relation::Root);
        builder.begin("ValueError", "no such invoice", Relation::Cause);
        builder.frame("<stdin>", "pay", 2);
    }));

    assert!(
        text.starts_with("Traceback (most recent call last):\n  File \"<stdin>\", line 2, in pay\n"),
        "{text}"
    );
    assert!(text.ends_with("RuntimeError: not charged"), "{text}");
}

/// A tail with something of everything.
fn rich_tail(file: &Path) -> Vec<u8> {
    let file = file.to_str().expect("a path in UTF-8");
    tail(|builder| {
        builder.begin("ExceptionGroup", "all", Relation::Root);
        builder.group(3);
        builder.note("note");
        builder.detail("detail");
        for line in 0..40 {
            builder.frame(file, "retry", line / 4);
        }
        charge(builder, file, Relation::Context);
        charge(builder, file, Relation::GroupMember);
        pay(builder, file, &[("retry", 14)], Relation::GroupMember);
        builder.end();
    })
}
