//! Rows that go one by one: in small transactions, each of which looks at a bounded part of the table.

use super::super::failure::{Failure, Phase};
use super::super::partitions::LIMITS;
use super::super::schema::{ServerLimits, Turn, alone, code_of, literal};
use super::super::session::{rows_touched, run};
use super::{Piece, UNDEFINED_TABLE};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows deleted in one transaction, at most.
const CHUNK_ROWS: u64 = 10_000;

/// Pages looked at in one transaction, at most: 4 MiB of the usual size. An age alone is found by an index.
const CHUNK_PAGES: u64 = 512;

/// For counting, which may have to read a whole partition.
const COUNT_LIMITS: ServerLimits = ServerLimits { statement: Duration::from_mins(1), ..LIMITS };

/// Oldest server that goes to a range of pages at once instead of reading the table from its beginning.
const PAGE_RANGES_SINCE: i64 = 140_000;

/// Rows of a table that are to go, and how far they are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Rest {
    /// A table without partitions, or one of them. Quoted and qualified.
    pub(super) table: String,
    /// Of each policy, its place and the rows.
    pub(super) conditions: Vec<(usize, String)>,
    /// Whether age alone decides.
    pub(super) is_plain: bool,
    pub(super) pages: Pages,
}

/// How far a table has been looked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pages {
    /// How many it has; none before the first look.
    all: Option<u64>,
    /// How many have been looked at.
    seen: u64,
}

impl Rest {
    /// Whether nothing is left.
    pub(in super::super) fn is_done(&self) -> bool {
        self.pages.all.is_some_and(|all| self.pages.seen >= all)
    }

    /// Deletes the rows of the next part that are to go.
    pub(in super::super) async fn delete_chunk(&mut self, client: &Client) -> Result<Piece, Failure> {
        let done = alone(client, Turn::Skip, LIMITS, async || {
            let all = match self.pages.all {
                Some(all) => all,
                None => self.count_pages(client).await?,
            };
            let sql = self.delete_sql(self.pages.seen);
            Ok((all, rows_touched(&run(client, Phase::Schema, &sql).await?)))
        });
        match done.await {
            Ok(Some((all, rows))) => {
                self.pages.all = Some(all);
                if rows < CHUNK_ROWS {
                    self.pages.seen += if self.is_plain { all } else { CHUNK_PAGES };
                    self.pages.seen = self.pages.seen.max(u64::from(all == 0));
                }
                Ok(Piece::Done(rows))
            }
            Ok(None) => Ok(Piece::Busy),
            Err(failure) if code_of(&failure) == UNDEFINED_TABLE => {
                self.pages = Pages { all: Some(0), seen: 0 };
                Ok(Piece::Done(0))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The pages that are to be looked through. All are one part where age alone decides, and where the server would read
    /// the table from its beginning each time.
    async fn count_pages(&mut self, client: &Client) -> Result<u64, Failure> {
        let table = literal(&self.table);
        let sql = format!(
            "SELECT current_setting('server_version_num'), \
             pg_relation_size({table}::regclass) / current_setting('block_size')::bigint"
        );
        let answer = run(client, Phase::Schema, &sql).await?;
        let number = |column: usize| {
            answer.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.try_get(column).ok().flatten()?.parse::<i64>().ok(),
                _ => None,
            })
        };
        self.is_plain |= number(0).unwrap_or(0) < PAGE_RANGES_SINCE;
        Ok(number(1).and_then(|pages| u64::try_from(pages).ok()).unwrap_or(0))
    }

    /// By address, because there may be no key; compared again, because an address can be given anew.
    fn delete_sql(&self, seen: u64) -> String {
        let (table, condition) = (&self.table, self.condition());
        let pages = if self.is_plain {
            String::new()
        } else {
            format!("ctid >= '({seen},0)'::tid AND ctid < '({},0)'::tid AND ", seen + CHUNK_PAGES)
        };
        format!(
            "DELETE FROM ONLY {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY {table} WHERE {pages}({condition}) \
             LIMIT {CHUNK_ROWS})) AND ({condition})"
        )
    }

    /// All rows that are to go, as SQL.
    fn condition(&self) -> String {
        let all: Vec<String> = self.conditions.iter().map(|(_, which)| format!("({which})")).collect();
        all.join(" OR ")
    }

    /// Adds up the rows that are to go, by policy.
    pub(in super::super) async fn count(&self, client: &Client, rows: &mut [u64]) -> Result<(), Failure> {
        let counts: Vec<String> =
            self.conditions.iter().map(|(_, which)| format!("count(*) FILTER (WHERE {which})")).collect();
        let sql = format!(
            "{}SELECT {} FROM ONLY {} WHERE {}",
            COUNT_LIMITS.sql(),
            counts.join(", "),
            self.table,
            self.condition()
        );
        let answer = run(client, Phase::Schema, &sql).await?;
        for message in &answer {
            let SimpleQueryMessage::Row(row) = message else { continue };
            for (place, (policy, _)) in self.conditions.iter().enumerate() {
                let count = row.try_get(place).ok().flatten().and_then(|text| text.parse::<u64>().ok());
                if let (Some(rows), Some(count)) = (rows.get_mut(*policy), count) {
                    *rows += count;
                }
            }
        }
        Ok(())
    }
}
