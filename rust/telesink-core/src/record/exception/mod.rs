//! Exceptions: walked on the caller's thread, told on a lane's thread.
//!
//! [`ExceptionBuilder`] takes what the binding reads from a Python exception (types, messages, notes,
//! frames, cause, context, group members) and encodes it into a compact tail behind a record's body.
//! [`render`] turns a tail into the text of `traceback.format_exception` of Python 3.11, without the
//! lines of carets, reading source lines through a [`SourceCache`].
//!
//! A tail is private to this module and uses the protobuf wire format, so that whatever is malformed or
//! cut ends early instead of being an error:
//!
//! ```text
//! message Exception {
//!   string type = 1;          string message = 2;      repeated string note = 3;
//!   repeated string detail = 4;                        repeated FrameRun frame = 6;
//!   uint32 group_total = 7;   Exception cause = 8;     Exception context = 9;
//!   repeated Exception member = 10;                    fixed32 frames_left_out = 11;
//!   repeated uint32 relation_left_out = 12;
//! }
//! message FrameRun { string filename = 1; string function = 2; fixed32 line = 3; fixed32 count = 4; }
//! ```

mod encode;
mod frames;
mod render;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod view;

pub use encode::ExceptionBuilder;
pub use render::render;
pub use source::SourceCache;

/// Most exceptions in one tail, the root included. A chain that long is a loop that retries, and says the
/// same thing each time.
pub const EXCEPTIONS_MAX: usize = 64;

/// Most runs of frames kept from the outer end of one traceback. Python's default recursion limit is 1,000
/// frames, so that both ends together show half of the worst usual case.
pub const FRAME_RUNS_OUTER_MAX: usize = 256;

/// Most runs of frames kept from the inner end of one traceback, where the exception was raised.
pub const FRAME_RUNS_INNER_MAX: usize = 256;

/// Most notes of one exception, and most detail lines.
pub const NOTES_MAX: usize = 64;

/// Longest file name of a frame, in bytes.
pub const FILENAME_BYTES_MAX: usize = 1024;

/// Longest function name of a frame, in bytes.
pub const FUNCTION_BYTES_MAX: usize = 256;

/// Longest qualified name of an exception type, in bytes.
pub const TYPE_BYTES_MAX: usize = 512;

/// Longest message, note or detail line, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Members of one group that are shown; the rest is told as a number. `CPython`'s `max_group_width`.
pub const GROUP_MEMBERS_MAX: usize = 15;

/// Groups inside groups that are shown. `CPython`'s `max_group_depth`.
pub const GROUP_DEPTH_MAX: usize = 10;

/// What an exception is to the one it is told with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The exception that was logged.
    Root,
    /// `__cause__`: named by `raise … from`.
    Cause,
    /// `__context__`: was being handled when its parent was raised, and is not suppressed.
    Context,
    /// One of `exceptions` of an exception group.
    GroupMember,
}

/// Numbers of the fields of the message `Exception`, and how fields are tagged.
mod field {
    use super::super::wire::varint_len;

    pub(super) const VARINT: u8 = 0;
    pub(super) const LENGTH: u8 = 2;
    pub(super) const FIXED32: u8 = 5;

    pub(super) const TYPE: u32 = 1;
    pub(super) const MESSAGE: u32 = 2;
    pub(super) const NOTE: u32 = 3;
    pub(super) const DETAIL: u32 = 4;
    pub(super) const FRAME: u32 = 6;
    pub(super) const GROUP_TOTAL: u32 = 7;
    pub(super) const CAUSE: u32 = 8;
    pub(super) const CONTEXT: u32 = 9;
    pub(super) const MEMBER: u32 = 10;
    pub(super) const FRAMES_LEFT_OUT: u32 = 11;
    pub(super) const RELATION_LEFT_OUT: u32 = 12;

    /// The tag of a field; all numbers here are below 16, so that it is one byte.
    pub(super) const fn tag(number: u32, wire_type: u8) -> u8 {
        (number as u8) << 3 | wire_type
    }

    /// Bytes of a field that holds `len` bytes of text.
    #[inline]
    pub(super) const fn text_field_len(len: usize) -> usize {
        1 + varint_len(len as u64) + len
    }
}

/// Numbers of the fields of the message `FrameRun`.
mod frame_field {
    pub(super) const FILENAME: u32 = 1;
    pub(super) const FUNCTION: u32 = 2;
    pub(super) const LINE: u32 = 3;
    pub(super) const COUNT: u32 = 4;
}

/// Cuts `text` to at most `bytes_max` bytes at a character boundary.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
