//! The lock that each transaction of a lane holds, so that the lane can find one that it has given up, and end it.
//!
//! A server that has read rows, or a request without the Sync behind it, waits for more under none of its own limits: when
//! the sender is gone, the transaction keeps the ledger row locked until the server's keep-alive ends it, hours later.
//! The client may have heard nothing of that transaction, and behind a pooler its process is not that of the log-in, so
//! that only a name which the client chose itself finds it.

use super::failure::{Cause, Failure, Phase};
use super::session::run;
use crate::sinks::Batch;
use tokio_postgres::Client;

/// An advisory lock of this lane of this pipeline, and of nobody else: one lane has one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneLock(u64);

impl LaneLock {
    /// Of the lane that sends this batch.
    pub(super) fn of(batch: &Batch<'_>) -> Self {
        // The random half of the UUID.
        let mut half = [0; 8];
        half.copy_from_slice(&batch.instance[8..]);
        Self(u64::from_be_bytes(half) ^ u64::from(batch.lane))
    }

    /// Takes it until the transaction ends; before anything else that may be locked, so that a transaction of this lane
    /// which keeps the ledger row has this lock, too. It is shared, and never waited for: it is a name, and what excludes
    /// is the row.
    pub(super) fn take_sql(self) -> String {
        format!("SELECT pg_advisory_xact_lock_shared({});", self.0.cast_signed())
    }

    /// Ends whoever else holds it and waits for its client. Whatever else it does has a limit of the server's; above all, a
    /// COMMIT that waits for a standby is left alone: to end it would make its rows visible before they are safe.
    pub(super) async fn end_holder(self, client: &Client) -> Result<(), Failure> {
        let (high, low) = (self.0 >> 32, self.0 & u64::from(u32::MAX));
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) \
             WHERE locktype = 'advisory' AND classid = {high} AND objid = {low} AND objsubid = 1 AND granted \
             AND datname = current_database() AND pid <> pg_backend_pid() \
             AND wait_event_type = 'Client'"
        );
        match run(client, Phase::Guard, &sql).await {
            // Whoever may not do this waits for the server's keep-alive.
            Err(Failure { cause: Cause::Answer(answer), .. }) if !answer.is_fatal => Ok(()),
            ended => ended.map(|_| ()),
        }
    }
}

/// Whether a transaction of the lane may be left on the server: nobody answered in the middle of one, or the guard waited
/// in vain, as for the ledger row.
pub(super) fn may_be_held(failure: &Failure) -> bool {
    match &failure.cause {
        // A lock timeout, and the limit for a statement.
        Cause::Answer(answer) => {
            failure.phase == Phase::Guard && matches!(answer.code.as_str(), "55P03" | "57014")
        }
        _ => matches!(failure.phase, Phase::Guard | Phase::Copy | Phase::Commit),
    }
}
