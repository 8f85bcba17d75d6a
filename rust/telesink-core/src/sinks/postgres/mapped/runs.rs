//! Runs and steps: the clocks are locked and read, then each table is changed by one statement.

use super::super::failure::{Failure, Phase};
use super::super::schema::literal;
use super::super::session::{rows_touched, run};
use super::tables::{Changed, Mapped};
use crate::record::id::{format_uuid, parse_uuid};
use crate::record::{iso, json};
use crate::sinks::mapped::chronicle::{Clocks, Delta, News, Start, StartValue, Thing};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

type Key = (Thing, [u8; 16]);

/// Changes the rows: those that are there by an UPDATE, the others by an INSERT.
pub(super) async fn store(
    client: &Client,
    mapped: &Mapped,
    changes: BTreeMap<Key, Delta>,
) -> Result<(), Failure> {
    let Some(tables) = &mapped.changed else { return Ok(()) };
    let mut known = locked(client, tables, &changes).await?;
    let mut moved = String::new();
    let mut news: [Lists; 2] = [Lists::default(), Lists::default()];
    for (key, delta) in changes {
        let own = known.entry(key).or_default();
        let one = delta.news(&mut own.clocks);
        // Writing to a String cannot fail.
        let _ = write!(
            moved,
            "{}({}, '{}'::uuid, {})",
            if moved.is_empty() { "" } else { ", " },
            key.0 as i32,
            one.id,
            literal(&own.clocks.text())
        );
        let lists = &mut news[usize::from(key.0 == Thing::Step)];
        if own.is_there { lists.changed.push(one) } else { lists.new.push(one) }
    }
    let mut sql = String::new();
    for (thing, lists) in [Thing::Run, Thing::Step].into_iter().zip(&news) {
        if !lists.changed.is_empty() {
            sql.push_str(&tables.update(thing, &lists.changed));
        }
    }
    let _ = write!(
        sql,
        "UPDATE {} c SET clocks = d.clocks, updated_at = now() FROM (VALUES {moved}) AS d(kind, id, clocks) \
         WHERE c.kind = d.kind AND c.id = d.id",
        tables.clocks
    );
    run(client, Phase::Copy, &sql).await?;
    for (thing, lists) in [Thing::Run, Thing::Step].into_iter().zip(&news) {
        if lists.new.is_empty() {
            continue;
        }
        let made = run(client, Phase::Copy, &tables.insert(thing, &lists.new)).await?;
        if rows_touched(&made) < lists.new.len() as u64 {
            // Somebody else has made one of them meanwhile; a statement of its own sees it.
            run(client, Phase::Copy, &tables.update(thing, &lists.new)).await?;
        }
    }
    Ok(())
}

/// Rows of one table.
#[derive(Debug, Default)]
struct Lists {
    changed: Vec<News>,
    new: Vec<News>,
}

/// What is known of a row before it is changed.
#[derive(Debug, Default)]
struct Known {
    clocks: Clocks,
    is_there: bool,
}

