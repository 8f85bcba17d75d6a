//! What each SQLSTATE means for a batch, as data: exact codes first, then classes, which are the first two characters.
//!
//! Where a code alone does not tell, `failure/answer.rs` looks at the rest of the answer.

use Connection::{Dropped, Kept};
use Verdict::{Hold, Reject, Retry};

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The record.
    Reject,
    /// The moment.
    Retry,
    /// The configuration, the table or the server: somebody has to act.
    Hold,
}

/// What becomes of the connection after a ROLLBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    /// Used again.
    Kept,
    /// Replaced: its state is in doubt, or the next one may reach another server, find other tables or other rights.
    Dropped,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// Code or class.
    pub(super) code: &'static str,
    /// Who is at fault.
    pub(super) verdict: Verdict,
    /// What becomes of the connection.
    pub(super) connection: Connection,
    /// What a person can do; empty if nothing.
    pub(super) hint: &'static str,
}

/// The next step when the table is not the one that telesink writes to.
pub(super) const COMPARE: &str = "compare the table with `telesink schema --dialect postgres`";

const CREDENTIALS: &str = "check user and password: `password=`, PGPASSWORD or a password file";
const SERVER_LOG: &str = "look at the log of the server";
const TRIGGERS: &str = "look at the triggers and rules of the table";

/// A code that no row knows is taken for a moment of weakness: nothing is lost by waiting.
const UNKNOWN: Rule = rule("", Retry, Dropped, SERVER_LOG);

/// The codes, by appendix A of PostgreSQL's documentation.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule("03", Retry, Dropped, ""),
    rule("08", Retry, Dropped, ""),
    rule("08P01", Retry, Dropped, "look at the log of the server, or of the pooler in front of it"),
    rule("09", Hold, Dropped, TRIGGERS),
    rule("0A", Hold, Dropped, COMPARE),
    rule("0B", Retry, Dropped, ""),
    rule("0F", Retry, Dropped, ""),
    rule("0L", Hold, Dropped, "check the rights of the role"),
    rule("0P", Hold, Dropped, "check the name of the role"),
    rule("0Z", Retry, Dropped, ""),
    // Raised by what a user hung on the table: it refuses this row as a constraint does.
    rule("10", Reject, Kept, ""),
    rule("20", Reject, Kept, ""),
    rule("21", Reject, Kept, ""),
    rule("22", Reject, Kept, ""),
    // Rows are sent in the binary form of their types, and by one encoder: if that does not fit, a column has another
    // type, and every row is refused.
    rule("22P03", Hold, Dropped, COMPARE),
    rule("22P04", Hold, Dropped, COMPARE),
    rule("23", Reject, Kept, ""),
    rule("24", Retry, Dropped, ""),
    rule("25", Retry, Dropped, ""),
    rule("25006", Retry, Dropped, "the server is read-only: name the primary, or look at default_transaction_read_only"),
    rule("25P03", Retry, Dropped, "look at idle_in_transaction_session_timeout of the server or the pooler"),
    rule("25P04", Retry, Dropped, "raise transaction_timeout for this role"),
    // The statement was prepared on another server connection.
    rule("26", Retry, Dropped, "a pooler has to keep a transaction on one connection: `pool_mode = transaction`"),
    rule("27", Hold, Dropped, TRIGGERS),
    rule("28", Hold, Dropped, "check the user, and pg_hba.conf of the server"),
    rule("28P01", Hold, Dropped, CREDENTIALS),
    rule("2B", Hold, Dropped, TRIGGERS),
    rule("2D", Hold, Dropped, TRIGGERS),
    rule("2F", Hold, Dropped, TRIGGERS),
    rule("34", Retry, Dropped, ""),
    rule("38", Hold, Dropped, TRIGGERS),
    rule("39", Hold, Dropped, TRIGGERS),
    rule("3B", Retry, Dropped, ""),
    rule("3D", Hold, Dropped, "create the database with `createdb`, or correct its name"),
    rule("3F", Hold, Dropped, "create the schema with CREATE SCHEMA, or correct the option `schema`"),
    rule("40", Retry, Kept, ""),
    // The outcome is unknown.
    rule("40003", Retry, Dropped, ""),
    rule("42", Hold, Dropped, COMPARE),
    rule("42501", Hold, Dropped, "GRANT this role the right that is missing"),
    rule("42P01", Hold, Dropped, "create the tables by `telesink schema --dialect postgres`, or leave create_schema on"),
    // Left over on a server connection that a pooler gave to somebody else.
    rule("42P05", Retry, Dropped, "a pooler has to keep a transaction on one connection: `pool_mode = transaction`"),
    rule("44", Reject, Kept, ""),
    rule("53", Retry, Kept, SERVER_LOG),
    rule("53100", Retry, Kept, "the disk of the server is full; free some space"),
    rule("53200", Retry, Dropped, "the server is short of memory"),
    rule("53300", Retry, Dropped, "raise max_connections or the limit of the role, or use PgBouncer"),
    rule("54", Reject, Kept, ""),
    rule("55", Hold, Dropped, COMPARE),
    rule("55006", Retry, Kept, ""),
    rule("55P03", Retry, Kept, "somebody holds a lock on the table: look for old transactions in pg_stat_activity"),
    rule("57", Retry, Dropped, ""),
    // Cancelled, mostly by a time limit of the server; the session is none the worse for it.
    rule("57014", Retry, Kept, "raise write_timeout_seconds, or look at what makes the server slow"),
    rule("57P03", Retry, Dropped, "the server is starting, stopping or recovering"),
    rule("57P04", Retry, Dropped, "the database was dropped: create it with `createdb`, or correct its name"),
    rule("58", Retry, Dropped, SERVER_LOG),
    rule("72", Retry, Dropped, ""),
    rule("F0", Retry, Dropped, SERVER_LOG),
    rule("HV", Retry, Dropped, "look at the foreign server behind the table"),
    // A trigger that raises an exception refuses this row as a constraint does.
    rule("P0", Reject, Kept, ""),
    rule("XX", Retry, Dropped, SERVER_LOG),
    rule("XX001", Retry, Dropped, "the table is damaged: look at the log of the server, and at its backups"),
    rule("XX002", Retry, Dropped, "an index is damaged: look at the log of the server, and REINDEX"),
];

