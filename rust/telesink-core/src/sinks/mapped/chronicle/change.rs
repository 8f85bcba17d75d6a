//! What an event says about a run or a step.

use crate::record::id::{format_uuid, parse_uuid};
use crate::record::json;
use crate::record::value::{Value, find, list, map};
use crate::record::view::LogView;
use crate::sinks::mapped::INDEXED_CHARACTERS_MAX;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Thing {
    /// A row of `chronicle_runs`.
    Run = 1,
    /// A row of `chronicle_steps`.
    Step = 2,
}

impl Thing {
    /// Its table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Thing::Run => "chronicle_runs",
            Thing::Step => "chronicle_steps",
        }
    }
}

/// A value that the start of a run or step gives to a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StartValue {
    /// None.
    Null,
    /// Text.
    Text(String),
    /// JSON text.
    Json(String),
    /// Texts.
    List(Vec<String>),
}

/// The kinds of events that change rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    RunStart,
    RunUpdate,
    StepStart,
    StepEnd,
    StepError,
    StepState,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "run:start" => Kind::RunStart,
            "run:update" => Kind::RunUpdate,
            "step:start" => Kind::StepStart,
            "step:end" => Kind::StepEnd,
            "step:error" => Kind::StepError,
            "step:state" => Kind::StepState,
            _ => return None,
        })
    }

    pub(super) fn thing(self) -> Thing {
        if matches!(self, Kind::RunStart | Kind::RunUpdate) { Thing::Run } else { Thing::Step }
    }
}

/// One event about a run or a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(super) kind: Kind,
    /// Of the row.
    pub(crate) id: [u8; 16],
    /// Of the run that the row is, or belongs to.
    pub(crate) run_id: [u8; 16],
    /// When it happened, microseconds since the Unix epoch: as fine as the tables are.
    pub(super) micros: i64,
    /// What the start says, column by column.
    pub(super) start: Vec<(&'static str, StartValue)>,
    pub(super) status: Option<String>,
    /// JSON text.
    pub(super) output: Option<String>,
    /// Key and JSON text.
    pub(super) info: Vec<(String, String)>,
}

/// Attributes of a run's event that are no part of its info.
const OF_RUNS: [&str; 16] = [
    "id",
    "type",
    "name",
    "description",
    "application",
    "environment",
    "input",
    "output",
    "trace_id",
    "span_id",
    "status",
    "tags",
    "info",
    "time",
    "run_id",
    "step_id",
];

impl Change {
    /// What the record changes; none if it is another event.
    pub(crate) fn of(view: &LogView<'_>) -> Option<Self> {
        let kind = Kind::of(view.event_name)?;
        let id = |name: &str| view.attribute(name).and_then(|id| id.as_str()).and_then(parse_uuid);
        let thing = kind.thing();
        let (id, run_id) = match thing {
            Thing::Run => (id("id")?, id("id")?),
            Thing::Step => (id("step_id")?, id("run_id")?),
        };
        let micros = (view.header.time_unix_nano / 1_000) as i64;
        let (start, status, output) = (Vec::new(), None, None);
        let mut change = Self { kind, id, run_id, micros, start, status, output, info: Vec::new() };
        match thing {
            Thing::Run => change.read_run(view),
            Thing::Step => change.read_step(view),
        }
        Some(change)
    }

    /// What the row is about.
    pub(crate) fn thing(&self) -> Thing {
        self.kind.thing()
    }

