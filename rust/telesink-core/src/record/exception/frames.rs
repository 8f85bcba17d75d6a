//! One row of frames in a tail: folds repetitions, keeps both ends.

use super::super::wire::{Fields, Wire, put_bytes, put_varint};
use super::field::{self, FIXED32, LENGTH, tag, text_field_len};
use super::{FRAME_RUNS_INNER_MAX, FRAME_RUNS_OUTER_MAX, frame_field};

/// Bytes of the field `frames_left_out`.
const GAP_BYTES: usize = 5;

/// Bytes of a frame run behind its function name: line and count, each with its tag.
const RUN_END_BYTES: usize = 10;

/// The row that is being written. Its last run is the end of the buffer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameRow {
    start: usize,
    /// Where the runs behind the gap start, once there is one.
    inner_start: Option<usize>,
    outer_runs: usize,
    inner_runs: usize,
    last: Option<LastRun>,
}

/// Enough to find the last run from the end of the buffer and to compare the next frame with it.
#[derive(Debug, Clone, Copy)]
struct LastRun {
    filename_len: usize,
    function_len: usize,
    line: u32,
}

impl FrameRow {
    pub(super) fn is_empty(&self) -> bool {
        self.outer_runs == 0
    }

    /// Appends a frame so that `out` ends at `end_max` at most; `false` if frames had to be left out for it.
    #[inline]
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        filename: &str,
        function: &str,
        line: u32,
        end_max: usize,
    ) -> bool {
        if self.repeats_last(out, filename, function, line) {
            if let Some(count) = out.last_chunk_mut() {
                *count = u32::from_le_bytes(*count).saturating_add(1).to_le_bytes();
            }
            return true;
        }
        let run_len = text_field_len(filename.len()) + text_field_len(function.len()) + RUN_END_BYTES;
        let end_max = end_max.saturating_sub(text_field_len(run_len) + GAP_BYTES);
        let is_tight = out.len() > end_max;
        if is_tight && !self.make_room(out, end_max) {
            self.count_left_out(out, 1);
            return false;
        }
        if self.inner_start.is_none() && self.outer_runs == FRAME_RUNS_OUTER_MAX {
            self.open_gap(out, out.len());
        }
        if self.is_empty() {
            self.start = out.len();
        }
        put_run(out, filename, function, line, run_len);
        self.last = Some(LastRun { filename_len: filename.len(), function_len: function.len(), line });
        if self.inner_start.is_none() {
            self.outer_runs += 1;
            return true;
        }
        self.inner_runs += 1;
        // Twice the limit before anything moves: each run is then moved once at most, however many come.
        if self.inner_runs == 2 * FRAME_RUNS_INNER_MAX {
            self.leave_out_oldest(out, FRAME_RUNS_INNER_MAX);
        }
        !is_tight
    }

    /// Ends the row; whether more than the inner limit had to be left out.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) -> bool {
        let excess = self.inner_runs.saturating_sub(FRAME_RUNS_INNER_MAX);
        self.leave_out_oldest(out, excess);
        self.last = None;
        self.left_out(out).is_some_and(|count| *count != [0; 4])
    }

    #[inline]
    fn repeats_last(&self, out: &[u8], filename: &str, function: &str, line: u32) -> bool {
        let Some(last) = self.last else { return false };
        if last.line != line || last.function_len != function.len() || last.filename_len != filename.len() {
            return false;
        }
        let function_end = out.len() - RUN_END_BYTES;
        let function_start = function_end - function.len();
        let filename_end = function_end - text_field_len(function.len());
        out[function_start..function_end] == *function.as_bytes()
            && out[filename_end - filename.len()..filename_end] == *filename.as_bytes()
    }

    /// Puts the count of frames left out at `at`; what stands behind it are the inner runs.
    fn open_gap(&mut self, out: &mut Vec<u8>, at: usize) {
        out.splice(at..at, [tag(field::FRAMES_LEFT_OUT, FIXED32), 0, 0, 0, 0]);
        self.inner_start = Some(at + GAP_BYTES);
    }

    /// Leaves out frames from the middle until `out` ends at `end_max`, so that both ends of the row stay.
    fn make_room(&mut self, out: &mut Vec<u8>, end_max: usize) -> bool {
        if self.inner_start.is_none() {
            let outer_runs = self.outer_runs / 2;
            if outer_runs == 0 {
                return false;
            }
            let (bytes, _) = measure_runs(&out[self.start..], outer_runs);
            self.inner_runs = self.outer_runs - outer_runs;
            self.outer_runs = outer_runs;
            self.open_gap(out, self.start + bytes);
        }
        while out.len() > end_max && self.inner_runs > 0 {
            self.leave_out_oldest(out, self.inner_runs.div_ceil(2));
        }
        out.len() <= end_max
    }

    /// Leaves out the first `runs` of the inner runs and adds their frames to the count in the gap.
    fn leave_out_oldest(&mut self, out: &mut Vec<u8>, runs: usize) {
        let Some(start) = self.inner_start.filter(|_| runs > 0) else { return };
        let (bytes, frames) = measure_runs(&out[start..], runs);
        out.drain(start..start + bytes);
        self.inner_runs -= runs;
        if self.inner_runs == 0 {
            self.last = None;
        }
        self.count_left_out(out, frames);
    }

    fn count_left_out(&self, out: &mut [u8], frames: u32) {
        if let Some(count) = self.left_out(out) {
            *count = u32::from_le_bytes(*count).saturating_add(frames).to_le_bytes();
        }
    }

    /// The count in the gap, once there is one.
    fn left_out<'o>(&self, out: &'o mut [u8]) -> Option<&'o mut [u8; 4]> {
        out[..self.inner_start?].last_chunk_mut()
    }
}

#[inline]
fn put_run(out: &mut Vec<u8>, filename: &str, function: &str, line: u32, run_len: usize) {
    out.reserve(text_field_len(run_len));
    out.push(tag(field::FRAME, LENGTH));
    put_varint(out, run_len as u64);
    put_bytes(out, tag(frame_field::FILENAME, LENGTH), filename.as_bytes());
    put_bytes(out, tag(frame_field::FUNCTION, LENGTH), function.as_bytes());
    let mut end = [0; RUN_END_BYTES];
    end[0] = tag(frame_field::LINE, FIXED32);
    end[1..5].copy_from_slice(&line.to_le_bytes());
    end[5] = tag(frame_field::COUNT, FIXED32);
    end[6] = 1;
    out.extend_from_slice(&end);
}

/// Bytes of the first `runs` runs, and how many frames they stand for.
fn measure_runs(bytes: &[u8], runs: usize) -> (usize, u32) {
    let mut measured = (0, 0_u32);
    for (_, wire) in Fields::new(bytes).take(runs) {
        if let Wire::Bytes(run) = wire {
            let count = run.last_chunk().map_or(0, |count| u32::from_le_bytes(*count));
            measured.0 += text_field_len(run.len());
            measured.1 = measured.1.saturating_add(count);
        }
    }
    measured
}
