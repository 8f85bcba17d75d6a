//! What one or more events say about a row, and what of it is news to the row.

use super::change::{Change, Kind, StartValue, Thing, uuid_text};
use super::clock::{Clock, Clocks};
use std::collections::BTreeMap;

/// The parts of a row that events give, each with its clock. Joining two is the same in either order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delta {
    pub(crate) thing: Thing,
    pub(crate) id: [u8; 16],
    pub(crate) run_id: [u8; 16],
    start: Option<(Clock, Start)>,
    status: Option<(Clock, String)>,
    output: Option<(Clock, String)>,
    end: Option<(Clock, i64)>,
    info: BTreeMap<String, (Clock, String)>,
    first: i64,
    last: i64,
}

/// What the start of a run or step says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Start {
    /// When it was.
    pub(crate) micros: i64,
    /// Columns and their values.
    pub(crate) columns: Vec<(&'static str, StartValue)>,
}

/// What is to be written into a row. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct News {
    /// The row's id.
    pub(crate) id: String,
    /// The run that it is, or belongs to.
    pub(crate) run_id: String,
    /// What the start says; none leaves the columns as they are.
    pub(crate) start: Option<Start>,
    /// Whether any start is known.
    pub(crate) is_started: bool,
    pub(crate) status: Option<String>,
    /// JSON text.
    pub(crate) output: Option<String>,
    pub(crate) end: Option<i64>,
    /// Keys and JSON texts that replace those of the row.
    pub(crate) info: Vec<(String, String)>,
    /// Of the earliest event.
    pub(crate) first: i64,
    /// Of the latest.
    pub(crate) last: i64,
}

impl Delta {
    /// What one event says.
    pub(crate) fn of(change: Change) -> Self {
        let Change { kind, id, run_id, micros, start, status, output, info } = change;
        let thing = kind.thing();
        let is_end = matches!(kind, Kind::StepEnd | Kind::StepError);
        let is_start = matches!(kind, Kind::RunStart | Kind::StepStart);
        let rank = match kind {
            Kind::RunStart | Kind::StepStart => 0,
            Kind::StepState => 1,
            _ => 2,
        };
        // A step is started before it is anything else, whatever its clock says; a run can be started again.
        let time_of_status = if kind == Kind::StepStart { Clock::FIRST } else { micros };
        let start = is_start.then(|| {
            // The earliest counts, whole: what comes again changes nothing.
            let clock = Clock::new(i64::MAX - micros, 0, format!("{start:?}").as_bytes());
            (clock, Start { micros, columns: start })
        });
        let info = info.into_iter().map(|(key, value)| {
            // Null keeps what was there.
            let time = if value == "null" { Clock::FIRST } else { micros };
            let clock = Clock::new(time, rank, value.as_bytes());
            (key, (clock, value))
        });
        Self {
            thing,
            id,
            run_id,
            start,
            status: status.map(|status| (Clock::new(time_of_status, rank, status.as_bytes()), status)),
            output: output.map(|output| (Clock::new(micros, rank, output.as_bytes()), output)),
            end: is_end.then(|| (Clock::new(micros, rank, &[]), micros)),
            info: info.collect(),
            first: micros,
            last: micros,
        }
    }

    /// Takes in what another says about the same row.
    pub(crate) fn join(&mut self, other: Self) {
        if newer(&mut self.start, other.start, |part| part.0) {
            self.run_id = other.run_id;
        }
        newer(&mut self.status, other.status, |part| part.0);
        newer(&mut self.output, other.output, |part| part.0);
        newer(&mut self.end, other.end, |part| part.0);
        for (key, value) in other.info {
            match self.info.get_mut(&key) {
                Some(known) if known.0 >= value.0 => {}
                _ => {
                    self.info.insert(key, value);
                }
            }
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// What of it is newer than what the row has; moves the clocks.
    pub(crate) fn news(self, clocks: &mut Clocks) -> News {
        let info = self
            .info
            .into_iter()
            .filter(|(key, (clock, _))| {
                let is_news = clocks.info.get(key).or(clocks.rest.as_ref()).is_none_or(|known| known < clock);
                if is_news {
                    clocks.info.insert(key.clone(), *clock);
                }
                is_news
            })
            .map(|(key, (_, value))| (key, value))
            .collect();
        let start = self.start.filter(|(clock, _)| moves(&mut clocks.start, *clock));
        News {
            id: uuid_text(self.id),
            run_id: uuid_text(self.run_id),
            start: start.map(|(_, start)| start),
            is_started: clocks.start.is_some(),
            status: self
                .status
                .filter(|(clock, _)| moves(&mut clocks.status, *clock))
                .map(|(_, status)| status),
            output: self
                .output
                .filter(|(clock, _)| moves(&mut clocks.output, *clock))
                .map(|(_, output)| output),
            end: self.end.filter(|(clock, _)| moves(&mut clocks.end, *clock)).map(|(_, end)| end),
            info,
            first: self.first,
            last: self.last,
        }
    }
}

impl News {
    /// The keys of the info as a JSON object; none if there are none.
    pub(crate) fn info_json(&self) -> Option<String> {
        if self.info.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        for (key, value) in &self.info {
            out.push(if out.is_empty() { b'{' } else { b',' });
            crate::record::json::write_str(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'}');
        String::from_utf8(out).ok()
    }
}

/// Takes the other part if it is newer, and answers whether it is.
fn newer<T>(own: &mut Option<T>, other: Option<T>, clock: impl Fn(&T) -> Clock) -> bool {
    match other {
        Some(other) if own.as_ref().is_none_or(|own| clock(own) < clock(&other)) => {
            *own = Some(other);
            true
        }
        _ => false,
    }
}

/// Moves a clock forward; false if it stands there or further already.
fn moves(own: &mut Option<Clock>, clock: Clock) -> bool {
    let is_news = own.is_none_or(|own| own < clock);
    if is_news {
        *own = Some(clock);
    }
    is_news
}
