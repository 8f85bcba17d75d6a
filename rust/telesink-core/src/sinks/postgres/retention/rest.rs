//! Rows that go one by one: in small transactions, each of which looks at a bounded part of the table.

use super::super::failure::{Cause, Failure, Phase};
use super::super::partitions::LIMITS;
use super::super::schema::{ServerLimits, Turn, alone, code_of, literal};
use super::super::session::{first_value, run};
use super::{Piece, UNDEFINED_TABLE};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows deleted in one transaction, at most.
const CHUNK_ROWS: u64 = 10_000;

/// Pages looked at in one transaction, at most: 4 MiB of the usual size. An age alone is found by an index.
const CHUNK_PAGES: u64 = 512;

/// So many, where something keeps rows from being deleted: of these pages no more than a chunk of rows are on them, so
/// that none hides the others.
const CAUTIOUS_PAGES: u64 = 32;

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
    /// Whether old rows are found by an index: if not, the table is looked through by pages.
    is_plain: bool,
    /// The column of the time.
    key: String,
    pages: Pages,
}

/// How far a table has been looked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pages {
    /// How many it has; none before the first look.
    all: Option<u64>,
    /// How many have been looked at.
    seen: u64,
    /// Whether fewer are looked at at once.
    is_cautious: bool,
}

impl Pages {
    /// Behind the last that is looked at next.
    fn end(self) -> u64 {
        self.seen + if self.is_cautious { CAUTIOUS_PAGES } else { CHUNK_PAGES }
    }
}

impl Rest {
    /// `is_plain`: age alone decides, so that an index of the column `key` may know.
    pub(super) fn new(table: &str, key: &str, conditions: Vec<(usize, String)>, is_plain: bool) -> Self {
        let (table, key) = (table.to_owned(), key.to_owned());
        Self { table, conditions, is_plain, key, pages: Pages::default() }
    }

    /// The tables that hold the rows: itself, or what it is divided into in its turn. Nothing, where no row is wanted.
    pub(super) async fn leaves(self, client: &Client, is_table: bool) -> Result<Vec<Self>, Failure> {
        if is_table || self.conditions.is_empty() {
            return Ok(vec![self]);
        }
        let sql = format!(
            "{}SELECT quote_ident(ns.nspname) || '.' || quote_ident(leaf.relname) \
             FROM pg_partition_tree({}::regclass) AS tree JOIN pg_class AS leaf ON leaf.oid = tree.relid \
             JOIN pg_namespace AS ns ON ns.oid = leaf.relnamespace WHERE tree.isleaf AND leaf.relkind = 'r' ORDER BY 1",
            LIMITS.sql(),
            literal(&self.table)
        );
        let answer = run(client, Phase::Schema, &sql).await?;
        let names = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
            _ => None,
        });
        Ok(names.map(|name| Self { table: name.to_owned(), ..self.clone() }).collect())
    }

    /// Whether nothing is left.
    pub(in super::super) fn is_done(&self) -> bool {
        self.pages.all.is_some_and(|all| self.pages.seen >= all)
    }

    /// Deletes the rows of the next part that are to go.
    pub(in super::super) async fn delete_chunk(&mut self, client: &Client) -> Result<Piece, Failure> {
        let done = alone(client, Turn::Skip, LIMITS, async || {
            if self.pages.all.is_none() {
                self.measure(client).await?;
            }
            counts(&run(client, Phase::Schema, &self.delete_sql()).await?)
        });
        match done.await {
            Ok(Some((wanted, gone))) => {
                self.note(wanted, gone);
                Ok(Piece::Done(gone))
            }
            Ok(None) => Ok(Piece::Busy),
            Err(failure) if self.is_gone(client, &failure).await => {
                self.pages.seen = self.pages.all.unwrap_or(0);
                self.pages.all = Some(self.pages.seen);
                Ok(Piece::Done(0))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether somebody else has dropped the table meanwhile.
    async fn is_gone(&self, client: &Client, failure: &Failure) -> bool {
        if code_of(failure) != UNDEFINED_TABLE {
            return false;
        }
        let sql = format!("SELECT to_regclass({}) IS NULL", literal(&self.table));
        run(client, Phase::Schema, &sql).await.is_ok_and(|answer| first_value(&answer) == Some("t"))
    }

    /// Notes how far it is, when so many rows were to go and so many went.
    fn note(&mut self, wanted: u64, gone: u64) {
        if wanted >= CHUNK_ROWS && gone > 0 {
            // There may be more in the same part.
            return;
        }
        if wanted >= CHUNK_ROWS && (self.is_plain || !self.pages.is_cautious) {
            // Something keeps these rows; the others stand behind them.
            (self.is_plain, self.pages.is_cautious) = (false, true);
            return;
        }
        let all = self.pages.all.unwrap_or(0);
        self.pages.seen = if self.is_plain { all } else { all.min(self.pages.end()) };
    }

    /// Learns how many pages there are to look through, and whether that is needed: an index may know the old rows, and
    /// old servers would read the table from its beginning each time.
    async fn measure(&mut self, client: &Client) -> Result<(), Failure> {
        let (table, key) = (literal(&self.table), literal(&self.key));
        let sql = format!(
            "SELECT current_setting('server_version_num')::bigint < {PAGE_RANGES_SINCE} OR EXISTS (SELECT FROM pg_index \
             AS found JOIN pg_attribute AS first ON first.attrelid = found.indrelid AND first.attnum = found.indkey[0] \
             WHERE found.indrelid = {table}::regclass AND found.indisvalid AND found.indpred IS NULL \
             AND first.attname = {key}), \
             pg_relation_size({table}::regclass) / current_setting('block_size')::bigint"
        );
        let answer = run(client, Phase::Schema, &sql).await?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.try_get(0).ok()??, row.try_get(1).ok()??)),
            _ => None,
        });
        let (knows, pages) = row.unwrap_or(("t", "1"));
        self.is_plain &= knows == "t";
        self.pages.all = Some(pages.parse().unwrap_or(1));
        Ok(())
    }

    /// Deletes rows, and answers how many were to go and how many went. By address, because there may be no key; compared
    /// again, because an address can be given anew.
    fn delete_sql(&self) -> String {
        let (table, condition, seen) = (&self.table, self.condition(), self.pages.seen);
        let pages = if self.is_plain {
            String::new()
        } else {
            format!("ctid >= '({seen},0)'::tid AND ctid < '({},0)'::tid AND ", self.pages.end())
        };
        format!(
            "WITH wanted AS MATERIALIZED (SELECT ctid AS place FROM ONLY {table} AS aged WHERE {pages}({condition}) \
             LIMIT {CHUNK_ROWS}), gone AS (DELETE FROM ONLY {table} AS aged WHERE ctid = ANY (ARRAY(SELECT place FROM wanted)) \
             AND ({condition}) RETURNING 1) SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM gone)"
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
            "{}SELECT {} FROM ONLY {} AS aged WHERE {}",
            COUNT_LIMITS.sql(),
            counts.join(", "),
            self.table,
            self.condition()
        );
        let answer = match run(client, Phase::Schema, &sql).await {
            Err(failure) if self.is_gone(client, &failure).await => return Ok(()),
            answer => answer?,
        };
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

/// The two numbers of the only row.
fn counts(answer: &[SimpleQueryMessage]) -> Result<(u64, u64), Failure> {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let number = |column: usize| row.try_get(column).ok()??.parse().ok();
            Some((number(0)?, number(1)?))
        }
        _ => None,
    });
    row.ok_or_else(|| {
        let lost = Cause::Lost("the server did not say how many rows went".to_owned());
        Failure::new(Phase::Schema, lost)
    })
}