    fn read_run(&mut self, view: &LogView<'_>) {
        let get = |name: &str| view.attribute(name);
        self.status = text(get("status"));
        self.output = json_of(get("output"));
        if let Some(Value::Map(inner)) = get("info") {
            self.info = map(inner).map(|(key, value)| (key.to_owned(), json_text(value))).collect();
        }
        match self.kind {
            Kind::RunStart => {
                self.status.get_or_insert_with(|| "started".to_owned());
                self.start = vec![
                    ("name", indexed(get("name"))),
                    ("description", text_value(get("description"))),
                    ("application", indexed(get("application"))),
                    ("environment", indexed(get("environment"))),
                    ("input", json_value(get("input"))),
                    ("trace_id", text_value(get("trace_id")).or_hex(&view.header.trace_id)),
                    ("span_id", text_value(get("span_id")).or_hex(&view.header.span_id)),
                    ("tags", tags(get("tags"))),
                ];
                // Defaults and whatever else was said: only where the info does not say it itself.
                for (key, value) in view.attributes() {
                    let is_known = OF_RUNS.contains(&key)
                        || key.starts_with("telesink.")
                        || self.info.iter().any(|(known, _)| known == key);
                    if !is_known && value != Value::Null {
                        self.info.push((key.to_owned(), json_text(value)));
                    }
                }
            }
            _ => {
                self.status.get_or_insert_with(|| "finished".to_owned());
            }
        }
    }

    fn read_step(&mut self, view: &LogView<'_>) {
        let inner = match view.attribute("data") {
            Some(Value::Map(inner)) => inner,
            _ => &[],
        };
        let get = |name: &str| find(inner, name);
        if let Some(Value::Map(info)) = get("info").filter(|_| self.kind != Kind::StepError) {
            self.info = map(info).map(|(key, value)| (key.to_owned(), json_text(value))).collect();
        }
        match self.kind {
            Kind::StepStart => {
                self.status = Some("started".to_owned());
                let parent = get("parent_step").and_then(|id| id.as_str()).and_then(parse_uuid);
                self.start = vec![
                    ("type", text_value(get("type"))),
                    ("parent_step", parent.map_or(StartValue::Null, |id| StartValue::Text(uuid_text(id)))),
                    ("name", text_value(get("name"))),
                    ("input", json_value(get("input"))),
                    ("tags", tags(get("tags"))),
                    ("span_id", text_value(get("span_id")).or_hex(&view.header.span_id)),
                ];
            }
            Kind::StepEnd => {
                self.status = Some("finished".to_owned());
                self.output = json_of(get("output"));
            }
            Kind::StepError => {
                self.status = Some("error".to_owned());
                self.output = json_of(get("error"));
            }
            _ => self.status = text(get("state")),
        }
    }
}

impl StartValue {
    /// An id of the record itself, where the event names none.
    fn or_hex(self, id: &[u8]) -> Self {
        if self != StartValue::Null || id.iter().all(|byte| *byte == 0) {
            return self;
        }
        let mut out = Vec::new();
        json::write_hex(&mut out, id);
        StartValue::Text(String::from_utf8(out).unwrap_or_default())
    }
}

pub(super) fn uuid_text(id: [u8; 16]) -> String {
    let mut buffer = [0; 36];
    format_uuid(&id, &mut buffer);
    String::from_utf8_lossy(&buffer).into_owned()
}

fn json_text(value: Value<'_>) -> String {
    let mut out = Vec::new();
    json::write_value(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

fn json_of(value: Option<Value<'_>>) -> Option<String> {
    value.filter(|value| *value != Value::Null).map(json_text)
}

fn text(value: Option<Value<'_>>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::Str(text) => Some(text.replace('\0', "\u{2400}")),
        other => Some(json_text(other)),
    }
}

fn text_value(value: Option<Value<'_>>) -> StartValue {
    text(value).map_or(StartValue::Null, StartValue::Text)
}

/// A text that stands in an index.
fn indexed(value: Option<Value<'_>>) -> StartValue {
    match text_value(value) {
        StartValue::Text(text) => StartValue::Text(text.chars().take(INDEXED_CHARACTERS_MAX).collect()),
        other => other,
    }
}

fn json_value(value: Option<Value<'_>>) -> StartValue {
    json_of(value).map_or(StartValue::Null, StartValue::Json)
}

/// A list without anything in it says no more than none.
fn tags(value: Option<Value<'_>>) -> StartValue {
    match value {
        Some(Value::List(inner)) => {
            let tags: Vec<String> = list(inner).filter_map(|tag| text(Some(tag))).collect();
            if tags.is_empty() { StartValue::Null } else { StartValue::List(tags) }
        }
        _ => StartValue::Null,
    }
}
