//! A map from the fields of a record to the columns of a table.

use crate::dsn::nearest;
use crate::error::ConfigError;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

/// What an index of Postgres surely holds, at four bytes a character: a third of a page is too much.
pub(crate) const INDEXED_CHARACTERS_MAX: usize = 500;

/// Where the value of a column comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// When it happened.
    Time,
    /// When telesink took it.
    ObservedTime,
    /// The record's own id.
    Id,
    /// The id that an event was given, else the record's own.
    EventId,
    /// The level's name.
    Level,
    /// The level as one of five: TRACE, DEBUG, INFO, WARN, ERROR.
    LevelOfFive,
    /// The OpenTelemetry number of the level, 1 to 24.
    Severity,
    /// The logger's name.
    Logger,
    /// The message.
    Body,
    /// The event's name, empty for a log record.
    EventName,
    /// The trace, 32 hexadecimal digits.
    TraceId,
    /// The span, 16 hexadecimal digits.
    SpanId,
    /// The name of the service.
    Service,
    /// One attribute.
    Attribute(String),
    /// A member of an attribute that is an object.
    Member(String, String),
    /// All attributes that have no column of their own, as an object; nothing if there are none.
    Attributes,
    /// The object in one of these attributes, and with it all that have no column of their own.
    AttributesWith(Vec<String>),
}

/// The names that a map may use beside `attributes.NAME`.
const NAMES: [(&str, Source); 13] = [
    ("time", Source::Time),
    ("observed_time", Source::ObservedTime),
    ("id", Source::Id),
    ("level", Source::Level),
    ("level_of_five", Source::LevelOfFive),
    ("severity", Source::Severity),
    ("logger", Source::Logger),
    ("body", Source::Body),
    ("event_name", Source::EventName),
    ("trace_id", Source::TraceId),
    ("span_id", Source::SpanId),
    ("service", Source::Service),
    ("attributes", Source::Attributes),
];

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name in the table.
    pub(crate) name: String,
    /// Where its value comes from: the first that there is.
    pub(crate) sources: Vec<Source>,
    /// The value where there is none.
    pub(crate) default: Option<String>,
    /// Whether a record without a value is refused.
    pub(crate) is_required: bool,
    /// Whether only a UUID may stand in it, whatever its type.
    pub(crate) is_uuid: bool,
    /// Bits of a whole number, where the type does not say: the same in every database.
    pub(crate) bits_max: Option<u8>,
    /// Characters of a text, where the type does not say: an index holds no more.
    pub(crate) characters_max: Option<usize>,
    /// Whether it holds JSON although its type says text.
    pub(crate) is_json: bool,
}

impl Column {
    pub(crate) fn new(name: &str, sources: &[Source]) -> Self {
        Self {
            name: name.to_owned(),
            sources: sources.to_vec(),
            default: None,
            is_required: false,
            is_uuid: false,
            bits_max: None,
            characters_max: None,
            is_json: false,
        }
    }

    pub(crate) fn or(mut self, default: &str) -> Self {
        self.default = Some(default.to_owned());
        self
    }

    pub(crate) fn json(mut self) -> Self {
        self.is_json = true;
        self
    }

    pub(crate) fn in_index(mut self) -> Self {
        self.characters_max = Some(INDEXED_CHARACTERS_MAX);
        self
    }

    pub(crate) fn of_32_bits(mut self) -> Self {
        self.bits_max = Some(32);
        self
    }

    pub(crate) fn uuid(mut self) -> Self {
        self.is_uuid = true;
        self
    }
}

/// A table, and what its columns are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMap {
    /// Its name, as SQL takes it.
    pub(crate) table: String,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Whether a row whose id is there already changes nothing.
    pub(crate) ignores_known_ids: bool,
    /// Whether telesink knows how to make the table.
    pub(crate) is_preset: bool,
    /// Attributes that have columns of their own.
    names: HashSet<String>,
}

