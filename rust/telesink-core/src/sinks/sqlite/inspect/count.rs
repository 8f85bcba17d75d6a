//! Has a file count its records.

use super::super::failure::Failure;
use crate::sinks::inspect::Book;
use rusqlite::Connection;

/// Attributes of others may be no JSON.
const MARKERS: &str = "\
SELECT instance, seq, value ->> 'seq_from', value ->> 'seq_to', value ->> 'telesink.original_instance',
       value ->> 'telesink.original_seq'
FROM (SELECT instance, seq, CASE WHEN json_valid(attributes) THEN attributes ELSE '{}' END AS value
      FROM telesink_logs WHERE logger = 'telesink' AND event_name = 'telesink.loss')";

const REPLAYED: &str = "\
SELECT value ->> 'telesink.original_instance', value ->> 'telesink.original_seq', instance
FROM (SELECT instance, CASE WHEN json_valid(attributes) THEN attributes ELSE '{}' END AS value
      FROM telesink_logs WHERE instr(attributes, '\"telesink.original_seq\"'))
WHERE value ->> 'telesink.original_instance' IS NOT NULL";

/// The numbers that a table holds, each as often as a record is stored. The points of a metric share one, and only a
/// second copy of the same point is a second record.
fn numbers_of(table: &str) -> String {
    if table == "telesink_metrics" {
        return "SELECT instance, seq FROM (SELECT DISTINCT instance, seq, row_number() OVER (PARTITION BY instance, \
                seq, ts, start_ts, attributes, value, count, sum, buckets) AS copy FROM telesink_metrics)"
            .to_owned();
    }
    format!("SELECT instance, seq FROM {table}")
}

/// Enters what all tables of records hold, as one moment saw them.
pub(super) fn count(
    connection: &Connection,
    tables: &[&str],
    book: &mut Book,
    say: &dyn Fn(&'static str),
) -> Result<(), Failure> {
    let numbers: Vec<String> = tables.iter().map(|table| numbers_of(table)).collect();
    let numbers = numbers.join(" UNION ALL ");
    let moment = connection.unchecked_transaction()?;
    let each = |sql: &str, enter: &mut dyn FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>| {
        let mut select = moment.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            enter(row)?;
        }
        Ok::<(), Failure>(())
    };
    let number = |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(|seq| seq.max(0) as u64);
    let word = |row: &rusqlite::Row<'_>, index| -> rusqlite::Result<Option<String>> {
        Ok(match row.get_ref(index)? {
            rusqlite::types::ValueRef::Integer(number) => Some(number.to_string()),
            rusqlite::types::ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
    };
    say("counting rows");
    let rows = format!("SELECT instance, count(*), min(seq), max(seq) FROM ({numbers}) GROUP BY instance");
    each(&rows, &mut |row| {
        book.rows(&row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?);
        Ok(())
    })?;
    each("SELECT instance, last_seq FROM telesink_ledger", &mut |row| {
        book.ledger(&row.get::<_, String>(0)?, number(row, 1)?);
        Ok(())
    })?;
    say("reading loss markers");
    each(MARKERS, &mut |row| {
        // A marker that was refused and replayed tells of the process that wrote it first.
        let instance = word(row, 4)?.map_or_else(|| row.get(0), Ok)?;
        let seq = word(row, 5)?.and_then(|text| text.parse().ok()).map_or_else(|| number(row, 1), Ok)?;
        book.marker(&instance, seq, word(row, 2)?.as_deref(), word(row, 3)?.as_deref());
        Ok(())
    })?;
    each(REPLAYED, &mut |row| {
        let (original, seq) = (word(row, 0)?.unwrap_or_default(), word(row, 1)?);
        book.replayed(&original, seq.as_deref(), &row.get::<_, String>(2)?);
        Ok(())
    })?;
    book.prepare();
    say("looking for holes");
    let jumps = format!(
        "SELECT instance, before, seq FROM (SELECT instance, seq, lag(seq) OVER (PARTITION BY instance ORDER BY seq) \
         AS before FROM ({numbers})) WHERE seq <> before + 1 ORDER BY instance, seq"
    );
    each(&jumps, &mut |row| {
        book.jump(&row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?);
        Ok(())
    })
}
