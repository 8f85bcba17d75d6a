//! The builder: encodes one tree of exceptions while it is walked.

use super::super::wire::{NESTED_LENGTH_BYTES, begin_nested, end_nested, put_bytes, put_varint};
use super::field::{LENGTH, VARINT, tag, text_field_len};
use super::frames::FrameRow;
use super::{
    EXCEPTIONS_MAX, FILENAME_BYTES_MAX, FUNCTION_BYTES_MAX, MESSAGE_BYTES_MAX, NOTES_MAX, Relation,
    TYPE_BYTES_MAX, cut, field,
};
use std::borrow::Cow;

/// An exception is begun only while this much room is left: enough for a type, some message and a frame.
const EXCEPTION_BYTES_MIN: usize = 512;

/// Kept free for the two-byte marks of exceptions left out, one for each that can be open.
const MARKS_BYTES: usize = 2 * EXCEPTIONS_MAX;

/// Largest limit in use: a nested message counts its bytes in 28 bits.
const BYTES_LIMIT: usize = 64 * 1024 * 1024;

/// Encodes one exception with its chain into a buffer that the caller keeps for the next one.
///
/// For each exception: [`begin`](Self::begin), then its own parts (group, notes, details, frames), then its
/// cause, context or members in the same way, then [`end`](Self::end). Frames come in one row, with notes and
/// details before or after it. What comes too late, is too long or too much is left out and makes
/// [`is_truncated`](Self::is_truncated) true; nothing fails. An exception may fill three quarters of the room
/// that is left, so that one endless traceback cannot hide the exceptions behind it; when its frames need
/// more, those in the middle go first.
///
/// Dropping the builder closes what is still open: a walk given up half way leaves a readable tail.
#[derive(Debug)]
pub struct ExceptionBuilder<'a> {
    out: &'a mut Vec<u8>,
    bytes_max: usize,
    /// Up to where the own parts of the innermost open exception may fill the buffer.
    own_end_max: usize,
    open: [u32; EXCEPTIONS_MAX],
    depth: usize,
    exceptions: usize,
    skipped: usize,
    takes_texts: bool,
    takes_frames: bool,
    notes: usize,
    details: usize,
    frames: FrameRow,
    marks: Marks,
}

/// What happened to what was reported.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    truncated: bool,
    sanitised: bool,
}

