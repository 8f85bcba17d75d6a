//! Runs and steps: what an event says is compared with the clocks of its row, and written where it is newer.

use super::super::failure::Failure;
use crate::sinks::mapped::chronicle::{CLOCKS, Change, Clocks, Delta, News, Start, StartValue, Thing};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

/// What a row has, as far as it matters for a change.
struct Row {
    /// When it was changed last, seconds since the Unix epoch.
    changed: f64,
    /// Its beginning, as it is known so far.
    begun: f64,
    info: Option<String>,
}

/// Changes the row of an event, or makes it. Nothing is left of it if the table refuses it.
pub(super) fn store(connection: &Connection, change: Change, now_unix_nano: u64) -> Result<(), Failure> {
    let delta = Delta::of(change);
    let thing = delta.thing;
    let kind = thing as i64;
    let mut id = [0; 36];
    let id = super::uuid_text(&delta.id, &mut id).to_owned();
    let stored: Option<String> = connection
        .prepare_cached(&format!("SELECT clocks FROM {CLOCKS} WHERE kind = ?1 AND id = ?2"))?
        .query_row(params![kind, id], |row| row.get(0))
        .optional()?;
    let row = find(connection, thing, &id)?;
    let mut clocks = match (&stored, &row) {
        (Some(text), _) => Clocks::parse(text),
        (None, Some(row)) => Clocks::of_row((row.changed * 1e6).round() as i64),
        (None, None) => Clocks::default(),
    };
    let news = delta.news(&mut clocks);
    match &row {
        Some(row) => update(connection, thing, &news, row)?,
        None => insert(connection, thing, &news)?,
    }
    connection
        .prepare_cached(&format!(
            "INSERT INTO {CLOCKS} (kind, id, clocks, updated_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (kind, id) \
             DO UPDATE SET clocks = excluded.clocks, updated_at = excluded.updated_at"
        ))?
        .execute(params![kind, id, clocks.text(), now_unix_nano as i64])?;
    Ok(())
}

fn find(connection: &Connection, thing: Thing, id: &str) -> Result<Option<Row>, Failure> {
    let sql = match thing {
        Thing::Run => "SELECT updated_at, created_at, info FROM chronicle_runs WHERE id = ?1",
        Thing::Step => {
            "SELECT coalesce(end_time, start_time), start_time, info FROM chronicle_steps WHERE id = ?1"
        }
    };
    let found = connection.prepare_cached(sql)?.query_row([id], |row| {
        let time = |index: usize| row.get_ref(index).map(|value| seconds_of(value).unwrap_or(0.0));
        let info = row.get_ref(2)?.as_str().ok().map(str::to_owned);
        Ok(Row { changed: time(0)?, begun: time(1)?, info })
    });
    Ok(found.optional()?)
}

/// A time as others have written it; what is none counts as long ago.
fn seconds_of(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number),
        _ => None,
    }
}

