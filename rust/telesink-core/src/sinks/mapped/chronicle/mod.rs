//! Runs and steps: events that change rows, so that every order of arrival ends in the same rows.
//!
//! Each part of a row (what its start said, its status, its output, its end, each key of its info) belongs to the event
//! with the greatest [`Clock`]. The clocks stand in `telesink_clocks`, because the tables have no room for them; whoever
//! writes a row locks its clocks first.

mod change;
mod clock;
mod columns;
mod delta;

pub(crate) use change::{Change, StartValue, Thing};
pub(crate) use clock::Clocks;
pub(crate) use delta::{Delta, News, Start};

/// The table with the clocks.
pub(crate) const CLOCKS: &str = "telesink_clocks";

/// In front of a run's id in the name of the channel that its listeners hear.
pub(crate) const CHANNEL_PREFIX: &str = "chronicle_run:";
