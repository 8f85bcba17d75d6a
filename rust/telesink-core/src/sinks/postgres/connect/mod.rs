//! A connection to one of the servers of a target: hosts, addresses, time limits.

mod guard;
mod login;
mod socket;

#[cfg(test)]
pub(super) mod tests;

use super::failure::{Cause, Failure, Phase};
use crate::dsn::postgres::{Host, SessionAttributes, SslMode, Target};
pub(super) use login::Wire;
use login::{Attempt, Opened, Task};
use socket::Address;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio_postgres::{Client, SimpleQueryMessage};

/// An open, authenticated connection. Its input and output run on the runtime that [`connect`] was called on, and end
/// with it. Dropping it closes the socket without a word.
#[derive(Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "what a server says by itself is asked for where it is needed")
)]
pub(super) struct Connected {
    /// The client library's half.
    pub(super) client: Client,
    /// The server that answered, for messages: `db:5432`.
    pub(super) host: String,
    /// Major number of the server's version; 0 if it does not say.
    pub(super) server_version: i32,
    /// Whether the server is a standby, if it says so by itself (PostgreSQL 14 and later).
    pub(super) in_hot_standby: Option<bool>,
    /// Who can read what is sent.
    pub(super) wire: Wire,
    /// How TLS was to be used with this server.
    pub(super) ssl_mode: SslMode,
    /// Whether nothing leaves this machine on the way to it.
    pub(super) is_local: bool,
    /// What was told on the channels that are listened to.
    pub(super) told: Receiver<String>,
    task: Task,
}

impl Connected {
    fn new(opened: Opened, target: &Target, host: &Host) -> Self {
        let Opened { client, task, server_version, in_hot_standby, wire, told } = opened;
        let (ssl_mode, is_local) = (target.ssl_mode_for(host), host.is_local());
        let host = shown(host);
        Self { client, host, server_version, in_hot_standby, wire, ssl_mode, is_local, told, task }
    }

    /// Says good-bye and closes the socket, within `limit` if the server goes along, and in any case then.
    pub(super) async fn close(self, limit: Duration) {
        let Self { client, mut task, .. } = self;
        drop(client);
        // After the limit, dropping the task closes the socket.
        drop(tokio::time::timeout(limit, &mut task.0).await);
    }
}

/// Connects to the first server that will do. `limit` holds for each question to the resolver, and for each address
/// with all that belongs to it: TCP, TLS, log-in, and whether the server is of the right kind. `random` is for the order
/// of the hosts under `load_balance_hosts=random`.
pub(super) async fn connect(target: &Target, limit: Duration, random: u64) -> Result<Connected, Failure> {
    let mut shuffle = Shuffle(random);
    let mut hosts: Vec<&Host> = target.hosts.iter().collect();
    if target.is_load_balanced {
        shuffle.apply(&mut hosts);
    }
    let mut worst = Worst::default();
    for host in hosts {
        let mut addresses = match socket::resolve(host, limit).await {
            Ok(addresses) => addresses,
            Err(failure) => {
                worst.note(target, host, failure);
                continue;
            }
        };
        if target.is_load_balanced {
            shuffle.apply(&mut addresses);
        }
        for address in &addresses {
            match attempt(target, host, address, limit).await {
                Ok(opened) => return Ok(Connected::new(opened, target, host)),
                Err(failure) => {
                    let is_final = concerns_all(&failure);
                    worst.note(target, host, failure);
                    if is_final {
                        return Err(worst.into_failure());
                    }
                }
            }
        }
    }
    Err(worst.into_failure())
}

async fn attempt(
    target: &Target,
    host: &Host,
    address: &Address,
    limit: Duration,
) -> Result<Opened, Failure> {
    let attempt = Attempt::new(target, host, address);
    let work = async {
        let opened = attempt.run().await?;
        check_kind(target.session_attributes, &opened.client, host).await?;
        Ok(opened)
    };
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::new(attempt.phase(), Cause::Timeout(limit))),
    }
}

/// Whether the server is one to write to.
async fn check_kind(wanted: SessionAttributes, client: &Client, host: &Host) -> Result<(), Failure> {
    if wanted == SessionAttributes::Any {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    let answer = client.simple_query(sql).await;
    let answer = answer.map_err(|error| Failure::of(Phase::Authenticate, &error))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.try_get(0).ok()??, row.try_get(1).ok()??)),
        _ => None,
    });
    let wrong = match row {
        Some(("t", _)) => "is a standby",
        Some((_, "on")) if wanted == SessionAttributes::ReadWrite => "takes no writes",
        Some(_) => return Ok(()),
        None => "does not say whether it takes writes",
    };
    let text = format!("{} {wrong}", shown(host));
    Err(Failure::new(Phase::Authenticate, Cause::WrongServer(text)))
}

/// Whether another server would say the same: libpq asks no further once a server has refused the log-in.
fn concerns_all(failure: &Failure) -> bool {
    match &failure.cause {
        // Log-in, database, or the right to connect to it.
        Cause::Answer(answer) => ["28", "3D", "42"].iter().any(|class| answer.code.starts_with(class)),
        _ => false,
    }
}

/// The failure to be told when no server would do.
#[derive(Debug, Default)]
struct Worst {
    told: Option<Failure>,
}

impl Worst {
    fn note(&mut self, target: &Target, host: &Host, failure: Failure) {
        let failure = if target.hosts.len() > 1 { named(failure, host) } else { failure };
        if self.told.as_ref().is_none_or(|told| weight(&failure) >= weight(told)) {
            self.told = Some(failure);
        }
    }

    fn into_failure(self) -> Failure {
        self.told.unwrap_or_else(|| Failure::new(Phase::Connect, Cause::Lost("no host is given".to_owned())))
    }
}

/// How much a failure tells: a server that answers more than one that does not.
fn weight(failure: &Failure) -> u8 {
    match failure.cause {
        Cause::Timeout(_) | Cause::Lost(_) => 0,
        Cause::UnknownHost(_) => 1,
        Cause::WrongServer(_) => 2,
        Cause::Answer(_) | Cause::NoTls | Cause::Untrusted(_) | Cause::NoPassword | Cause::Config { .. } => 3,
    }
}

/// The same failure with the host in its words, where it has words.
fn named(mut failure: Failure, host: &Host) -> Failure {
    let shown = shown(host);
    match &mut failure.cause {
        // Its meaning is partly read from how it begins.
        Cause::Answer(answer) => answer.message = format!("{} [{shown}]", answer.message),
        Cause::Lost(text) | Cause::Untrusted(text) | Cause::Config { message: text, .. } => {
            *text = format!("{shown}: {text}");
        }
        // These name it already, or are a bare word.
        Cause::UnknownHost(_)
        | Cause::WrongServer(_)
        | Cause::Timeout(_)
        | Cause::NoTls
        | Cause::NoPassword => {}
    }
    failure
}

/// A host for messages: `db:5432`, `[::1]:5432`, `/run/postgresql:5432`.
fn shown(host: &Host) -> String {
    let Host { name, port, address } = host;
    match address {
        Some(address) if name.is_empty() => format!("{address}:{port}"),
        _ if name.contains(':') => format!("[{name}]:{port}"),
        _ => format!("{name}:{port}"),
    }
}

/// Random order, for spreading load; nothing secret hangs on it.
struct Shuffle(u64);

impl Shuffle {
    /// Fisher and Yates.
    fn apply<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.next() % (last as u64 + 1);
            items.swap(last, other as usize);
        }
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
