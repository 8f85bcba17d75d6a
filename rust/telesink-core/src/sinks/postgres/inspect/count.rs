//! Has a server count its records.

use super::super::failure::{Failure, Phase};
use super::super::schema::{self, Names, RecordTable, literal};
use super::super::session::run;
use super::begin;
use crate::sinks::inspect::Book;
use futures_util::TryStreamExt;
use std::pin::pin;
use std::sync::atomic::{AtomicI32, Ordering};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// All questions in one transaction that sees one moment.
pub(super) async fn count(
    client: &Client,
    names: &Names,
    counting: &AtomicI32,
    book: &mut Book,
    say: &dyn Fn(&'static str),
) -> Result<(), Failure> {
    let (logs, ledger) = (names.logs(), names.ledger());
    begin(client, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", counting).await?;
    let numbers = numbers(client, names).await?;
    say("counting rows");
    let sql = format!(
        "SELECT instance, count(*), min(seq), max(seq) FROM ({numbers}) AS numbers GROUP BY instance"
    );
    each(client, &sql, |row| {
        book.rows(row.get(0).unwrap_or_default(), number(row, 1), number(row, 2), number(row, 3));
    })
    .await?;
    each(client, &format!("SELECT instance, last_seq FROM {ledger}"), |row| {
        book.ledger(row.get(0).unwrap_or_default(), number(row, 1));
    })
    .await?;
    say("reading loss markers");
    // A marker that was refused and replayed tells of the process that wrote it first.
    let sql = format!(
        "SELECT coalesce(attributes ->> 'telesink.original_instance', instance::text), \
         coalesce(attributes ->> 'telesink.original_seq', seq::text), attributes ->> 'seq_from', \
         attributes ->> 'seq_to' FROM {logs} WHERE logger = 'telesink' AND event_name = 'telesink.loss'"
    );
    each(client, &sql, |row| {
        book.marker(row.get(0).unwrap_or_default(), number(row, 1), row.get(2), row.get(3));
    })
    .await?;
    let sql = format!(
        "SELECT attributes ->> 'telesink.original_instance', attributes ->> 'telesink.original_seq', instance \
         FROM {logs} WHERE attributes ? 'telesink.original_seq' AND attributes ? 'telesink.original_instance'"
    );
    each(client, &sql, |row| {
        book.replayed(row.get(0).unwrap_or_default(), row.get(1), row.get(2).unwrap_or_default());
    })
    .await?;
    book.prepare();
    say("looking for holes");
    let sql = format!(
        "SELECT instance, before, seq FROM (SELECT instance, seq, \
         lag(seq) OVER (PARTITION BY instance ORDER BY seq) AS before FROM ({numbers}) AS numbers) AS numbered \
         WHERE seq <> before + 1 ORDER BY instance, seq"
    );
    each(client, &sql, |row| book.jump(row.get(0).unwrap_or_default(), number(row, 1), number(row, 2)))
        .await?;
    counting.store(0, Ordering::Release);
    run(client, Phase::Schema, "COMMIT").await.map(|_| ())
}

/// The query of all numbers, each as often as a record is stored; tables of an older version are fewer.
async fn numbers(client: &Client, names: &Names) -> Result<String, Failure> {
    let names_of = RecordTable::ALL.map(|table| format!("to_regclass({})", literal(names.of(table))));
    let there = run(client, Phase::Schema, &format!("SELECT {}", names_of.join(", "))).await?;
    if schema::value(&there, RecordTable::Logs as usize).is_none() {
        return Err(schema::no_tables());
    }
    let tables = RecordTable::ALL.into_iter();
    let tables = tables.filter(|table| schema::value(&there, *table as usize).is_some());
    let queries: Vec<String> = tables.map(|table| numbers_of(table, names)).collect();
    Ok(queries.join(" UNION ALL "))
}

/// The points of a metric share a number, and only a second copy of the same point is a second record.
fn numbers_of(table: RecordTable, names: &Names) -> String {
    let target = names.of(table);
    match table {
        RecordTable::Logs | RecordTable::Spans => format!("SELECT instance, seq FROM {target}"),
        RecordTable::Metrics => format!(
            "SELECT instance, seq FROM (SELECT DISTINCT instance, seq, row_number() OVER (PARTITION BY instance, seq, \
             ts, start_ts, attributes, value, count, sum, buckets) AS copy FROM {target}) AS copies"
        ),
    }
}

/// Hands each row over as it comes: there may be very many.
async fn each(client: &Client, sql: &str, mut enter: impl FnMut(&SimpleQueryRow)) -> Result<(), Failure> {
    let failed = |error: tokio_postgres::Error| Failure::of(Phase::Schema, &error);
    let mut messages = pin!(client.simple_query_raw(sql).await.map_err(failed)?);
    while let Some(message) = messages.try_next().await.map_err(failed)? {
        if let SimpleQueryMessage::Row(row) = message {
            enter(&row);
        }
    }
    Ok(())
}

fn number(row: &SimpleQueryRow, index: usize) -> u64 {
    row.get(index).and_then(|text| text.parse().ok()).unwrap_or(0)
}
