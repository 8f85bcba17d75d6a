//! Forks must not happen in the middle of a call into a C library that keeps state of its own.
//!
//! The child of a fork inherits that state as it was at the moment: a lock that another thread held stays locked for
//! ever. `SQLite` keeps one table of files and locks per process; forked while a lane was inside a transaction, the
//! child's own connection to the same file answered "database is locked" until it ended, or hung (2 of 6 runs of 50
//! forks under load). So a sink says when it is inside, and a fork waits, with a limit, until nobody is.
//!
//! A fork that nobody prepared (a raw `clone`) may also leave connections open on both sides. Their locks and the table
//! are shared then, so such a child cannot use the library at all; it is told so. [`is_unsound`] knows both cases.
//!
//! Only atomics: whatever holds a lock at the moment of the fork would be the same fault again.

use crate::clock;
use crate::sinks::sqlite;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Longest time that a fork waits for a lane while other threads go on: a batch of the default size takes 25 ms, a disk
/// that syncs slowly a second or two. A child forked in the middle could never write to `SQLite`, which is worse than
/// the wait.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The same where the waiting thread may keep all others from going on.
const BRIEF_WAIT_MAX: Duration = Duration::from_millis(500);

/// Longest time that a lane stays out: longer than a fork and its waits take, yet a fork that went wrong must not stop
/// it.
const STAY_OUT_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(STAY_OUT_MAX.as_millis() > (WAIT_MAX.as_millis() + 2 * BRIEF_WAIT_MAX.as_millis()));

/// Between two looks; shorter than what a fork itself takes.
const STEP: Duration = Duration::from_micros(100);

/// Between two looks of somebody who sleeps inside.
const LOOK: Duration = Duration::from_millis(2);

static GATE: Gate = Gate::new();

static IS_UNSOUND: AtomicBool = AtomicBool::new(false);

/// Connections that are open; none may be when the process is forked.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread is between closing them and the end of its fork.
static IS_CLOSING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether it is this thread.
    static CLOSES: Cell<bool> = const { Cell::new(false) };

    /// How many times this thread keeps lanes out.
    static HOLDS: Cell<usize> = const { Cell::new(0) };

    /// Whether this thread has waited for them already.
    static HAS_WAITED: Cell<bool> = const { Cell::new(false) };
}

/// Who is inside, and who wants to fork.
#[derive(Debug)]
struct Gate {
    inside: AtomicUsize,
    forks: AtomicUsize,
}

/// Proof of being inside; ends when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Inside<'g> {
    gate: &'g Gate,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.gate.leave();
    }
}

/// Proof that a connection is open; ends when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Opened(());

impl Drop for Opened {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts a connection. To be called before it is opened: what is half open cannot cross a fork either.
pub(crate) fn opened() -> Opened {
    OPEN.fetch_add(1, Ordering::SeqCst);
    Opened(())
}

impl Gate {
    const fn new() -> Self {
        Self { inside: AtomicUsize::new(0), forks: AtomicUsize::new(0) }
    }

