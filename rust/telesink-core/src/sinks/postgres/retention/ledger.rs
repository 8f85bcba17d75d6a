//! Ledger rows of processes that ended long ago.

use super::super::failure::{Failure, Phase};
use super::super::partitions::LIMITS;
use super::super::schema::{Names, literal};
use super::super::session::{rows_touched, run};
use tokio_postgres::Client;

/// Rows that have not moved for so many days are swept: longer than any process holds records back.
const AGE_DAYS_MAX: u32 = 30;

/// Rows swept at once, at most.
const ROWS_MAX: u32 = 10_000;

/// Sweeps clocks of runs and steps that have not moved for 30 days: what comes later than that counts as news. Answers how
/// many there were.
pub(in super::super) async fn sweep_clocks(client: &Client, clocks: &str) -> Result<u64, Failure> {
    let sql = format!(
        "{}DELETE FROM {clocks} WHERE (kind, id) IN (SELECT kind, id FROM {clocks} \
         WHERE updated_at < now() - interval '{AGE_DAYS_MAX} days' LIMIT {ROWS_MAX} FOR UPDATE SKIP LOCKED)",
        LIMITS.sql(),
    );
    Ok(rows_touched(&run(client, Phase::Schema, &sql).await?))
}

/// Sweeps rows that have not moved for 30 days by the server's clock, but never those of `instance`: a process may be
/// silent for long. Answers how many there were.
pub(in super::super) async fn sweep_ledger(
    client: &Client,
    names: &Names,
    instance: &str,
) -> Result<u64, Failure> {
    let ledger = names.ledger();
    // Rows that somebody has locked are in use after all, or are being swept.
    let sql = format!(
        "{}DELETE FROM {ledger} WHERE (instance, lane) IN (SELECT instance, lane FROM {ledger} \
         WHERE updated_at < now() - interval '{AGE_DAYS_MAX} days' AND instance <> {} \
         LIMIT {ROWS_MAX} FOR UPDATE SKIP LOCKED)",
        LIMITS.sql(),
        literal(instance),
    );
    Ok(rows_touched(&run(client, Phase::Schema, &sql).await?))
}
