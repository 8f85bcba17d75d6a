//! Causes, dug out of what the client library reports: it has few kinds of errors, and the cause lies below them.

use super::{Answer, Cause, Failure, Phase};
use crate::tls::words::{Verdict, find_tls, verdict};
use std::error::Error;
use std::io;
use tokio_postgres::error::{DbError, Severity};

/// What went wrong, by an error of the client library.
pub(super) fn failure(phase: Phase, error: &tokio_postgres::Error) -> Failure {
    if let Some(answer) = error.as_db_error() {
        return Failure::new(phase, Cause::Answer(Box::new(read(answer))));
    }
    if error.is_closed() {
        return Failure::new(phase, Cause::Lost("the server closed the connection".to_owned()));
    }
    // The library does not show the kind of an error, only its words.
    by_words(phase, &error.to_string(), error.source())
}

fn read(answer: &DbError) -> Answer {
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    Answer {
        code: answer.code().code().to_owned(),
        message: answer.message().to_owned(),
        detail: text(answer.detail()),
        constraint: text(answer.constraint()),
        table: text(answer.table()),
        column: text(answer.column().or_else(|| answer.where_().and_then(column_of_copy))),
        routine: text(answer.routine()),
        is_fatal: is_fatal(answer),
    }
}

/// Whether the server ends the connection with it. Old poolers leave out the severity that is the same in every
/// language; theirs is English.
fn is_fatal(answer: &DbError) -> bool {
    match answer.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        None => matches!(answer.severity(), "FATAL" | "PANIC"),
    }
}

/// The column in `COPY telesink_logs, line 1, column ts`; the other fields of an answer name it for constraints only.
fn column_of_copy(context: &str) -> Option<&str> {
    let first = context.lines().next().unwrap_or_default();
    let (_, column) = first.strip_prefix("COPY ")?.split_once(", column ")?;
    // A value would stand behind a colon.
    column.split(':').next()
}

/// What went wrong, by the words of the library and the error below.
pub(super) fn by_words(phase: Phase, words: &str, below: Option<&(dyn Error + 'static)>) -> Failure {
    if let Some(error) = below.and_then(find_tls) {
        let cause = tls_cause(error);
        // The server looks at the client's certificate when the client is done with its handshake: its verdict may come
        // instead of the answer to the log-in.
        let is_verdict = phase.is_connecting() && !matches!(cause, Cause::Lost(_));
        return Failure::new(if is_verdict { Phase::Tls } else { phase }, cause);
    }
    let text = below.map(ToString::to_string).unwrap_or_default();
    let cause = match (words, text.as_str()) {
        ("error performing TLS handshake", "server does not support TLS") => Cause::NoTls,
        ("error performing TLS handshake", _) => {
            Cause::Lost(format!("the server broke off the TLS handshake ({text})"))
        }
        ("invalid configuration", "password missing") => Cause::NoPassword,
        ("authentication error", _) => log_in_cause(text),
        _ => Cause::Lost(lost_words(words, below)),
    };
    Failure::new(phase, cause)
}

/// The server and the client library could not agree on a way to log in.
fn log_in_cause(message: String) -> Cause {
    let hint = if message.contains("channel binding") {
        "channel_binding=require needs TLS, and scram-sha-256 in pg_hba.conf of the server; or leave it out"
    } else {
        "check that this is the right server, and that its pg_hba.conf asks this role for scram-sha-256"
    };
    Cause::Config { message, hint: hint.to_owned() }
}

/// What broke the connection. What the system says of a socket needs no introduction.
fn lost_words(words: &str, below: Option<&(dyn Error + 'static)>) -> String {
    let Some(below) = below else { return words.to_owned() };
    let is_system = below.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some());
    if is_system { below.to_string() } else { format!("{words}: {below}") }
}

fn tls_cause(error: &rustls::Error) -> Cause {
    let (message, hint) = match verdict(error) {
        Verdict::Untrusted(message) => return Cause::Untrusted(message),
        Verdict::Lost(message) => return Cause::Lost(message),
        Verdict::ClientRefused(message) => {
            (message, "give a certificate that it trusts, and its key: `sslcert=`, `sslkey=`")
        }
        Verdict::Incompatible(message) => {
            (message, "let the server speak TLS 1.2 or 1.3: ssl_min_protocol_version, ssl_ciphers")
        }
    };
    Cause::Config { message, hint: hint.to_owned() }
}
