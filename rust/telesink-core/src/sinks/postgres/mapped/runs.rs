//! Runs and steps: the clocks are locked and read, then each table is changed by one statement.

use super::super::failure::{Failure, Phase};
use super::super::schema::literal;
use super::super::session::run;
use super::tables::{Changed, Mapped};
use crate::record::id::{format_uuid, parse_uuid};
use crate::record::{iso, json};
use crate::sinks::mapped::chronicle::{Clocks, Delta, News, Start, StartValue, Thing};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

type Key = (Thing, [u8; 16]);

/// Changes the rows.
pub(super) async fn store(
    client: &Client,
    mapped: &Mapped,
    changes: BTreeMap<Key, Delta>,
) -> Result<(), Failure> {
    let Some(tables) = &mapped.changed else { return Ok(()) };
    let mut clocks = locked(client, tables, &changes).await?;
    let (mut run_news, mut step_news) = (Vec::new(), Vec::new());
    let mut moved = String::new();
    for (key, delta) in changes {
        let own = clocks.entry(key).or_default();
        let news = delta.news(own);
        // Writing to a String cannot fail.
        let _ = write!(
            moved,
            "{}({}, '{}'::uuid, {})",
            if moved.is_empty() { "" } else { ", " },
            key.0 as i32,
            news.id,
            literal(&own.text())
        );
        if key.0 == Thing::Run { run_news.push(news) } else { step_news.push(news) }
    }
    let mut sql = String::new();
    if !run_news.is_empty() {
        write_runs(&mut sql, tables, &run_news);
    }
    if !step_news.is_empty() {
        write_steps(&mut sql, tables, &step_news);
    }
    let _ = write!(
        sql,
        "UPDATE {} c SET clocks = d.clocks, updated_at = now() FROM (VALUES {moved}) AS d(kind, id, clocks) \
         WHERE c.kind = d.kind AND c.id = d.id",
        tables.clocks
    );
    run(client, Phase::Copy, &sql).await.map(|_| ())
}

/// Locks the clocks of all rows, and reads them. A row that somebody else has made has none yet.
async fn locked(
    client: &Client,
    tables: &Changed,
    changes: &BTreeMap<Key, Delta>,
) -> Result<HashMap<Key, Clocks>, Failure> {
    let mut keys = String::new();
    for (thing, id) in changes.keys() {
        let mut buffer = [0; 36];
        format_uuid(id, &mut buffer);
        let comma = if keys.is_empty() { "" } else { ", " };
        let id = String::from_utf8_lossy(&buffer);
        let _ = write!(keys, "{comma}({}::smallint, '{id}'::uuid)", *thing as i32);
    }
    let Changed { runs, steps, clocks, .. } = tables;
    let sql = format!(
        "INSERT INTO {clocks} (kind, id) VALUES {keys} ON CONFLICT (kind, id) DO NOTHING;\
         SELECT c.kind, c.id, c.clocks, (extract(epoch FROM CASE c.kind \
         WHEN 1 THEN (SELECT r.updated_at FROM {runs} r WHERE r.id = c.id) \
         ELSE (SELECT coalesce(s.end_time, s.start_time) FROM {steps} s WHERE s.id = c.id) END) * 1000000)::bigint \
         FROM {clocks} c WHERE (c.kind, c.id) IN (VALUES {keys}) ORDER BY c.kind, c.id FOR UPDATE OF c"
    );
    let answer = run(client, Phase::Copy, &sql).await?;
    Ok(answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => read(row),
            _ => None,
        })
        .collect())
}

fn read(row: &SimpleQueryRow) -> Option<(Key, Clocks)> {
    let text = |index: usize| row.try_get(index).ok().flatten();
    let thing = if text(0)? == "1" { Thing::Run } else { Thing::Step };
    let key = (thing, text(1).and_then(parse_uuid)?);
    let stored = text(2)?;
    let micros = text(3).and_then(|micros| micros.parse().ok());
    let clocks = match micros {
        Some(micros) if stored == "{}" => Clocks::of_row(micros),
        _ => Clocks::parse(stored),
    };
    Some((key, clocks))
}

/// What stands in the statement for a column that cannot be empty.
fn filled(not_null: &[String], column: &str, value: &str, instead: &str) -> String {
    if not_null.iter().any(|name| name == column) {
        format!("coalesce({value}, {instead})")
    } else {
        value.to_owned()
    }
}

const INFO: &str = "CASE WHEN d.info IS NULL THEN t.info WHEN jsonb_typeof(t.info::jsonb) = 'object' \
                    THEN t.info::jsonb || d.info ELSE d.info END";

