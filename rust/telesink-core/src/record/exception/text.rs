//! Text with a limit that keeps both of its ends.

use super::cut;

/// Longest text of the mark that stands for what was left out.
const MARK_BYTES_MAX: usize = 48;

/// Appends to a string, at most `bytes_max` bytes. What does not fit is taken out of the middle: a traceback
/// says at its end what happened.
#[derive(Debug)]
pub(super) struct BoundedText<'o> {
    out: &'o mut String,
    start: usize,
    bytes_max: usize,
    /// Where the first part ends, once something was left out.
    head_end: Option<usize>,
    bytes_left_out: usize,
}

impl<'o> BoundedText<'o> {
    pub(super) fn new(out: &'o mut String, bytes_max: usize) -> Self {
        let start = out.len();
        Self { out, start, bytes_max, head_end: None, bytes_left_out: 0 }
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.out.push_str(text);
        // Twice the limit before anything moves: each byte is then moved once at most.
        if self.out.len() - self.start > self.bytes_max.saturating_mul(2) {
            self.shorten();
        }
    }

    /// Takes off one newline at the end and enforces the limit; whether something was left out.
    pub(super) fn finish(mut self) -> bool {
        if self.out.len() > self.start && self.out.ends_with('\n') {
            self.out.pop();
        }
        self.shorten();
        let Some(head_end) = self.head_end else { return false };
        let lead = if head_end == self.start || self.out[..head_end].ends_with('\n') { "" } else { "\n" };
        self.out.insert_str(head_end, &format!("{lead}[{} bytes left out]\n", self.bytes_left_out));
        let end = self.start + self.bytes_max;
        self.out.truncate(self.out.floor_char_boundary(end));
        true
    }

    fn shorten(&mut self) {
        if self.out.len() - self.start <= self.bytes_max {
            return;
        }
        let kept_max = self.bytes_max.saturating_sub(MARK_BYTES_MAX);
        let head_end = *self.head_end.get_or_insert_with(|| {
            let head = cut(&self.out[self.start..], kept_max / 2);
            // A whole last line reads better, unless that would cost most of the part.
            let whole_lines = head.rfind('\n').map_or(0, |at| at + 1);
            self.start + if whole_lines * 2 > head.len() { whole_lines } else { head.len() }
        });
        let tail_len_max = kept_max - (head_end - self.start);
        let mut tail_start = self.out.ceil_char_boundary((self.out.len() - tail_len_max).max(head_end));
        let tail = &self.out[tail_start..];
        if let Some(at) = tail.find('\n').filter(|at| at * 2 < tail.len()) {
            tail_start += at + 1;
        }
        self.bytes_left_out += tail_start - head_end;
        self.out.drain(head_end..tail_start);
    }
}