    /// Dekker's protocol: each side writes its own counter before it reads the other's, so one of them gives way.
    fn enter(&self) {
        let end = clock::monotonic() + STAY_OUT_MAX;
        loop {
            self.inside.fetch_add(1, Ordering::SeqCst);
            if self.forks.load(Ordering::SeqCst) == 0 || clock::monotonic() >= end {
                return;
            }
            self.leave();
            std::thread::park_timeout(STEP);
        }
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn hold(&self) -> bool {
        self.forks.fetch_add(1, Ordering::SeqCst);
        self.inside.load(Ordering::SeqCst) == 0
    }

    fn is_wanted(&self) -> bool {
        self.forks.load(Ordering::SeqCst) > 0
    }

    fn wait(&self, limit: Duration) -> bool {
        let end = clock::monotonic() + limit;
        while self.inside.load(Ordering::SeqCst) > 0 {
            if clock::monotonic() >= end {
                return false;
            }
            std::thread::park_timeout(STEP);
        }
        true
    }

    fn release(&self) {
        self.forks.fetch_sub(1, Ordering::SeqCst);
    }

    fn reset(&self) {
        self.inside.store(0, Ordering::SeqCst);
        self.forks.store(0, Ordering::SeqCst);
    }
}

/// Goes inside; waits while a fork is under way.
pub(crate) fn enter() -> Inside<'static> {
    GATE.enter();
    Inside { gate: &GATE }
}

/// Sleeps for `pause` while inside, in short steps. Answers false at once when a fork wants everybody out.
pub(crate) fn sleep_unless_wanted(pause: Duration) -> bool {
    let end = clock::monotonic() + pause;
    loop {
        let left = end.saturating_duration_since(clock::monotonic());
        if GATE.is_wanted() {
            return false;
        }
        if left.is_zero() {
            return true;
        }
        std::thread::park_timeout(left.min(LOOK));
    }
}

/// Whether this process was forked while somebody was inside all the same, or a connection was open: what the library
/// knows is not true here.
pub(crate) fn is_unsound() -> bool {
    IS_UNSOUND.load(Ordering::SeqCst)
}

/// Before a fork, in the parent: keeps lanes out. Answers whether none is inside; if not, [`wait`] for them, or
/// [`wait_briefly`]. Then [`close`]; always followed by [`after_in_parent`] or [`after_in_child`].
pub fn before() -> bool {
    HOLDS.set(HOLDS.get() + 1);
    GATE.hold()
}

/// Lets lanes in again that this thread keeps out. Whoever is going to wait for lanes calls it: a signal that comes
/// between two hooks of a fork may make its handler flush, and that would wait for lanes that wait for the fork.
pub fn let_go() {
    HAS_WAITED.set(false);
    for _ in 0..HOLDS.replace(0) {
        GATE.release();
    }
}

/// Waits until no lane is inside, at most five seconds; other threads must be able to go on meanwhile. Answers whether
/// all are out.
pub fn wait() -> bool {
    HAS_WAITED.set(true);
    GATE.wait(WAIT_MAX)
}

/// Waits until no lane is inside, at most half a second, for a thread that may hold what all others need. Does not wait
/// if this thread has just done so, because a lane that has taken five seconds takes more.
pub fn wait_briefly() -> bool {
    GATE.wait(if HAS_WAITED.replace(true) { Duration::ZERO } else { BRIEF_WAIT_MAX })
}

/// The last step before a fork: closes what must not cross it. Quick. Two threads that fork at a time do so one after
/// the other, because the locks taken here must not be held in the middle of somebody else's fork.
pub fn close() {
    // In a process that is unsound itself nothing was opened, and its locks may be held by nobody.
    if GATE.inside.load(Ordering::SeqCst) > 0 || is_unsound() {
        return;
    }
    let end = clock::monotonic() + BRIEF_WAIT_MAX;
    while IS_CLOSING.swap(true, Ordering::SeqCst) {
        if clock::monotonic() >= end {
            // Nothing is closed, and the child will know.
            return;
        }
        std::thread::park_timeout(STEP);
    }
    CLOSES.set(true);
    sqlite::close_all();
}

/// After a fork, in the parent: lanes go on. A second call does no harm.
pub fn after_in_parent() {
    if CLOSES.replace(false) {
        IS_CLOSING.store(false, Ordering::SeqCst);
    }
    let_go();
}

/// After a fork, in the child: whoever was inside does not exist here.
pub fn after_in_child() {
    let others_closed = IS_CLOSING.load(Ordering::SeqCst) && !CLOSES.get();
    if GATE.inside.load(Ordering::SeqCst) > 0 || OPEN.load(Ordering::SeqCst) > 0 || others_closed {
        IS_UNSOUND.store(true, Ordering::SeqCst);
    }
    CLOSES.set(false);
    HOLDS.set(0);
    HAS_WAITED.set(false);
    IS_CLOSING.store(false, Ordering::SeqCst);
    GATE.reset();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_fork_waits_for_those_inside_with_a_limit() {
        let gate = Gate::new();
        gate.enter();

        assert!(!gate.hold());
        assert!(!gate.wait(Duration::from_millis(1)));
        gate.leave();

        assert!(gate.wait(Duration::from_millis(1)));
    }

    #[test]
    fn f4_a_thread_that_has_waited_for_a_fork_does_not_wait_again_for_the_same_one() {
        let end = || clock::monotonic() + BRIEF_WAIT_MAX;
        GATE.inside.fetch_add(1, Ordering::SeqCst);

        let first_ends = end();
        assert!(!before() && !wait_briefly());
        assert!(clock::monotonic() >= first_ends);
        let second_ends = end();
        assert!(!before() && !wait_briefly());
        assert!(clock::monotonic() < second_ends);
        GATE.leave();
        after_in_parent();

        assert!(!HAS_WAITED.get() && HOLDS.get() == 0);
    }

    #[test]
    fn nobody_goes_inside_while_a_fork_is_under_way() {
        let (gate, is_inside) = (Gate::new(), AtomicBool::new(false));
        assert!(gate.hold());

        std::thread::scope(|scope| {
            scope.spawn(|| {
                gate.enter();
                is_inside.store(true, Ordering::SeqCst);
            });
            std::thread::park_timeout(Duration::from_millis(5));
            assert!(!is_inside.load(Ordering::SeqCst));
            gate.release();
        });

        assert!(is_inside.load(Ordering::SeqCst));
    }

    #[test]
    fn the_child_of_a_fork_knows_nothing_of_those_inside() {
        let gate = Gate::new();
        gate.enter();
        assert!(!gate.hold());

        gate.reset();

        assert!(gate.hold());
    }
}
