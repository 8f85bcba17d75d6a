//! The ledger: how far each lane of each process has got, moved in the same transaction as the data.

use super::failure::Failure;
use rusqlite::{Connection, OptionalExtension, params};

/// Which records of a batch have to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// All: the ledger stood where it should, or was missing for a new lane.
    All,
    /// Only those with a greater `seq`: an earlier attempt, whose answer was lost, had stored the rest.
    Above(u64),
    /// All, although the ledger stood so much further once: the file was replaced by an older one.
    RolledBack(u64),
}

/// Moves the ledger from `previous` to `last`, and says what that means for the batch.
pub(super) fn advance(
    connection: &Connection,
    instance: &str,
    lane: u32,
    previous: u64,
    last: u64,
    now_unix_nano: u64,
) -> Result<Guard, Failure> {
    let (previous, last, now) = (previous as i64, last as i64, now_unix_nano as i64);
    let mut moved = connection.prepare_cached(
        "UPDATE telesink_ledger SET last_seq = ?1, updated_at = ?2 WHERE instance = ?3 AND lane = ?4 AND last_seq = ?5",
    )?;
    if moved.execute(params![last, now, instance, lane, previous])? == 1 {
        return Ok(Guard::All);
    }
    let observed: Option<i64> = connection
        .prepare_cached("SELECT last_seq FROM telesink_ledger WHERE instance = ?1 AND lane = ?2")?
        .query_row(params![instance, lane], |row| row.get(0))
        .optional()?;
    let observed_seq = observed.unwrap_or(0);
    let guard = match observed_seq {
        seq if seq > previous => Guard::Above(seq as u64),
        _ if previous == 0 => Guard::All,
        seq => Guard::RolledBack(previous.saturating_sub(seq) as u64),
    };
    if observed_seq < last {
        connection
            .prepare_cached(
                "INSERT INTO telesink_ledger (instance, lane, last_seq, updated_at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (instance, lane) DO UPDATE SET last_seq = excluded.last_seq, updated_at = excluded.updated_at",
            )?
            .execute(params![instance, lane, last, now])?;
    }
    Ok(guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection_at(last_seq: Option<i64>) -> Connection {
        let connection = Connection::open_in_memory().expect("open");
        connection.execute_batch(super::super::DDL).expect("create");
        if let Some(last_seq) = last_seq {
            connection
                .execute("INSERT INTO telesink_ledger VALUES ('i', 0, ?1, 0)", [last_seq])
                .expect("insert");
        }
        connection
    }

    #[test]
    fn every_position_of_the_ledger_has_one_meaning() {
        let table = [
            (None, 0, 10, Guard::All),
            (Some(10), 10, 20, Guard::All),
            (Some(20), 10, 20, Guard::Above(20)),
            (Some(15), 10, 20, Guard::Above(15)),
            (Some(5), 10, 20, Guard::RolledBack(5)),
            (None, 10, 20, Guard::RolledBack(10)),
        ];
        for (found, previous, last, expected) in table {
            let connection = connection_at(found);
            let guard = advance(&connection, "i", 0, previous, last, 1).expect("advance");
            assert_eq!(guard, expected, "{found:?}");
            let now: i64 = connection
                .query_row("SELECT last_seq FROM telesink_ledger", [], |row| row.get(0))
                .expect("ledger row");
            assert_eq!(now, last as i64, "{found:?}");
        }
    }
}
