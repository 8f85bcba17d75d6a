//! The delivery contract, promise by promise, with a sink that follows a script.

mod closing;
mod coalescing;
mod dead_letter;
mod failures;
mod filters;
mod flushing;
mod full_queue;
mod lanes;
mod lingering;
mod losses;
mod panics;
mod partly;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
