//! The text of an exception, as `traceback.format_exception` of Python 3.11 writes it, without carets.

use super::source::SourceCache;
use super::text::BoundedText;
use super::view::{ExceptionView, FrameItem, Link};
use super::{EXCEPTIONS_MAX, GROUP_DEPTH_MAX, GROUP_MEMBERS_MAX};
use std::fmt::Write;

/// Identical frames in a row that are written out before they are counted; `CPython`'s `_RECURSIVE_CUTOFF`.
const REPEATS_SHOWN: u32 = 3;

const CAUSE: &str = "\nThe above exception was the direct cause of the following exception:\n\n";
const CONTEXT: &str = "\nDuring handling of the above exception, another exception occurred:\n\n";

/// Appends the text of an encoded exception to `out`, at most `bytes_max` bytes, without a newline at its end;
/// whether something was taken out to keep that limit.
///
/// Source lines that `sources` cannot read are left out, as `CPython` does. What a malformed `tail` still says
/// is written; an empty one writes nothing. Where the builder left things out, a line in square brackets says so.
pub fn render(tail: &[u8], sources: &mut SourceCache, out: &mut String, bytes_max: usize) -> bool {
    let mut renderer = Renderer {
        sources,
        text: BoundedText::new(out, bytes_max),
        line: String::new(),
        group_depth: 0,
        needs_close: false,
        exceptions_left: EXCEPTIONS_MAX,
    };
    if !tail.is_empty() {
        renderer.sources.start_rendering();
        renderer.chain(tail);
    }
    renderer.text.finish()
}

struct Renderer<'s, 'o> {
    sources: &'s mut SourceCache,
    text: BoundedText<'o>,
    /// What is being put together, a whole number of lines; kept to be used again.
    line: String,
    /// How many groups deep we are; the indent is twice that.
    group_depth: usize,
    /// Whether the last member so far still needs the rule below it. A group that ends with a group shares it.
    needs_close: bool,
    exceptions_left: usize,
}

impl Renderer<'_, '_> {
    /// An exception and those it came from, the oldest first.
    fn chain(&mut self, tail: &[u8]) {
        let mut links = Vec::new();
        let mut next = Link::To(tail);
        while let Link::To(fields) = next {
            if self.exceptions_left == 0 {
                next = Link::LeftOut;
                break;
            }
            self.exceptions_left -= 1;
            let exception = ExceptionView::read(fields);
            let lead = match (exception.cause, exception.context) {
                (Link::None, Link::None) => None,
                (Link::None, _) => Some(CONTEXT),
                _ => Some(CAUSE),
            };
            next = if lead == Some(CONTEXT) { exception.context } else { exception.cause };
            links.push((lead, exception));
        }
        if next == Link::LeftOut {
            self.emit("[exceptions left out]\n");
        }
        for (lead, exception) in links.iter().rev() {
            if let Some(lead) = lead {
                self.emit(lead);
            }
            match exception.group_total {
                Some(_) if self.group_depth > GROUP_DEPTH_MAX => {
                    self.emit(&format!("... (max_group_depth is {GROUP_DEPTH_MAX})\n"));
                }
                Some(total) => self.group(exception, total),
                None => self.single(exception),
            }
        }
    }

    fn single(&mut self, exception: &ExceptionView<'_>) {
        if exception.has_frames {
            self.emit("Traceback (most recent call last):\n");
            self.frames(exception);
        }
        self.conclusion(exception);
    }

    fn group(&mut self, exception: &ExceptionView<'_>, total: usize) {
        let is_outermost = self.group_depth == 0;
        self.group_depth += usize::from(is_outermost);
        if exception.has_frames {
            let margin = if is_outermost { "+ " } else { "| " };
            self.emit_with("Exception Group Traceback (most recent call last):\n", margin);
            self.frames(exception);
        }
        self.conclusion(exception);
        let shown = exception.members().take(GROUP_MEMBERS_MAX).count();
        let hidden = total.max(exception.members().count()) - shown;
        let count = shown + usize::from(hidden > 0);
        self.needs_close = false;
        for (index, member) in exception.members().take(shown).enumerate() {
            let title = (index + 1).to_string();
            self.member(&title, index == 0, index + 1 == count, |renderer| renderer.chain(member));
        }
        if hidden > 0 {
            let plural = if hidden > 1 { "s" } else { "" };
            self.member("...", shown == 0, true, |renderer| {
                renderer.emit(&format!("and {hidden} more exception{plural}\n"));
            });
        }
        if is_outermost {
            self.group_depth = 0;
        }
    }