impl<'a> ExceptionBuilder<'a> {
    /// Clears `out` and starts a tail of at most `bytes_max` bytes (64 MiB at most). Below about 700 bytes
    /// there is no room for even one exception, and the tail stays empty.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, bytes_max: usize) -> Self {
        out.clear();
        Self {
            out,
            bytes_max: bytes_max.min(BYTES_LIMIT),
            own_end_max: 0,
            open: [0; EXCEPTIONS_MAX],
            depth: 0,
            exceptions: 0,
            skipped: 0,
            takes_texts: false,
            takes_frames: false,
            notes: 0,
            details: 0,
            frames: FrameRow::default(),
            marks: Marks::default(),
        }
    }

    /// Begins an exception below the innermost open one, or the root. `type_name` is the qualified name
    /// with its module, which `CPython` leaves out for `builtins` and `__main__`.
    ///
    /// `false` means that it is left out: the caller need not walk it, and what it reports until the matching
    /// [`end`](Self::end) is ignored. `end` is called for each `begin`, whatever the answer was.
    #[inline]
    pub fn begin(&mut self, type_name: &str, message: &str, relation: Relation) -> bool {
        self.close_own_parts();
        if self.skipped > 0 || !self.has_room_for(relation) {
            self.skip(relation);
            return false;
        }
        if self.depth > 0 {
            self.open[self.depth] = begin_nested(self.out, child_tag(relation)) as u32;
        }
        self.depth += 1;
        self.exceptions += 1;
        self.own_end_max = self.out.len() + self.room() / 4 * 3;
        self.takes_texts = true;
        self.takes_frames = true;
        self.notes = 0;
        self.details = 0;
        self.frames = FrameRow::default();
        self.put_text(tag(field::TYPE, LENGTH), type_name, TYPE_BYTES_MAX);
        self.put_text(tag(field::MESSAGE, LENGTH), message, MESSAGE_BYTES_MAX);
        true
    }

    /// Makes the innermost open exception a group of `members_total` members. Only the first
    /// [`GROUP_MEMBERS_MAX`](super::GROUP_MEMBERS_MAX) need be walked; the others are told as a number.
    pub fn group(&mut self, members_total: u32) {
        self.close_frames();
        if !self.takes_texts || self.own_room() < 8 {
            self.marks.truncated = true;
            return;
        }
        self.out.push(tag(field::GROUP_TOTAL, VARINT));
        put_varint(self.out, u64::from(members_total));
    }

    /// One of `__notes__`; at most [`NOTES_MAX`].
    pub fn note(&mut self, note: &str) {
        if self.takes_texts && self.notes < NOTES_MAX {
            self.notes += 1;
            self.put_own_text(tag(field::NOTE, LENGTH), note);
        } else {
            self.marks.truncated = true;
        }
    }

    /// A line as it stands, printed between the frames and the type; at most [`NOTES_MAX`]. What `CPython`
    /// prints there for a `SyntaxError`: `  File "{filename}", line {lineno}` if there is a line number, and
    /// four spaces before the text, which loses `\n` at its end and blanks, `\n` and `\f` at its start.
    pub fn detail(&mut self, line: &str) {
        if self.takes_texts && self.details < NOTES_MAX {
            self.details += 1;
            self.put_own_text(tag(field::DETAIL, LENGTH), line);
        } else {
            self.marks.truncated = true;
        }
    }

    /// One frame, outermost call first. A `line` of zero is one that is not known.
    #[inline]
    pub fn frame(&mut self, filename: &str, function: &str, line: u32) {
        if !self.takes_frames {
            self.marks.truncated = true;
            return;
        }
        let filename = clean(filename, FILENAME_BYTES_MAX, &mut self.marks);
        let function = clean(function, FUNCTION_BYTES_MAX, &mut self.marks);
        self.marks.truncated |= !self.frames.push(self.out, &filename, &function, line, self.own_end_max);
    }

    /// Closes the innermost open exception.
    #[inline]
    pub fn end(&mut self) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        self.close_own_parts();
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 {
            end_nested(self.out, self.open[self.depth] as usize);
        }
    }

    /// Whether anything was cut or left out so far. Frames beyond the limits are settled when their exception
    /// gets its first child or ends.
    pub fn is_truncated(&self) -> bool {
        self.marks.truncated
    }

    /// Whether NUL stood in a text and was replaced by U+2400.
    pub fn is_sanitised(&self) -> bool {
        self.marks.sanitised
    }

    /// Bytes that may still be written.
    fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.out.len() + MARKS_BYTES)
    }

    /// Bytes that the own parts of the innermost open exception may still fill.
    fn own_room(&self) -> usize {
        self.own_end_max.saturating_sub(self.out.len())
    }

    fn has_room_for(&self, relation: Relation) -> bool {
        let is_root = relation == Relation::Root;
        let fits_tree = if self.exceptions == 0 { is_root } else { self.depth > 0 && !is_root };
        fits_tree && self.exceptions < EXCEPTIONS_MAX && self.room() >= EXCEPTION_BYTES_MIN
    }

    fn skip(&mut self, relation: Relation) {
        // Members need no mark: a group knows how many it has.
        let is_link = matches!(relation, Relation::Cause | Relation::Context);
        if self.skipped == 0 && self.depth > 0 && is_link && self.out.len() + 2 <= self.bytes_max {
            let number = if relation == Relation::Cause { field::CAUSE } else { field::CONTEXT };
            self.out.extend_from_slice(&[tag(field::RELATION_LEFT_OUT, VARINT), number as u8]);
        }
        self.skipped += 1;
        self.marks.truncated = true;
    }

    fn close_own_parts(&mut self) {
        self.close_frames();
        self.takes_texts = false;
        self.takes_frames = false;
    }

    /// Ends the row of frames, if one was begun.
    fn close_frames(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        self.marks.truncated |= self.frames.close(self.out);
        self.takes_frames = false;
    }

    fn put_own_text(&mut self, text_tag: u8, text: &str) {
        self.close_frames();
        self.put_text(text_tag, text, MESSAGE_BYTES_MAX);
    }

    /// Writes a text that takes at most half of the room: frames are worth more than the end of a long message.
    fn put_text(&mut self, text_tag: u8, text: &str, bytes_max: usize) {
        let text = clean(text, bytes_max.min(self.own_room() / 2), &mut self.marks);
        if self.own_room() >= text_field_len(text.len()) {
            put_bytes(self.out, text_tag, text.as_bytes());
        } else {
            self.marks.truncated = true;
        }
    }
}

impl Drop for ExceptionBuilder<'_> {
    fn drop(&mut self) {
        self.skipped = 0;
        while self.depth > 0 {
            self.end();
        }
    }
}

fn child_tag(relation: Relation) -> u8 {
    let number = match relation {
        Relation::Cause => field::CAUSE,
        Relation::Root | Relation::Context => field::CONTEXT,
        Relation::GroupMember => field::MEMBER,
    };
    tag(number, LENGTH)
}

/// Cuts `text` and takes out NUL, as for all text of a record.
#[inline]
fn clean<'t>(text: &'t str, bytes_max: usize, marks: &mut Marks) -> Cow<'t, str> {
    let short = if text.len() > bytes_max { cut(text, bytes_max) } else { text };
    marks.truncated |= short.len() < text.len();
    if memchr::memchr(0, short.as_bytes()).is_none() {
        return Cow::Borrowed(short);
    }
    marks.sanitised = true;
    let mut mended = short.replace('\0', "\u{2400}");
    if mended.len() > bytes_max {
        mended.truncate(mended.floor_char_boundary(bytes_max));
        marks.truncated = true;
    }
    Cow::Owned(mended)
}

const _: () = assert!(BYTES_LIMIT < 1 << (7 * NESTED_LENGTH_BYTES));
