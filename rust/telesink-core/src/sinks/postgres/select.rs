//! Questions to a server, each in a transaction that can only read.

use super::Options;
use super::failure::Phase;
use super::maintenance::Maintenance;
use super::session::run;
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::select::{Answer, Select};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

struct TableSelect {
    maintenance: Maintenance,
    limit: Duration,
}

/// Connects.
pub(super) fn open(options: Options, limits: Limits) -> Result<Box<dyn Select>, WriteError> {
    let maintenance = Maintenance::open(Arc::new(options), limits)?;
    Ok(Box::new(TableSelect { maintenance, limit: limits.write }))
}

impl Select for TableSelect {
    fn ask(&mut self, sql: &str) -> Result<Answer, WriteError> {
        let limit = self.limit.as_millis().clamp(1, i32::MAX as u128);
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;SET LOCAL statement_timeout = {limit};\
             SET LOCAL lock_timeout = {limit};SET LOCAL timezone = 'UTC';SET LOCAL datestyle = 'ISO, YMD';\
             {sql};COMMIT"
        );
        let client = &self.maintenance.connected.client;
        let answered = self.maintenance.run_for(self.limit + self.limit, async || {
            let answer = run(client, Phase::Schema, &sql).await;
            if answer.is_err() {
                // Should this fail too, the connection is gone, and the first answer says why.
                drop(run(client, Phase::Schema, "ROLLBACK").await);
            }
            answer
        });
        answered.map(|messages| table(&messages))
    }
}

fn table(messages: &[SimpleQueryMessage]) -> Answer {
    let mut answer = Answer::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                answer.names = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|index| row.try_get(index).ok().flatten().map(str::to_owned));
                answer.rows.push(values.collect());
            }
            _ => {}
        }
    }
    answer
}
