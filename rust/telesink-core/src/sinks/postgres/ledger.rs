//! The ledger: how far each lane of each process has got, moved in the same transaction as the data.
//!
//! A transaction begins with the guard: an UPDATE that only finds the row if it stands where this lane has left it.
//! Nothing else is sent before its answer is known, so that an old copy of the transaction, held up somewhere on the way
//! and delivered late, changes nothing.

use super::failure::{Cause, Failure, Phase};
use super::session::{first_value, rows_touched, run};
use std::fmt::Write;
use tokio_postgres::Client;

/// Which records of a batch have to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// All: the ledger stood where it should.
    All,
    /// Only those with a greater `seq`: an earlier attempt, whose answer was lost, has stored the rest.
    Above(u64),
    /// All, and so many that were confirmed once are gone: the server went back in time.
    RolledBack(u64),
}

/// The ledger row of one lane and the step it is to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    /// Quoted name of the table.
    pub(super) table: &'a str,
    pub(super) instance: &'a str,
    pub(super) lane: u32,
    /// Where the row should stand.
    pub(super) previous: u64,
    /// Where it is to go.
    pub(super) last: u64,
}

impl Step<'_> {
    /// The guard. A lane that has stored nothing yet may have no row.
    pub(super) fn write_guard(&self, sql: &mut String) {
        let Self { table, instance, lane, previous, .. } = *self;
        if previous == 0 {
            // Writing to a String cannot fail.
            let _ = write!(
                sql,
                "INSERT INTO {table} (instance, lane, last_seq, updated_at) VALUES ('{instance}', {lane}, 0, now()) \
                 ON CONFLICT (instance, lane) DO NOTHING;"
            );
        }
        self.write_update(sql, previous);
    }

    fn write_update(&self, sql: &mut String, from: u64) {
        let Self { table, instance, lane, last, .. } = *self;
        let _ = write!(
            sql,
            "UPDATE {table} SET last_seq = {last}, updated_at = now() \
             WHERE instance = '{instance}' AND lane = {lane} AND last_seq = {from}"
        );
    }

    /// Finds out why the guard found no row, and moves the row if there is something to store. Runs in the
    /// transaction of the guard.
    pub(super) async fn look(&self, client: &Client) -> Result<Guard, Failure> {
        let Self { table, instance, lane, previous, last } = *self;
        let sql = format!(
            "SELECT last_seq FROM {table} WHERE instance = '{instance}' AND lane = {lane} FOR UPDATE"
        );
        let found = run(client, Phase::Guard, &sql).await?;
        let observed: Option<u64> = first_value(&found).and_then(|text| text.parse().ok());
        let guard = meaning(observed, previous);
        let mut sql = String::new();
        match observed {
            Some(observed) if observed >= last => return Ok(guard),
            Some(observed) => self.write_update(&mut sql, observed),
            None => {
                let _ = write!(
                    sql,
                    "INSERT INTO {table} (instance, lane, last_seq, updated_at) \
                     VALUES ('{instance}', {lane}, {last}, now()) ON CONFLICT (instance, lane) DO NOTHING"
                );
            }
        }
        let moved = run(client, Phase::Guard, &sql).await?;
        if rows_touched(&moved) == 1 {
            return Ok(guard);
        }
        // An older transaction of ours has just ended; the next attempt sees what became of it.
        Err(Failure::new(Phase::Guard, Cause::Lost("the ledger row moved while it was looked at".to_owned())))
    }
}

/// What the position of the ledger says.
fn meaning(observed: Option<u64>, previous: u64) -> Guard {
    match observed.unwrap_or(0) {
        observed if observed > previous => Guard::Above(observed),
        observed if observed < previous => Guard::RolledBack(previous - observed),
        _ => Guard::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_of_the_ledger_has_one_meaning() {
        let table = [
            (None, 0, Guard::All),
            (Some(0), 0, Guard::All),
            (Some(20), 10, Guard::Above(20)),
            (Some(15), 10, Guard::Above(15)),
            (Some(7), 10, Guard::RolledBack(3)),
            (None, 10, Guard::RolledBack(10)),
        ];
        for (observed, previous, expected) in table {
            assert_eq!(meaning(observed, previous), expected, "{observed:?} {previous}");
        }
    }
}
