//! What the server's answer means, where and as it was given: the table of codes, and what it cannot know.

use super::super::sqlstate::{self, COMPARE, Connection, Verdict};
use super::{Answer, Phase};

/// What becomes of the batch and the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    /// Who is at fault.
    pub(super) verdict: Verdict,
    /// Whether the connection can be used again after a ROLLBACK.
    pub(super) keeps_connection: bool,
    /// What a person can do; empty if nothing.
    pub(super) hint: String,
}

/// Classes that end a COMMIT for certain: constraints, time limits and conflicts are looked at before it is written.
/// All others may also come from a pooler, or from a server that goes down after it has written it.
const DECIDED_CLASSES: [&str; 11] = ["10", "20", "21", "22", "23", "25", "42", "44", "54", "55", "P0"];

/// Those of class 40 that do. It also holds "statement completion unknown".
const DECIDED_CODES: [&str; 4] = ["40000", "40001", "40002", "40P01"];

/// The server's check of a row against the bounds of the partition that was chosen for it. It only fails if they have
/// changed since, as those of the default partition do when another is attached.
const PARTITION_CHANGED: &str = "ExecPartitionCheckEmitError";

/// Whether this answer to COMMIT says for certain that nothing was stored.
pub(super) fn is_decided(answer: &Answer) -> bool {
    let code = answer.code.as_str();
    let class = code.get(..2).unwrap_or_default();
    !answer.is_fatal && (DECIDED_CLASSES.contains(&class) || DECIDED_CODES.contains(&code))
}

/// Rules on an answer.
pub(super) fn rule(phase: Phase, answer: &Answer) -> Ruling {
    let row = sqlstate::look_up(&answer.code);
    let by_code = (row.verdict, hint(answer).unwrap_or_else(|| row.hint.to_owned()));
    let (verdict, hint) = match exception(phase, answer).unwrap_or(by_code) {
        // No record was looked at, or the answer is about the connection.
        (Verdict::Reject, _) if answer.is_fatal => (Verdict::Retry, String::new()),
        (Verdict::Reject, hint) if !phase.has_records() => {
            (Verdict::Hold, if hint.is_empty() { COMPARE.to_owned() } else { hint })
        }
        ruling => ruling,
    };
    let keeps_connection = !answer.is_fatal
        && verdict == row.verdict
        && row.connection == Connection::Kept
        && !phase.is_connecting();
    Ruling { verdict, keeps_connection, hint }
}

/// Answers whose code means something else than usual.
fn exception(phase: Phase, answer: &Answer) -> Option<(Verdict, String)> {
    let message = answer.message.as_str();
    let (verdict, hint) = match answer.code.as_str() {
        "23514" if answer.routine == PARTITION_CHANGED => {
            (Verdict::Retry, "somebody attached a partition while the rows were on their way")
        }
        "23514" if is_about_partitions(answer) => (
            Verdict::Hold,
            "make the partition for this day, or a default partition; telesink makes both with create_schema on",
        ),
        // IF NOT EXISTS does not help two who make the same thing at the same time.
        "23505" | "42P06" | "42P07" | "42710" if phase == Phase::Schema => {
            (Verdict::Retry, "another process is making the same tables")
        }
        "54000" if message.contains("wraparound") => {
            (Verdict::Retry, "the server has run out of transaction ids: VACUUM the database that it names")
        }
        // A value is shorter than the type of its column: the server reads on where the row has ended.
        "08P01" if phase == Phase::Copy && !answer.is_fatal => (Verdict::Hold, COMPARE),
        "08P01" if message.contains("unsupported startup parameter") => {
            (Verdict::Hold, "add it to ignore_startup_parameters of PgBouncer")
        }
        _ => return None,
    };
    Some((verdict, hint.to_owned()))
}

/// A CHECK constraint has a name; that a table is partitioned is not a constraint. Servers speak many languages, so
/// their words come second.
fn is_about_partitions(answer: &Answer) -> bool {
    answer.constraint.is_empty()
        && (!answer.table.is_empty() || answer.message.starts_with("no partition of relation"))
}

/// Hints that the words of the server make more exact.
fn hint(answer: &Answer) -> Option<String> {
    let message = answer.message.as_str();
    match answer.code.as_str() {
        "42501" => hint_of_right(message),
        // "SSL off": servers before 14.
        "28000" if message.contains("no encryption") || message.contains("SSL off") => {
            Some("the server wants TLS: `sslmode=require`, or change its pg_hba.conf".to_owned())
        }
        "28000" if message.contains("certificate") => {
            Some("give a client certificate with `sslcert=` and `sslkey=`".to_owned())
        }
        "28000" if message.contains("role \"") && message.contains("does not exist") => {
            Some("create the role with `createuser`, or correct the user".to_owned())
        }
        _ => None,
    }
}

/// The statement that gives the right, as far as an English server tells.
fn hint_of_right(message: &str) -> Option<String> {
    let denied = message.strip_prefix("permission denied for ");
    if let Some((kind, name)) = denied.and_then(|denied| denied.split_once(' ')) {
        let name = super::clip(name);
        return match kind {
            "table" => {
                let rights = match name.as_str() {
                    "telesink_ledger" => "SELECT, INSERT, UPDATE",
                    "telesink_resources" => "SELECT, INSERT",
                    "telesink_meta" => "SELECT",
                    _ => "INSERT",
                };
                Some(format!("GRANT {rights} ON {name} TO this role"))
            }
            "schema" => Some(format!(
                "GRANT USAGE, CREATE ON SCHEMA {name} TO this role, or make the tables by \
                 `telesink schema --dialect postgres`"
            )),
            "sequence" => Some(format!("GRANT USAGE ON SEQUENCE {name} TO this role")),
            "database" => Some(format!("GRANT CREATE, TEMPORARY ON DATABASE {name} TO this role")),
            _ => None,
        };
    }
    if let Some(name) = message.strip_prefix("must be owner of ") {
        return Some(format!("let this role own {}, or set create_schema=false", super::clip(name)));
    }
    let is_policy = message.contains("row-level security");
    is_policy.then(|| "CREATE POLICY for this role, or give it BYPASSRLS".to_owned())
}