/// Locks the clocks of all rows, and reads them. A row that somebody else has made has none yet.
async fn locked(
    client: &Client,
    tables: &Changed,
    changes: &BTreeMap<Key, Delta>,
) -> Result<HashMap<Key, Known>, Failure> {
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

fn read(row: &SimpleQueryRow) -> Option<(Key, Known)> {
    let text = |index: usize| row.try_get(index).ok().flatten();
    let thing = if text(0)? == "1" { Thing::Run } else { Thing::Step };
    let key = (thing, text(1).and_then(parse_uuid)?);
    let stored = text(2)?;
    let micros: Option<i64> = text(3).and_then(|micros| micros.parse().ok());
    let clocks = match micros {
        Some(micros) if stored == "{}" => Clocks::of_row(micros),
        _ => Clocks::parse(stored),
    };
    Some((key, Known { clocks, is_there: micros.is_some() }))
}

const INFO: &str = "CASE WHEN d.info IS NULL THEN t.info WHEN jsonb_typeof(t.info::jsonb) = 'object' \
                    THEN t.info::jsonb || d.info ELSE d.info END";

/// The columns of what the start of a run says, and their types.
const OF_RUN: [(&str, &str); 8] = [
    ("name", "text"),
    ("description", "text"),
    ("application", "text"),
    ("environment", "text"),
    ("input", "jsonb"),
    ("trace_id", "text"),
    ("span_id", "text"),
    ("tags", "text[]"),
];

/// The same of a step.
const OF_STEP: [(&str, &str); 7] = [
    ("run_id", "uuid"),
    ("type", "text"),
    ("parent_step", "uuid"),
    ("name", "text"),
    ("input", "jsonb"),
    ("tags", "text[]"),
    ("span_id", "text"),
];

impl Changed {
    fn table(&self, thing: Thing) -> &str {
        if thing == Thing::Run { &self.runs } else { &self.steps }
    }

    /// Makes rows that are not there, one for each of the news.
    fn insert(&self, thing: Thing, news: &[News]) -> String {
        let table = self.table(thing);
        let mut columns = vec!["id", "status", "output", "info"];
        let mut values = vec![
            "id".to_owned(),
            "coalesce(status, 'started')".to_owned(),
            "output".to_owned(),
            "info".to_owned(),
        ];
        for (column, _) in of(thing) {
            columns.push(column);
            values.push(self.filled(thing, column, column));
        }
        if thing == Thing::Run {
            columns.extend(["updated_at", "created_at"]);
            values.extend(["last".to_owned(), "coalesce(begun, first)".to_owned()]);
        } else {
            columns.extend(["start_time", "end_time"]);
            values.extend(["coalesce(begun, first)".to_owned(), "end_time".to_owned()]);
        }
        let (columns, values) = (columns.join(", "), values.join(", "));
        format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {} {}",
            recordset(thing, news),
            self.on_conflict[usize::from(thing == Thing::Step)]
        )
    }

    /// Changes rows that are there.
    fn update(&self, thing: Thing, news: &[News]) -> String {
        let table = self.table(thing);
        let mut sets = vec![
            "status = coalesce(d.status, t.status)".to_owned(),
            "output = coalesce(d.output, t.output)".to_owned(),
            format!("info = {INFO}"),
        ];
        for (column, _) in of(thing) {
            let value = format!("CASE WHEN d.is_start THEN d.{column} ELSE t.{column} END");
            sets.push(format!("{column} = {}", self.filled(thing, column, &value)));
        }
        let begins = if thing == Thing::Run { "created_at" } else { "start_time" };
        sets.push(format!(
            "{begins} = CASE WHEN d.is_start THEN d.begun WHEN d.is_started THEN t.{begins} \
             ELSE least(t.{begins}, d.first) END"
        ));
        sets.push(if thing == Thing::Run {
            "updated_at = greatest(t.updated_at, d.last)".to_owned()
        } else {
            "end_time = coalesce(d.end_time, t.end_time)".to_owned()
        });
        let (sets, rows) = (sets.join(", "), recordset(thing, news));
        format!("UPDATE {table} t SET {sets} FROM {rows} WHERE t.id = d.id;")
    }

    /// A value for a column: cut to its length, and not NULL where that cannot be.
    fn filled(&self, thing: Thing, column: &str, value: &str) -> String {
        let limits = &self.limits[usize::from(thing == Thing::Step)];
        let found = limits.iter().find(|limit| limit.column == column);
        let mut value = value.to_owned();
        if let Some(most) = found.and_then(|limit| limit.characters_max) {
            value = format!("left({value}, {most})");
        }
        if found.is_some_and(|limit| !limit.is_nullable) && matches!(column, "name" | "type") {
            value = format!("coalesce({value}, '')");
        }
        value
    }
}

fn of(thing: Thing) -> &'static [(&'static str, &'static str)] {
    if thing == Thing::Run { &OF_RUN } else { &OF_STEP }
}

/// The news as rows of a query, called `d`.
fn recordset(thing: Thing, news: &[News]) -> String {
    let mut out = Vec::new();
    for one in news {
        out.extend_from_slice(if out.is_empty() { b"[" } else { b"," });
        record(&mut out, one);
    }
    out.push(b']');
    let json = literal(&String::from_utf8(out).unwrap_or_default());
    let columns: Vec<String> = of(thing).iter().map(|(column, kind)| format!("{column} {kind}")).collect();
    format!(
        "jsonb_to_recordset({json}::jsonb) AS d(id uuid, is_start boolean, is_started boolean, begun timestamptz, \
         status text, output jsonb, info jsonb, end_time timestamptz, first timestamptz, last timestamptz, {})",
        columns.join(", ")
    )
}

fn record(out: &mut Vec<u8>, news: &News) {
    out.push(b'{');
    text(out, "id", &news.id);
    text(out, "run_id", &news.run_id);
    raw(out, "is_start", if news.start.is_some() { "true" } else { "false" });
    raw(out, "is_started", if news.is_started { "true" } else { "false" });
    if let Some(Start { micros, columns }) = &news.start {
        text(out, "begun", &moment(*micros));
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
