//! Telling listeners of a table that rows were added, in the transaction that adds them.

use super::schema::literal;
use crate::record::Signal;
use crate::sinks::Entry;

/// In front of a table's name in the name of the channel that its listeners hear.
const CHANNEL_PREFIX: &str = "telesink:";

/// Tells of the log records among `entries`, with the times of the oldest and the youngest in microseconds since the Unix
/// epoch: readers look between them. Nothing, if there are none.
pub(super) fn sql(table: &str, entries: &[Entry]) -> String {
    let logs = entries.iter().filter(|entry| entry.record.signal() == Signal::Log);
    let times = logs.map(|entry| entry.log().header.time_unix_nano / 1_000);
    let ends = times.fold(None, |ends: Option<(u64, u64)>, time| {
        Some(ends.map_or((time, time), |(oldest, youngest)| (oldest.min(time), youngest.max(time))))
    });
    let Some((oldest, youngest)) = ends else { return String::new() };
    let channel = format!("{CHANNEL_PREFIX}{table}").replace('"', "\"\"");
    format!("NOTIFY \"{channel}\", {}", literal(&format!("{oldest} {youngest}")))
}
