//! Starting the worker's thread: lazily, with all signals blocked, and without panicking when the system refuses.

use super::{Lane, worker};
use crate::clock;
use crate::signals::with_signals_blocked;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long to leave a system alone that refused a thread.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Enough for `SQLite` and for rendering nested values of the greatest depth that capture allows.
const STACK_BYTES: usize = 1 << 20;

/// Linux shows 15 bytes of a thread's name.
const THREAD_NAME_BYTES_MAX: usize = 15;

impl Lane {
    /// Starts the worker if there is none. A refusal (out of threads) is told once a minute and tried again with a
    /// later record; the records wait in the queue. A lane that is over does not start again: its numbers would.
    #[cold]
    pub(super) fn start_thread(self: &Arc<Self>) {
        let mut refused_at = self.start.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.account.lock().is_finished {
            self.sweep();
            return;
        }
        let now = clock::monotonic();
        if self.has_thread.load(Ordering::Acquire)
            || refused_at.is_some_and(|at| now.duration_since(at) < RETRY_AFTER)
        {
            return;
        }
        let lane = Arc::clone(self);
        let full_name = format!("telesink-{}", self.spec.name);
        let name = full_name[..full_name.floor_char_boundary(THREAD_NAME_BYTES_MAX)].to_owned();
        let builder = std::thread::Builder::new().name(name).stack_size(STACK_BYTES);
        match with_signals_blocked(|| builder.spawn(move || worker::supervise(&lane))) {
            // The handle is let go: a thread that hangs in its sink is never joined, only waited for with a deadline.
            Ok(_handle) => self.has_thread.store(true, Ordering::Release),
            Err(error) => {
                *refused_at = Some(now);
                self.shared.diagnostics.say("thread", || {
                    format!(
                        "could not start the thread of sink {}: {error}; records wait in memory",
                        self.spec.name
                    )
                });
            }
        }
    }
}