    /// One member: the rule above it, what `write` writes, and the last rule if it is the last.
    fn member(&mut self, title: &str, is_first: bool, is_last: bool, write: impl FnOnce(&mut Self)) {
        self.needs_close |= is_last;
        self.indent();
        self.text.push_str(if is_first { "+-" } else { "  " });
        self.text.push_str(&format!("+---------------- {title} ----------------\n"));
        self.group_depth += 1;
        write(self);
        if is_last && self.needs_close {
            self.indent();
            self.text.push_str("+------------------------------------\n");
            self.needs_close = false;
        }
        self.group_depth -= 1;
    }

    fn frames(&mut self, exception: &ExceptionView<'_>) {
        for item in exception.frames() {
            match item {
                FrameItem::Gap(count) => {
                    let plural = if count > 1 { "s" } else { "" };
                    self.emit(&format!("  [{count} frame{plural} left out]\n"));
                }
                FrameItem::Run { filename, function, line, count } => {
                    self.run(filename, function, line, count);
                }
            }
        }
    }

    fn run(&mut self, filename: &str, function: &str, line: u32, count: u32) {
        let mut text = std::mem::take(&mut self.line);
        text.clear();
        text.extend(["  File \"", filename, "\", line "]);
        push_line_number(&mut text, line);
        text.extend([", in ", function, "\n"]);
        if let Some(source) = self.sources.line(filename, line) {
            text.extend(["    ", &source, "\n"]);
        }
        for _ in 0..count.min(REPEATS_SHOWN) {
            self.emit(&text);
        }
        self.line = text;
        if count > REPEATS_SHOWN {
            let more = count - REPEATS_SHOWN;
            let plural = if more > 1 { "s" } else { "" };
            self.emit(&format!("  [Previous line repeated {more} more time{plural}]\n"));
        }
    }

    /// What stands below the frames: details, type and message, notes.
    fn conclusion(&mut self, exception: &ExceptionView<'_>) {
        for detail in exception.details() {
            self.emit_parts(&[detail, "\n"]);
        }
        let separator = if exception.message.is_empty() { "" } else { ": " };
        self.emit_parts(&[exception.type_name, separator, exception.message, "\n"]);
        for note in exception.notes() {
            self.emit_parts(&[note, "\n"]);
        }
    }

    fn emit_parts(&mut self, parts: &[&str]) {
        let mut text = std::mem::take(&mut self.line);
        text.clear();
        text.extend(parts.iter().copied());
        self.emit(&text);
        self.line = text;
    }

    fn emit(&mut self, text: &str) {
        self.emit_with(text, "| ");
    }

    /// Writes `text`, inside groups with indent and margin before each line.
    fn emit_with(&mut self, text: &str, margin: &str) {
        if self.group_depth == 0 {
            self.text.push_str(text);
            return;
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(line_len(rest));
            self.indent();
            self.text.push_str(margin);
            self.text.push_str(line);
            rest = behind;
        }
    }

    fn indent(&mut self) {
        for _ in 0..self.group_depth {
            self.text.push_str("  ");
        }
    }
}

/// Bytes of the first line with its end, by the rules of Python's `str.splitlines`, which indents by them.
fn line_len(text: &str) -> usize {
    let is_end =
        |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let Some((at, end)) = text.char_indices().find(|(_, c)| is_end(*c)) else { return text.len() };
    at + if text[at..].starts_with("\r\n") { 2 } else { end.len_utf8() }
}

/// `CPython` writes `None` for a line that is not known.
fn push_line_number(text: &mut String, line: u32) {
    if line == 0 {
        text.push_str("None");
    } else {
        // Writing to a `String` cannot fail.
        let written = write!(text, "{line}");
        debug_assert!(written.is_ok());
    }
}
