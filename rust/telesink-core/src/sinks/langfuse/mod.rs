//! `langfuse(s)://`: events of LLM programs to a Langfuse server, as OTLP spans or as classic batches.
//!
//! Read in this order: [`names`] (which field becomes which attribute), [`event`] (an entry as an event), [`merge`]
//! (events of one observation become one), [`span`] and [`request`] (spans), [`classic`], [`scores`], [`reply`] (what
//! the answers say of each entry), [`sink`] (which form a server takes), [`paths`], [`plan`] (the DSN).

mod classic;
mod event;
mod merge;
mod names;
mod paths;
mod plan;
mod reply;
mod request;
mod scores;
mod sink;
mod span;
#[cfg(test)]
mod tests;

pub use plan::check;
pub(super) use plan::plan;
