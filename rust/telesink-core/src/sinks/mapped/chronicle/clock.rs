//! What decides which of two events a part of a row belongs to.

use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// The place of an event among others: its time, then its kind, then what it says. Two events with the same clock say the
/// same, so that it does not matter in which order they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clock {
    /// Microseconds since the Unix epoch; of a start, what is earlier counts more.
    pub(super) time: i64,
    pub(super) rank: u8,
    pub(super) content: u64,
}

impl Clock {
    /// Before everything that an event can say.
    pub(super) const FIRST: i64 = i64::MIN;

    pub(super) fn new(time: i64, rank: u8, content: &[u8]) -> Self {
        Self { time, rank, content: fingerprint(content) }
    }
}

/// FNV-1a, 64 bits: the same in every process and version, which the standard library's hashes are not.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The clocks of all parts of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(super) start: Option<Clock>,
    pub(super) status: Option<Clock>,
    pub(super) output: Option<Clock>,
    pub(super) end: Option<Clock>,
    pub(super) info: BTreeMap<String, Clock>,
    /// Of the keys of the info that have none of their own, in a row that somebody else has made.
    pub(super) rest: Option<Clock>,
}

impl Clocks {
    /// Reads clocks as they were stored; unreadable ones are as if there were none.
    pub(crate) fn parse(text: &str) -> Self {
        let json: Json = serde_json::from_str(text).unwrap_or(Json::Null);
        let part = |name: &str| json.get(name).and_then(read);
        let info = json.get("info").and_then(Json::as_object);
        Self {
            start: part("start"),
            status: part("status"),
            output: part("output"),
            end: part("end"),
            rest: part("rest"),
            info: info
                .into_iter()
                .flatten()
                .filter_map(|(key, clock)| Some((key.clone(), read(clock)?)))
                .collect(),
        }
    }

    /// Clocks of a row that somebody else has made: its start is not to be changed, the rest is of this time.
    pub(crate) fn of_row(micros: i64) -> Self {
        let whole = Clock { time: i64::MAX, rank: u8::MAX, content: u64::MAX };
        let known = Clock { time: micros, rank: 0, content: 0 };
        let known = Some(known);
        Self { start: Some(whole), status: known, output: known, end: known, rest: known, ..Self::default() }
    }

    /// As they are stored.
    pub(crate) fn text(&self) -> String {
        let mut json = Map::new();
        let parts = [
            ("start", self.start),
            ("status", self.status),
            ("output", self.output),
            ("end", self.end),
            ("rest", self.rest),
        ];
        for (name, clock) in parts {
            if let Some(clock) = clock {
                json.insert(name.to_owned(), write(clock));
            }
        }
        if !self.info.is_empty() {
            let info = self.info.iter().map(|(key, clock)| (key.clone(), write(*clock)));
            json.insert("info".to_owned(), Json::Object(info.collect()));
        }
        Json::Object(json).to_string()
    }
}

fn read(json: &Json) -> Option<Clock> {
    let time = json.get(0)?.as_i64()?;
    let rank = u8::try_from(json.get(1)?.as_u64()?).ok()?;
    Some(Clock { time, rank, content: json.get(2)?.as_u64()? })
}

fn write(clock: Clock) -> Json {
    Json::Array(vec![clock.time.into(), clock.rank.into(), clock.content.into()])
}