const fn rule(code: &'static str, verdict: Verdict, connection: Connection, hint: &'static str) -> Rule {
    Rule { code, verdict, connection, hint }
}

/// The row of a code: its own, that of its class, or the one for all others.
pub(super) fn look_up(code: &str) -> Rule {
    let class = code.get(..2).unwrap_or_default();
    let row = |wanted: &str| RULES.iter().find(|rule| rule.code == wanted);
    row(code).or_else(|| row(class)).copied().unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes of PostgreSQL 13 to 18. A change of the table shows up as a change of this file.
    const GOLDEN: &str = include_str!("../../../tests/golden/sqlstate.txt");

    fn line(code: &str) -> String {
        let Rule { verdict, connection, .. } = look_up(code);
        format!("{code} {verdict:?} {connection:?}").to_lowercase().replacen(&code.to_lowercase(), code, 1)
    }

    #[test]
    fn every_code_of_the_server_has_the_verdict_that_was_written_down() {
        let golden: Vec<&str> = GOLDEN.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(golden.len(), 263);
        assert!(golden.is_sorted());

        for expected in golden {
            let code = expected.split(' ').next().unwrap();
            assert_eq!(code.len(), 5, "{code}");
            assert_eq!(line(code), expected);
        }
    }

    #[test]
    fn a_code_that_nobody_knows_is_tried_again_on_another_connection() {
        for code in ["99999", "ZZ000", "4", "", "é2501"] {
            assert_eq!(look_up(code), UNKNOWN, "{code}");
        }
    }

    #[test]
    fn a_code_of_its_own_comes_before_its_class() {
        assert_eq!(look_up("42501").code, "42501");
        assert_eq!(look_up("42999").code, "42");
    }

    #[test]
    fn a_hold_says_what_to_do_and_takes_another_connection() {
        for rule in RULES.iter().filter(|rule| rule.verdict == Hold) {
            assert!(!rule.hint.is_empty(), "{}", rule.code);
            assert_eq!(rule.connection, Dropped, "{}", rule.code);
        }
    }
}
