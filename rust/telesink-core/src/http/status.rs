//! What a status means for a batch, as data: one table for each kind of server.

use super::reply::Reply;
use crate::error::WriteError;
use std::ops::RangeInclusive;

/// What is done with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The server took it.
    Accept,
    /// May pass: the same bytes again, later.
    Retry,
    /// Somebody has to mend the configuration: kept.
    Hold,
    /// The records are at fault: halved until the bad one stands alone.
    Reject,
}

/// The statuses of one kind of server.
#[derive(Debug, Clone, Copy)]
pub struct StatusTable {
    /// The first row that holds the status counts.
    pub rows: &'static [(RangeInclusive<u16>, Action)],
    /// What no row holds.
    pub other: Action,
}

impl StatusTable {
    /// What is done under a status.
    pub fn action(&self, status: u16) -> Action {
        self.rows.iter().find(|(range, _)| range.contains(&status)).map_or(self.other, |(_, action)| *action)
    }

    /// Judges a reply. `text` is what the server says about it, already without secrets; empty if nothing.
    ///
    /// # Errors
    /// Everything but [`Action::Accept`].
    pub fn judge(&self, reply: &Reply, text: &str) -> Result<(), WriteError> {
        let action = self.action(reply.status);
        let message = words(reply, text);
        let error = match action {
            Action::Accept => return Ok(()),
            Action::Retry => WriteError::retry(message),
            Action::Hold => WriteError::hold(message, hint(reply)),
            Action::Reject => WriteError::reject(message).about(format!("http_{}", reply.status), ""),
        };
        Err(match reply.retry_after {
            Some(delay) if action == Action::Retry => error.after(delay),
            _ => error,
        })
    }
}

fn words(reply: &Reply, text: &str) -> String {
    let Reply { status, reason, target, .. } = reply;
    let named = if reason.is_empty() { status.to_string() } else { format!("{status} {reason}") };
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    let away = match &reply.redirect_host {
        Some(host) => format!(" to {host}, which is not followed"),
        None => String::new(),
    };
    format!("{target} answered {named}{away}{said}")
}

/// What somebody can do about it.
fn hint(reply: &Reply) -> &'static str {
    match reply.status {
        300..=399 => "write the address that the server names",
        401 | 407 => "check the credentials: keys, or the headers option",
        403 => "check what these credentials may do",
        404 | 410 => "check the path: the standard one is put behind that of the dsn",
        405 => "check host and port: this server takes no such requests there",
        415 => "try the other encoding, or compression=none",
        _ => "look at the server's own log",
    }
}
