//! Used buffers, kept for the next records.
//!
//! A record is built on a caller's thread and freed on a lane's. Left to the allocator, the lane's frees wait at the
//! lock of the arena that the caller allocates from, and the caller has to wake the lane: a system call, in about
//! one log call of two hundred. So the lane hands buffers back here and callers take them. Nobody waits: who finds a
//! shelf busy, or a fork finds it locked for ever, uses the allocator.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Buffers are as long as a multiple of this: a cache line. On average half of it is unused.
const STEP_BYTES: usize = 64;

/// Sizes kept, up to 4 KiB: log records, spans, and events of a model's call. Longer records are rare, and encoding them
/// costs far more than an allocation.
const SHELVES: usize = 64;

/// Most bytes kept: a full batch (8,192) of records of half a kilobyte.
const KEPT_BYTES_MAX: usize = 4 << 20;

static POOL: Pool = Pool::new();

/// A buffer that begins with these bytes, and that nobody else holds.
#[inline]
pub(super) fn copy_of(bytes: &[u8]) -> Arc<[u8]> {
    POOL.copy_of(bytes)
}

/// Keeps a buffer for the next record, unless somebody else holds it or enough are kept.
pub(super) fn give(buffer: Arc<[u8]>) {
    POOL.give(buffer);
}

#[derive(Debug)]
struct Pool {
    /// One for each size, smallest first; the last buffer given is the first taken, being the warmest.
    shelves: [Mutex<Vec<Arc<[u8]>>>; SHELVES],
    kept_bytes: AtomicUsize,
}

impl Pool {
    const fn new() -> Self {
        Self { shelves: [const { Mutex::new(Vec::new()) }; SHELVES], kept_bytes: AtomicUsize::new(0) }
    }

    #[inline]
    fn copy_of(&self, bytes: &[u8]) -> Arc<[u8]> {
        let rounded = bytes.len().next_multiple_of(STEP_BYTES);
        let Some(shelf) = self.shelf(rounded) else { return Arc::from(bytes) };
        let mut buffer = match shelf.try_lock().ok().and_then(|mut kept| kept.pop()) {
            Some(buffer) => {
                self.kept_bytes.fetch_sub(rounded, Ordering::Relaxed);
                buffer
            }
            None => zeroed(rounded),
        };
        // Behind it lies what an earlier record left.
        if let Some(room) = Arc::get_mut(&mut buffer) {
            room[..bytes.len()].copy_from_slice(bytes);
        }
        buffer
    }

    fn give(&self, mut buffer: Arc<[u8]>) {
        let bytes = buffer.len();
        let Some(shelf) = self.shelf(bytes) else { return };
        // Another lane, or whoever reads a `memory://` ring, may still look at it.
        if Arc::get_mut(&mut buffer).is_none() {
            return;
        }
        // Counted before it is there to be taken, so that the count never falls below zero.
        if self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= KEPT_BYTES_MAX
            && let Ok(mut kept) = shelf.try_lock()
        {
            kept.push(buffer);
        } else {
            self.kept_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Where buffers of exactly this length are kept.
    fn shelf(&self, bytes: usize) -> Option<&Mutex<Vec<Arc<[u8]>>>> {
        let steps = bytes / STEP_BYTES;
        if bytes.is_multiple_of(STEP_BYTES) && steps > 0 { self.shelves.get(steps - 1) } else { None }
    }
}

#[cold]
fn zeroed(bytes: usize) -> Arc<[u8]> {
    std::iter::repeat_n(0, bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_back_is_taken_again() {
        let pool = Pool::new();
        let buffer = pool.copy_of(&[7; 100]);
        assert_eq!(buffer.len(), 128);
        let address = buffer.as_ptr();
        pool.give(buffer);
        assert_eq!(pool.kept_bytes.load(Ordering::Relaxed), 128);
        assert_eq!(pool.copy_of(&[7; 65]).as_ptr(), address, "any length of the same size fits");
        assert_eq!(pool.kept_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_buffer_that_somebody_holds_is_not_kept() {
        let pool = Pool::new();
        let buffer = pool.copy_of(&[7; 100]);
        let held = Arc::clone(&buffer);
        pool.give(buffer);
        assert_eq!(pool.kept_bytes.load(Ordering::Relaxed), 0);
        assert_ne!(pool.copy_of(&[7; 100]).as_ptr(), held.as_ptr());
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let pool = Pool::new();
        let buffers: Vec<_> = (0..2 * KEPT_BYTES_MAX / 1024).map(|_| pool.copy_of(&[7; 1024])).collect();
        for buffer in buffers {
            pool.give(buffer);
        }
        assert_eq!(pool.kept_bytes.load(Ordering::Relaxed), KEPT_BYTES_MAX);
    }

    #[test]
    fn a_busy_shelf_makes_nobody_wait() {
        let pool = Pool::new();
        let buffer = pool.copy_of(&[7; 64]);
        let held = pool.shelf(64).map(|shelf| shelf.lock());
        assert_eq!(pool.copy_of(&[7; 64]).len(), 64);
        pool.give(buffer);
        drop(held);
        assert_eq!(pool.kept_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn long_buffers_are_exact_and_never_kept() {
        let pool = Pool::new();
        let longest = SHELVES * STEP_BYTES;
        assert_eq!(pool.copy_of(&vec![7; longest + 1]).len(), longest + 1);
        pool.give(pool.copy_of(&vec![7; longest + STEP_BYTES]));
        assert_eq!(pool.kept_bytes.load(Ordering::Relaxed), 0);
    }
}
