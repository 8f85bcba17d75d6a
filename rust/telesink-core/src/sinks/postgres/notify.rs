//! Telling listeners of a table that rows were added, in the transaction that adds them.

use super::schema::literal;
use crate::record::Signal;
use crate::sinks::Entry;

/// In front of a table's name in the name of the channel that its listeners hear.
const CHANNEL_PREFIX: &str = "telesink:";

/// Tells of the log records among `entries`, with the time of the oldest in microseconds since the Unix epoch: readers
/// look from there on. Nothing, if there are none.
pub(super) fn sql(table: &str, entries: &[Entry]) -> String {
    let logs = entries.iter().filter(|entry| entry.record.signal() == Signal::Log);
    let Some(oldest) = logs.map(|entry| entry.log().header.time_unix_nano).min() else {
        return String::new();
    };
    let channel = format!("{CHANNEL_PREFIX}{table}").replace('"', "\"\"");
    format!("NOTIFY \"{channel}\", {}", literal(&(oldest / 1_000).to_string()))
}
