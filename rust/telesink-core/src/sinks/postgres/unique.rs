//! `dedupe=id`: the indexes that make records unique.

use super::failure::{Cause, Failure, Phase};
use super::schema::{LIMITS, Names, RecordTable, Turn, alone, literal};
use super::session::{first_value, run};
use tokio_postgres::Client;

/// Makes sure that a table has a unique index; without one, `ON CONFLICT` would let every row in.
pub(super) async fn prepare(
    client: &Client,
    names: &Names,
    table: RecordTable,
    creates: bool,
) -> Result<(), Failure> {
    let target = names.of(table);
    if is_unique(client, target).await? {
        return Ok(());
    }
    // The column that rows are partitioned by has to be part of it. A repeated record has the same time.
    let index = format!("CREATE UNIQUE INDEX {}_id ON {target} ({})", table.name(), key(table));
    if !creates {
        let message = "dedupe=id needs a unique index, there is none, and create_schema=false".to_owned();
        return Err(Failure::new(Phase::Schema, Cause::Config { message, hint: format!("run: {index}") }));
    }
    let work = async || {
        if !is_unique(client, target).await? {
            run(client, Phase::Schema, &index).await?;
        }
        Ok(())
    };
    alone(client, Turn::Wait, LIMITS, work).await.map(|_| ())
}

/// What is the same only for the same record. A point of a metric has no id: it is one of the record that had its number.
fn key(table: RecordTable) -> &'static str {
    match table {
        RecordTable::Logs => "id, ts",
        RecordTable::Spans => "trace_id, span_id, ts",
        // As a hash, because an index holds no long values.
        RecordTable::Metrics => "instance, seq, ts, jsonb_hash_extended(attributes, 0)",
    }
}

async fn is_unique(client: &Client, table: &str) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT 1 FROM pg_index WHERE indrelid = to_regclass({}) AND indisunique AND indisvalid AND indpred IS NULL",
        literal(table)
    );
    Ok(first_value(&run(client, Phase::Schema, &sql).await?).is_some())
}