/// A column and its value.
type Pair = (&'static str, Value);

fn insert(connection: &Connection, thing: Thing, news: &News) -> Result<(), Failure> {
    let status = news.status.clone().unwrap_or_else(|| "started".to_owned());
    let mut pairs: Vec<Pair> = vec![("id", Value::Text(news.id.clone())), ("status", Value::Text(status))];
    let begun = news.start.as_ref().map_or(news.first, |start| start.micros);
    match thing {
        Thing::Run => {
            pairs.push(("created_at", seconds(begun)));
            pairs.push(("updated_at", seconds(news.last)));
        }
        Thing::Step => {
            pairs.push(("run_id", Value::Text(news.run_id.clone())));
            pairs.push(("start_time", seconds(begun)));
        }
    }
    pairs.extend(of_start(news));
    // A table of others may want a name, and a step has to have a type.
    let unnamed = if thing == Thing::Run { "name" } else { "type" };
    if !pairs.iter().any(|(column, value)| *column == unnamed && *value != Value::Null) {
        pairs.retain(|(column, _)| *column != unnamed);
        if thing == Thing::Step || is_filled(connection, thing, unnamed)? {
            pairs.push((unnamed, Value::Text(String::new())));
        }
    }
    pairs.extend(of_end(news));
    if let Some(info) = news.info_json() {
        pairs.push(("info", Value::Text(info)));
    }
    let columns: Vec<&str> = pairs.iter().map(|(column, _)| *column).collect();
    let places: Vec<String> = (1..=pairs.len()).map(|place| format!("?{place}")).collect();
    let sql =
        format!("INSERT INTO {} ({}) VALUES ({})", thing.table(), columns.join(", "), places.join(", "));
    connection.prepare_cached(&sql)?.execute(params_from_iter(pairs.into_iter().map(|(_, value)| value)))?;
    Ok(())
}

fn update(connection: &Connection, thing: Thing, news: &News, row: &Row) -> Result<(), Failure> {
    let mut pairs: Vec<Pair> = Vec::new();
    let begins = if thing == Thing::Run { "created_at" } else { "start_time" };
    if let Some(start) = &news.start {
        pairs.push((begins, seconds(start.micros)));
    } else if !news.is_started {
        pairs.push((begins, Value::Real(row.begun.min(news.first as f64 / 1e6))));
    }
    pairs.extend(of_start(news));
    if thing == Thing::Step && news.start.is_some() {
        pairs.push(("run_id", Value::Text(news.run_id.clone())));
    }
    let unnamed = if thing == Thing::Run { "name" } else { "type" };
    for (column, value) in &mut pairs {
        if *column == unnamed && *value == Value::Null && is_filled(connection, thing, unnamed)? {
            *value = Value::Text(String::new());
        }
    }
    if let Some(status) = &news.status {
        pairs.push(("status", Value::Text(status.clone())));
    }
    if thing == Thing::Run {
        pairs.push(("updated_at", Value::Real(row.changed.max(news.last as f64 / 1e6))));
    }
    pairs.extend(of_end(news));
    if !news.info.is_empty() {
        pairs.push(("info", Value::Text(merged(row.info.as_deref(), news))));
    }
    if pairs.is_empty() {
        return Ok(());
    }
    let sets: Vec<String> =
        pairs.iter().enumerate().map(|(place, (column, _))| format!("{column} = ?{}", place + 2)).collect();
    let sql = format!("UPDATE {} SET {} WHERE id = ?1", thing.table(), sets.join(", "));
    let id = std::iter::once(Value::Text(news.id.clone()));
    connection
        .prepare_cached(&sql)?
        .execute(params_from_iter(id.chain(pairs.into_iter().map(|(_, value)| value))))?;
    Ok(())
}

/// What the start says about columns.
fn of_start(news: &News) -> Vec<Pair> {
    let Some(Start { columns, .. }) = &news.start else { return Vec::new() };
    columns
        .iter()
        .map(|(column, value)| {
            let value = match value {
                StartValue::Null => Value::Null,
                StartValue::Text(text) | StartValue::Json(text) => Value::Text(text.clone()),
                StartValue::List(texts) => Value::Text(texts.join("|")),
            };
            (*column, value)
        })
        .collect()
}

fn of_end(news: &News) -> impl Iterator<Item = Pair> {
    let output = news.output.clone().map(|output| ("output", Value::Text(output)));
    output.into_iter().chain(news.end.map(|micros| ("end_time", seconds(micros))))
}

/// Seconds with a fraction as fine as Postgres has it. A column of integers keeps whole ones as integers.
fn seconds(micros: i64) -> Value {
    Value::Real(micros as f64 / 1e6)
}

/// The row's info with the keys that are newer.
fn merged(info: Option<&str>, news: &News) -> String {
    let known = info.and_then(|text| serde_json::from_str(text).ok());
    let mut object = match known {
        Some(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    for (key, value) in &news.info {
        let value = serde_json::from_str(value).unwrap_or(serde_json::Value::Null);
        object.insert(key.clone(), value);
    }
    serde_json::Value::Object(object).to_string()
}

/// Whether a column cannot be empty.
fn is_filled(connection: &Connection, thing: Thing, column: &str) -> Result<bool, Failure> {
    let found = connection
        .prepare_cached("SELECT \"notnull\" FROM pragma_table_info(?1) WHERE name = ?2")?
        .query_row([thing.table(), column], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(false))
}
