//! What an error on the way to Postgres means: whether the record, the moment or the configuration is at fault.
//!
//! `reading` makes a cause of what the client library reports, `answer` rules on what the server says, and this file
//! puts both into words.

mod answer;
mod reading;

#[cfg(test)]
mod tests;

use super::sqlstate::Verdict;
use crate::error::WriteError;
use std::time::Duration;

/// Longest piece of foreign text in a message, in characters: enough for what a server says in one sentence.
const TEXT_CHARS_MAX: usize = 300;

/// Where on the walk it went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asking the resolver.
    Resolve,
    /// TCP or unix socket.
    Connect,
    /// TLS.
    Tls,
    /// Start-up message, password, parameters.
    Authenticate,
    /// Looking at or making the tables.
    Schema,
    /// BEGIN and the guard on the ledger row.
    Guard,
    /// Rows.
    Copy,
    /// COMMIT: from here on the outcome is unknown until the ledger is read.
    Commit,
}

impl Phase {
    /// What is being done in it.
    fn words(self) -> &'static str {
        match self {
            Phase::Resolve => "looking up the host",
            Phase::Connect => "connecting",
            Phase::Tls => "setting up TLS",
            Phase::Authenticate => "logging in",
            Phase::Schema => "looking at the tables",
            Phase::Guard => "beginning the transaction",
            Phase::Copy => "sending rows",
            Phase::Commit => "committing",
        }
    }

    /// Whether the connection is still being made.
    fn is_connecting(self) -> bool {
        matches!(self, Phase::Resolve | Phase::Connect | Phase::Tls | Phase::Authenticate)
    }

    /// Whether the server has records in front of it, so that one of them can be at fault.
    fn has_records(self) -> bool {
        matches!(self, Phase::Copy | Phase::Commit)
    }

    /// What to look at when nothing happens.
    fn hint_of_timeout(self) -> &'static str {
        match self {
            Phase::Resolve => "check the name servers of this machine, or give the address as `hostaddr=`",
            Phase::Connect => "check host and port, and whether a firewall drops the packets",
            Phase::Tls | Phase::Authenticate => "is this a Postgres server, and is it overloaded?",
            Phase::Schema | Phase::Guard => "look for locks and old transactions in pg_stat_activity",
            Phase::Copy => "raise write_timeout_seconds, or look at what makes the server slow",
            Phase::Commit => "look at the disk of the server, and for a synchronous standby that is gone",
        }
    }

    /// What to look at when there is no connection.
    fn hint_of_loss(self, text: &str) -> &'static str {
        let text = text.to_ascii_lowercase();
        match self {
            Phase::Resolve => "check the name servers of this machine, or give the address as `hostaddr=`",
            Phase::Connect if text.contains("refused") || text.contains("no such file") => {
                "is the server running there? check host and port"
            }
            Phase::Connect if text.contains("permission denied") => "the socket is not open to this user",
            Phase::Connect => "check host and port, and the network on the way",
            Phase::Tls | Phase::Authenticate => "is this a Postgres server? look at its log",
            Phase::Schema | Phase::Guard | Phase::Copy | Phase::Commit => "",
        }
    }
}

/// What the server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// SQLSTATE, five characters.
    pub(super) code: String,
    /// Its primary message.
    pub(super) message: String,
    /// Its detail; may quote values of a row.
    pub(super) detail: String,
    /// The constraint it names, if any.
    pub(super) constraint: String,
    /// The table it names, if any.
    pub(super) table: String,
    /// The column it names, if any.
    pub(super) column: String,
    /// The function of the server that gave it, if it tells; the same in every language.
    pub(super) routine: String,
    /// Whether the server ended the connection with it.
    pub(super) is_fatal: bool,
}

impl Answer {
    /// Message, code, and the column if the message does not name it.
    fn words(&self) -> String {
        let words = format!("{} ({})", clip(&self.message), clip(&self.code));
        if self.column.is_empty() || self.message.contains(&self.column) {
            return words;
        }
        format!("{words}, column `{}`", clip(&self.column))
    }
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server said no.
    Answer(Box<Answer>),
    /// Nothing happened for this long.
    Timeout(Duration),
    /// The connection was refused, broke, or spoke something else.
    Lost(String),
    /// The resolver does not know the host.
    UnknownHost(String),
    /// The server does not do TLS, and it was asked for.
    NoTls,
    /// The certificate is not trusted, or is another host's.
    Untrusted(String),
    /// The server wants a password and there is none.
    NoPassword,
    /// Every server that answered is of the wrong kind (a standby).
    WrongServer(String),
    /// Reachable, but not as telesink needs it.
    Config {
        /// What was found.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// A failed step, before it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Where.
    pub(super) phase: Phase,
    /// Why.
    pub(super) cause: Cause,
}

impl Failure {
    /// A failed step.
    pub(super) fn new(phase: Phase, cause: Cause) -> Self {
        Self { phase, cause }
    }

