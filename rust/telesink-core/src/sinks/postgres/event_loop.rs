//! The event loop of one connection, which knows when the program has closed its descriptors.

use super::failure::{Cause, Failure, Phase};
use crate::descriptors::Anonymous;
use std::future::Future;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Threads that may hang in the system's resolver at once; the connection itself needs none.
const RESOLVER_THREADS_MAX: usize = 2;

/// Between two looks while a batch is on its way: without descriptors no answer is ever seen.
const LOOK: Duration = Duration::from_millis(500);

/// A runtime for one connection, on the thread that asks for it.
pub(super) fn build_runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(RESOLVER_THREADS_MAX)
        .thread_name("telesink-resolv")
        .build()
        .map_err(|error| lost(format!("no event loop: {error}")))
}

/// A runtime on the lane's own thread.
#[derive(Debug)]
pub(super) struct EventLoop {
    runtime: Option<Runtime>,
    held: Vec<Anonymous>,
}

impl EventLoop {
    pub(super) fn new() -> Result<Self, Failure> {
        let before = Anonymous::all();
        let runtime = build_runtime()?;
        // What another thread opens meanwhile is among them: when that is closed, one connection too many is made.
        let held = Anonymous::all().into_iter().filter(|found| !before.contains(found)).collect();
        Ok(Self { runtime: Some(runtime), held })
    }

    /// Whether its descriptors are still its own. If not, all that belongs to it has to be forgotten: a destructor would
    /// write to them or close them.
    pub(super) fn is_intact(&self) -> bool {
        self.held.iter().all(Anonymous::is_there)
    }

    /// Drives `work` to its end, or until the descriptors are gone.
    pub(super) fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let Some(runtime) = &self.runtime else {
            return Err(closed());
        };
        let watched = async {
            let mut work = pin!(work);
            loop {
                if let Ok(answer) = tokio::time::timeout(LOOK, &mut work).await {
                    return answer;
                }
                if !self.is_intact() {
                    return Err(closed());
                }
            }
        };
        // Closed in the very middle of a batch: the runtime panics when it cannot wait any more, and closes the numbers.
        match catch_unwind(AssertUnwindSafe(|| runtime.block_on(watched))) {
            Ok(answer) => answer,
            Err(_) if !self.is_intact() => Err(closed()),
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            if self.is_intact() {
                // A thread may hang in the resolver for as long as that likes.
                runtime.shutdown_background();
            } else {
                forget(runtime);
            }
        }
    }
}

fn closed() -> Failure {
    lost("the program has closed the descriptors of the connection".to_owned())
}

fn lost(text: String) -> Failure {
    Failure::new(Phase::Connect, Cause::Lost(text))
}
