//! Questions to a server, each in a transaction that can only read; changes in one of their own.

use super::Options;
use super::failure::Phase;
use super::maintenance::Maintenance;
use super::session::run;
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::select::{Answer, Change, Select};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

struct TableSelect {
    options: Arc<Options>,
    limits: Limits,
    maintenance: Maintenance,
    limit: Duration,
    /// The channel that is heard.
    channel: Option<String>,
}

/// Connects.
pub(super) fn open(options: Options, limits: Limits) -> Result<Box<dyn Change>, WriteError> {
    let options = Arc::new(options);
    let maintenance = Maintenance::open(Arc::clone(&options), limits)?;
    let limit = limits.write;
    Ok(Box::new(TableSelect { options, limits, maintenance, limit, channel: None }))
}

impl TableSelect {
    /// Connects again, if the connection is gone.
    fn look(&mut self) -> Result<(), WriteError> {
        if self.maintenance.connected.client.is_closed() {
            self.maintenance = Maintenance::open(Arc::clone(&self.options), self.limits)?;
            self.channel = None;
        }
        Ok(())
    }

    /// Runs statements in a transaction of their own, which ends whatever becomes of them.
    fn transaction(&mut self, kind: &str, sql: &str) -> Result<Vec<SimpleQueryMessage>, WriteError> {
        self.look()?;
        let limit = self.limit.as_millis().clamp(1, i32::MAX as u128);
        let sql = format!(
            "BEGIN ISOLATION LEVEL {kind};SET LOCAL statement_timeout = {limit};\
             SET LOCAL lock_timeout = {limit};SET LOCAL timezone = 'UTC';SET LOCAL datestyle = 'ISO, YMD';\
             {sql};COMMIT"
        );
        let client = &self.maintenance.connected.client;
        self.maintenance.run_for(self.limit + self.limit, async || {
            let answer = run(client, Phase::Schema, &sql).await;
            if answer.is_err() {
                // Should this fail too, the connection is gone, and the first answer says why.
                drop(run(client, Phase::Schema, "ROLLBACK").await);
            }
            answer
        })
    }

    fn listen(&mut self, channel: &str) -> Result<(), WriteError> {
        let sql = format!("UNLISTEN *;LISTEN \"{}\"", channel.replace('"', "\"\""));
        let client = &self.maintenance.connected.client;
        self.maintenance.run_for(self.limit, async || run(client, Phase::Schema, &sql).await.map(|_| ()))?;
        self.channel = Some(channel.to_owned());
        Ok(())
    }
}

impl Select for TableSelect {
    fn ask(&mut self, sql: &str) -> Result<Answer, WriteError> {
        let kind = "REPEATABLE READ READ ONLY";
        let mut answer = self.transaction(kind, sql);
        if answer.is_err() && self.maintenance.connected.client.is_closed() {
            // An idle connection that somebody has ended; to ask again changes nothing.
            answer = self.transaction(kind, sql);
        }
        answer.map(|messages| table(&messages))
    }

    fn wait(&mut self, channel: &str, limit: Duration) -> Result<Vec<String>, WriteError> {
        self.look()?;
        if self.channel.as_deref() != Some(channel) {
            self.listen(channel)?;
            return Ok(Vec::new());
        }
        self.maintenance.hear(limit)
    }
}

impl Change for TableSelect {
    fn change(&mut self, sql: &str) -> Result<u64, WriteError> {
        let answer = self.transaction("READ COMMITTED", sql)?;
        let counts = answer.iter().map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => *rows,
            _ => 0,
        });
        // BEGIN, SET and COMMIT touch none.
        Ok(counts.sum())
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