impl TableMap {
    /// Reads a map from JSON: `{"table": "logs", "columns": {"at": "time", "who": {"from": "attributes.user_id"}}}`.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |what: String| {
            ConfigError::new(
                format!("option `table_map` {what}"),
                "make it with telesink.TableMap(\"logs\", {\"message\": \"body\", \"at\": \"time\"})",
            )
        };
        let json: Json =
            serde_json::from_str(text).map_err(|error| refuse(format!("is no JSON: {error}")))?;
        let table = json.get("table").and_then(Json::as_str).filter(|name| !name.is_empty());
        let table = table.ok_or_else(|| refuse("names no `table`".to_owned()))?.to_owned();
        let columns = json.get("columns").and_then(Json::as_object).filter(|columns| !columns.is_empty());
        let columns = columns.ok_or_else(|| refuse("has no `columns`".to_owned()))?;
        let columns = columns
            .iter()
            .map(|(name, from)| column(name, from).map_err(&refuse))
            .collect::<Result<Vec<_>, _>>()?;
        let names = names_of(&columns);
        Ok(Self { table, columns, ignores_known_ids: false, is_preset: false, names })
    }

    /// A table that telesink knows how to make, with the column `id` as its key.
    pub(super) fn preset(table: &str, columns: Vec<Column>) -> Self {
        let names = names_of(&columns);
        Self { table: table.to_owned(), columns, ignores_known_ids: true, is_preset: true, names }
    }

    /// Gives the column of an attribute a default.
    pub(super) fn default_of(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let attribute = Source::Attribute(name.to_owned());
        match self.columns.iter_mut().find(|column| column.sources.contains(&attribute)) {
            Some(column) => {
                column.default = Some(value.to_owned());
                Ok(())
            }
            None => Err(ConfigError::new(
                format!("option `attribution_defaults` names `{name}`, which has no column"),
                "name an attribute that the table has a column for, such as user_id",
            )),
        }
    }

    /// Whether the column of an attribute has a default.
    pub(super) fn has_default_for(&self, name: &str) -> bool {
        let attribute = Source::Attribute(name.to_owned());
        self.columns.iter().any(|column| column.default.is_some() && column.sources.contains(&attribute))
    }

    /// Whether an attribute has a column of its own.
    pub(super) fn has_column_for(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// The attributes that have columns of their own.
fn names_of(columns: &[Column]) -> HashSet<String> {
    let sources = columns.iter().flat_map(|column| &column.sources);
    sources
        .flat_map(|source| match source {
            Source::Attribute(name) => vec![name.clone()],
            Source::AttributesWith(names) => names.clone(),
            Source::EventId => vec!["id".to_owned()],
            _ => Vec::new(),
        })
        .collect()
}

/// What can be said of a column.
const KEYS: [&str; 3] = ["from", "default", "required"];

fn column(name: &str, from: &Json) -> Result<Column, String> {
    if name.is_empty() {
        return Err("has a column without a name".to_owned());
    }
    let from = match from {
        Json::String(text) => &Map::from_iter([("from".to_owned(), Json::String(text.clone()))]),
        Json::Object(object) => object,
        _ => return Err(format!("has for column `{name}` neither a text nor an object")),
    };
    if let Some(key) = from.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("has for column `{name}` the key `{key}`; allowed are {}", KEYS.join(", ")));
    }
    let source = match from.get("from") {
        Some(Json::String(text)) => Some(source(name, text)?),
        None => None,
        Some(_) => return Err(format!("has for column `{name}` a `from` that is no text")),
    };
    let default = match from.get("default") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    if source.is_none() && default.is_none() {
        return Err(format!("has for column `{name}` neither `from` nor `default`"));
    }
    let is_required = from.get("required").and_then(Json::as_bool).unwrap_or(false);
    Ok(Column {
        name: name.to_owned(),
        sources: source.into_iter().collect(),
        default,
        is_required,
        is_uuid: false,
        bits_max: None,
        characters_max: None,
        is_json: false,
    })
}

fn source(column: &str, text: &str) -> Result<Source, String> {
    if let Some(attribute) = text.strip_prefix("attributes.").filter(|name| !name.is_empty()) {
        return Ok(Source::Attribute(attribute.to_owned()));
    }
    if let Some((_, source)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(source.clone());
    }
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    let meant = nearest(text, names.iter().copied())
        .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
    Err(format!(
        "takes column `{column}` from `{text}`{meant}; a record has {} and attributes.NAME",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_names_a_table_and_where_each_column_comes_from() {
        let text = r#"{"table": "logs", "columns": {"at": "time", "who": {"from": "attributes.user_id", "default": "nobody"},
                       "kind": {"default": 7}, "what": {"from": "body", "required": true}}}"#;

        let map = TableMap::parse(text).expect("a map");

        let who = map.columns.iter().find(|column| column.name == "who").expect("a column");
        assert_eq!(who.sources, [Source::Attribute("user_id".to_owned())]);
        assert_eq!(who.default.as_deref(), Some("nobody"));
        let kind = map.columns.iter().find(|column| column.name == "kind").expect("a column");
        assert_eq!((kind.sources.len(), kind.default.as_deref()), (0, Some("7")));
        assert!(map.columns.iter().any(|column| column.name == "what" && column.is_required));
    }

    #[test]
    fn what_is_no_map_is_refused_with_the_place_and_what_is_allowed() {
        let table = [
            ("", "no JSON"),
            ("{}", "names no `table`"),
            (r#"{"table": "t", "columns": {}}"#, "no `columns`"),
            (r#"{"table": "t", "columns": {"a": 1}}"#, "column `a` neither a text nor an object"),
            (r#"{"table": "t", "columns": {"a": "tme"}}"#, "did you mean `time`?"),
            (r#"{"table": "t", "columns": {"a": {"form": "time"}}}"#, "the key `form`; allowed are from"),
            (r#"{"table": "t", "columns": {"a": {"required": true}}}"#, "neither `from` nor `default`"),
        ];
        for (text, expected) in table {
            let error = TableMap::parse(text).expect_err("no map");
            assert!(error.message.contains(expected), "{text}: {error}");
        }
    }
}