    /// What the client library reports.
    pub(super) fn of(phase: Phase, error: &tokio_postgres::Error) -> Self {
        reading::failure(phase, error)
    }

    /// Whether the connection can be used again after a ROLLBACK.
    pub(super) fn spares_connection(&self) -> bool {
        match &self.cause {
            Cause::Answer(answer) => {
                !self.is_unresolved() && answer::rule(self.phase, answer).keeps_connection
            }
            _ => false,
        }
    }

    /// Whether the batch may be stored all the same.
    fn is_unresolved(&self) -> bool {
        self.phase == Phase::Commit
            && match &self.cause {
                Cause::Answer(answer) => !answer::is_decided(answer),
                _ => true,
            }
    }

    /// Whether the connection is gone: broken, or ended by the server, which says so.
    pub(super) fn is_end_of_connection(&self) -> bool {
        match &self.cause {
            Cause::Lost(_) => true,
            Cause::Answer(answer) => answer.is_fatal,
            _ => false,
        }
    }

    /// What the lane is to do, in words for people. `target` is masked.
    pub(super) fn judge(self, target: &str) -> WriteError {
        let is_about_tables = self.is_about_tables();
        let words = self.phase.words();
        let text = |cause: &str| format!("{target}: while {words}: {cause}");
        let retry = |cause: &str, hint: &str| WriteError::retry(text(cause)).with_hint(hint);
        let hold = |cause: &str, hint: &str| WriteError::hold(text(cause), hint);
        let error = match &self.cause {
            Cause::Answer(answer) => {
                let ruling = answer::rule(self.phase, answer);
                let said = answer.words();
                match ruling.verdict {
                    Verdict::Reject => WriteError::reject(format!("{target}: {said}"))
                        .about(&answer.code, clip(&answer.detail)),
                    Verdict::Retry => retry(&said, &ruling.hint),
                    Verdict::Hold => hold(&said, &ruling.hint),
                }
            }
            Cause::Timeout(limit) => {
                retry(&format!("no answer within {limit:?}"), self.phase.hint_of_timeout())
            }
            Cause::Lost(text) => retry(&clip(text), self.phase.hint_of_loss(text)),
            Cause::UnknownHost(text) if is_temporary(text) => {
                retry(&format!("the host is not found: {}", clip(text)), self.phase.hint_of_loss(text))
            }
            Cause::UnknownHost(text) => {
                hold(&format!("the host is not known: {}", clip(text)), "check the name of the host")
            }
            Cause::NoTls => hold(
                "the server does not do TLS",
                "switch it on in the server (`ssl = on`), or allow plain text with `sslmode=prefer`",
            ),
            Cause::Untrusted(text) => hold(
                &clip(text),
                "name the authority to trust with `sslrootcert=FILE`, or encrypt without checking whose server it is: \
                 `sslmode=require`",
            ),
            Cause::NoPassword => hold(
                "the server asks for a password and there is none",
                "give it as `password=`, in PGPASSWORD or in a password file",
            ),
            Cause::WrongServer(text) => retry(
                &clip(text),
                "wait for the failover, name the primary, or choose another `target_session_attrs`",
            ),
            Cause::Config { message, hint } => hold(&clip(message), hint),
        };
        let error = error.about_tables(is_about_tables);
        if self.is_unresolved() { error.unresolved() } else { error }
    }

    /// Whether tables are missing, or not of the form that is needed.
    fn is_about_tables(&self) -> bool {
        match &self.cause {
            Cause::Answer(answer) => MISFITS.contains(&answer.code.as_str()),
            Cause::Config { .. } => self.phase == Phase::Schema,
            _ => false,
        }
    }
}

/// SQLSTATE of what names a table, column or schema that there is not, or compares a column with what it cannot hold.
const MISFITS: [&str; 5] = ["42P01", "42703", "3F000", "42804", "42883"];

/// Whether the resolver could not do its work, in the words of glibc or musl.
fn is_temporary(text: &str) -> bool {
    text.contains("Temporary failure") || text.contains("Try again")
}

/// Foreign text on one line, without control characters, cut to a bound.
fn clip(text: &str) -> String {
    let mut characters = text.trim().chars().map(|one| if one.is_control() { ' ' } else { one });
    let mut clipped: String = characters.by_ref().take(TEXT_CHARS_MAX).collect();
    if characters.next().is_some() {
        clipped.push('…');
    }
    clipped
}