fn write_runs(sql: &mut String, tables: &Changed, news: &[News]) {
    let table = &tables.runs;
    let not_null = &tables.not_null;
    let name = |value: &str| filled(not_null, "name", value, "''");
    let started = |column: &str| format!("CASE WHEN d.is_start THEN d.{column} ELSE t.{column} END");
    let json = recordset(news, "created_at");
    let _ = write!(
        sql,
        "WITH d AS MATERIALIZED (SELECT * FROM jsonb_to_recordset({json}) AS d(id uuid, is_start boolean, \
         is_started boolean, name text, description text, application text, environment text, input jsonb, \
         trace_id text, span_id text, tags text[], created_at timestamptz, status text, output jsonb, info jsonb, \
         first timestamptz, last timestamptz)), \
         new AS (INSERT INTO {table} (id, name, description, application, environment, input, output, status, \
         trace_id, span_id, tags, info, updated_at, created_at) \
         SELECT id, {new_name}, description, application, environment, input, output, coalesce(status, 'started'), \
         trace_id, span_id, tags, info, last, coalesce(created_at, first) FROM d \
         WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.id = d.id) ON CONFLICT DO NOTHING) \
         UPDATE {table} t SET name = {old_name}, description = {description}, application = {application}, \
         environment = {environment}, input = {input}, trace_id = {trace_id}, span_id = {span_id}, tags = {tags}, \
         status = coalesce(d.status, t.status), output = coalesce(d.output, t.output), info = {INFO}, \
         updated_at = greatest(t.updated_at, d.last), created_at = CASE WHEN d.is_start THEN d.created_at \
         WHEN d.is_started THEN t.created_at ELSE least(t.created_at, d.first) END FROM d WHERE t.id = d.id;",
        new_name = name("name"),
        old_name = name(&started("name")),
        description = started("description"),
        application = started("application"),
        environment = started("environment"),
        input = started("input"),
        trace_id = started("trace_id"),
        span_id = started("span_id"),
        tags = started("tags"),
    );
}

fn write_steps(sql: &mut String, tables: &Changed, news: &[News]) {
    let table = &tables.steps;
    let started = |column: &str| format!("CASE WHEN d.is_start THEN d.{column} ELSE t.{column} END");
    let json = recordset(news, "start_time");
    let _ = write!(
        sql,
        "WITH d AS MATERIALIZED (SELECT * FROM jsonb_to_recordset({json}) AS d(id uuid, run_id uuid, is_start boolean, \
         is_started boolean, type text, parent_step uuid, name text, input jsonb, tags text[], span_id text, \
         start_time timestamptz, status text, output jsonb, info jsonb, end_time timestamptz, \
         first timestamptz, last timestamptz)), \
         new AS (INSERT INTO {table} (id, run_id, type, parent_step, name, input, output, status, tags, info, span_id, \
         start_time, end_time) \
         SELECT id, run_id, coalesce(type, ''), parent_step, name, input, output, coalesce(status, 'started'), tags, \
         info, span_id, coalesce(start_time, first), end_time FROM d \
         WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.id = d.id) ON CONFLICT DO NOTHING) \
         UPDATE {table} t SET type = coalesce({kind}, ''), parent_step = {parent}, name = {name}, input = {input}, \
         tags = {tags}, span_id = {span_id}, status = coalesce(d.status, t.status), \
         output = coalesce(d.output, t.output), info = {INFO}, end_time = coalesce(d.end_time, t.end_time), \
         start_time = CASE WHEN d.is_start THEN d.start_time WHEN d.is_started THEN t.start_time \
         ELSE least(t.start_time, d.first) END FROM d WHERE t.id = d.id;",
        kind = started("type"),
        parent = started("parent_step"),
        name = started("name"),
        input = started("input"),
        tags = started("tags"),
        span_id = started("span_id"),
    );
}

/// The news as a literal that `jsonb_to_recordset` takes.
fn recordset(news: &[News], start: &str) -> String {
    let mut out = Vec::new();
    for one in news {
        out.extend_from_slice(if out.is_empty() { b"[" } else { b"," });
        record(&mut out, one, start);
    }
    out.push(b']');
    literal(&String::from_utf8(out).unwrap_or_default()) + "::jsonb"
}

fn record(out: &mut Vec<u8>, news: &News, start: &str) {
    out.push(b'{');
    text(out, "id", &news.id);
    text(out, "run_id", &news.run_id);
    raw(out, "is_start", if news.start.is_some() { "true" } else { "false" });
    raw(out, "is_started", if news.is_started { "true" } else { "false" });
    if let Some(Start { micros, columns }) = &news.start {
        text(out, start, &moment(*micros));
        for (name, value) in columns {
            match value {
                StartValue::Null => {}
                StartValue::Text(value) => text(out, name, value),
                StartValue::Json(value) => raw(out, name, value),
                StartValue::List(values) => list(out, name, values),
            }
        }
    }
    if let Some(status) = &news.status {
        text(out, "status", status);
    }
    if let Some(output) = &news.output {
        raw(out, "output", output);
    }
    if let Some(info) = news.info_json() {
        raw(out, "info", &info);
    }
    if let Some(end) = news.end {
        text(out, "end_time", &moment(end));
    }
    text(out, "first", &moment(news.first));
    text(out, "last", &moment(news.last));
    // In place of the last comma.
    if let Some(last) = out.last_mut() {
        *last = b'}';
    }
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    json::write_str(out, name);
    out.push(b':');
    json::write_str(out, value);
    out.push(b',');
}

fn raw(out: &mut Vec<u8>, name: &str, value: &str) {
    json::write_str(out, name);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
    out.push(b',');
}

fn list(out: &mut Vec<u8>, name: &str, values: &[String]) {
    json::write_str(out, name);
    out.extend_from_slice(b":[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::write_str(out, value);
    }
    out.extend_from_slice(b"],");
}

/// Microseconds since the Unix epoch as text.
fn moment(micros: i64) -> String {
    iso::text(u64::try_from(micros).unwrap_or(0).saturating_mul(1_000))
}
