//! Work on the tables: one piece at a time in the whole database, each in its own transaction, under limits of its own.

use super::super::failure::{Cause, Failure, Phase};
use super::super::session::{first_value, run};
use std::fmt::Write;
use std::time::Duration;
use tokio_postgres::Client;

/// Names the lock that keeps two from working on the tables at once: "telesink" as a number.
pub(super) const LOCK_KEY: i64 = i64::from_be_bytes(*b"telesink");

/// What to do if somebody else is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Turn {
    /// Wait, as long as for any lock.
    Wait,
    /// Leave it to them.
    Skip,
}

/// How long the server may wait and work, whatever the role has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct ServerLimits {
    /// For a lock.
    pub(in super::super) lock: Duration,
    /// For a statement.
    pub(in super::super) statement: Duration,
}

impl ServerLimits {
    /// Sets them for one transaction. Times are read and written in one way, too, whatever the role prefers.
    pub(in super::super) fn sql(self) -> String {
        let millis = |limit: Duration| limit.as_millis().clamp(1, i32::MAX as u128);
        let mut sql = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            sql,
            "SET LOCAL lock_timeout = {lock};SET LOCAL statement_timeout = {statement};\
             SET LOCAL idle_in_transaction_session_timeout = {statement};\
             SET LOCAL timezone = 'UTC';SET LOCAL datestyle = 'ISO, YMD';",
            lock = millis(self.lock),
            statement = millis(self.statement),
        );
        sql
    }
}

/// Does `work` in a transaction that holds the lock on the tables, and ends the transaction whatever becomes of it.
/// `None`: somebody else is at work.
pub(in super::super) async fn alone<T>(
    client: &Client,
    turn: Turn,
    limits: ServerLimits,
    work: impl AsyncFnOnce() -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let done = async {
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED;{}", limits.sql());
        match turn {
            Turn::Wait => {
                let sql = format!("{begin}SELECT pg_advisory_xact_lock({LOCK_KEY})");
                run(client, Phase::Schema, &sql).await?;
            }
            Turn::Skip => {
                let sql = format!("{begin}SELECT pg_try_advisory_xact_lock({LOCK_KEY})");
                if first_value(&run(client, Phase::Schema, &sql).await?) != Some("t") {
                    return Ok(None);
                }
            }
        }
        work().await.map(Some)
    };
    match done.await {
        Ok(done) => {
            let end = if done.is_some() { "COMMIT" } else { "ROLLBACK" };
            run(client, Phase::Schema, end).await?;
            Ok(done)
        }
        Err(failure) => {
            // Should this fail too, the connection is gone, and the first answer says why.
            drop(run(client, Phase::Schema, "ROLLBACK").await);
            Err(failure)
        }
    }
}

/// The SQLSTATE of a failure; empty if the server did not answer.
pub(in super::super) fn code_of(failure: &Failure) -> &str {
    match &failure.cause {
        Cause::Answer(answer) => &answer.code,
        _ => "",
    }
}
