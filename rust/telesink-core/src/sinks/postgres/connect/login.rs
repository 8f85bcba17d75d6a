//! From an address to a session: TLS as the mode asks for it, then the log-in.

use super::guard::{Guarded, Policy, Refusal};
use super::socket::{self, Address, Socket};
use crate::dsn::postgres::{ChannelBinding, Host, Secret, SslMode, Target};
use crate::sinks::postgres::failure::{Cause, Failure, Phase};
use crate::sinks::postgres::tls::{self, Trust};
use rustls::pki_types::ServerName;
use std::cell::Cell;
use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio_postgres::config::{self, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Length and code of the message that asks for TLS ("Message Formats", `SSLRequest`).
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// SQLSTATE of a connection that `pg_hba.conf` does not let in, for its address or for being encrypted or not.
const REFUSED_BY_RULE: &str = "28000";

/// One address to try.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    target: &'a Target,
    host: &'a Host,
    address: &'a Address,
    /// Or what is wrong with the password file, which only matters if the server asks for a password.
    password: Result<Option<Secret>, String>,
    phase: Cell<Phase>,
}

/// A session, and the task that does its input and output.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) task: Task,
    /// Major number; 0 if the server does not say.
    pub(super) server_version: i32,
    pub(super) in_hot_standby: Option<bool>,
    pub(super) wire: Wire,
    pub(super) told: Receiver<String>,
}

/// What was told on the channels that are listened to and not read yet, at most. Whoever reads late looks at the tables
/// anyway.
const TOLD_MAX: usize = 1_024;

/// Who can read what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sinks::postgres) enum Wire {
    /// Whoever sees it.
    Plain,
    /// The server, which may be anybody's.
    Encrypted,
    /// A server that has shown by its certificate that it is trusted.
    Verified,
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<'a> Attempt<'a> {
    /// An attempt that has not begun.
    pub(super) fn new(target: &'a Target, host: &'a Host, address: &'a Address) -> Self {
        let password = target.password_for(host);
        Self { target, host, address, password, phase: Cell::new(Phase::Connect) }
    }

    /// How far it has come, for whoever gives up waiting.
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Connects and logs in, by libpq's rules for the mode. No step has a time limit of its own.
    pub(super) async fn run(&self) -> Result<Opened, Failure> {
        if self.host.is_socket() {
            return self.plain().await;
        }
        let mode = self.target.ssl_mode_for(self.host);
        match mode {
            SslMode::Disable => self.plain().await,
            SslMode::Allow => match self.plain().await {
                Err(refused) if is_refused_by_rule(&refused) => match self.encrypted(mode).await {
                    Err(Failure { cause: Cause::NoTls, .. }) => Err(refused),
                    answer => answer,
                },
                answer => answer,
            },
            SslMode::Prefer => match self.encrypted(mode).await {
                Err(failure) if is_refused_by_rule(&failure) => {
                    // Both ways may be closed; then the first answer is the one to be told.
                    self.plain()
                        .await
                        .map_err(|second| if is_refused_by_rule(&second) { failure } else { second })
                }
                Err(failure) if has_no_tls(&failure) => self.plain().await,
                answer => answer,
            },
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => self.encrypted(mode).await,
        }
    }

    async fn plain(&self) -> Result<Opened, Failure> {
        let socket = self.open().await?;
        self.log_in_plain(socket).await
    }

    async fn encrypted(&self, mode: SslMode) -> Result<Opened, Failure> {
        let trust = tls::trust(mode, self.target.root_certificates.as_ref());
        let mut connector = tls::prepare(self.target, trust)?;
        let name = self.name_for_tls(trust)?;
        let mut socket = self.open().await?;
        self.phase.set(Phase::Tls);
        if !self.target.is_direct_tls && !ask_for_tls(&mut socket).await? {
            return if mode == SslMode::Prefer {
                self.log_in_plain(socket).await
            } else {
                Err(Failure::new(Phase::Tls, Cause::NoTls))
            };
        }
        let mut config = self.config();
        // What it would ask the server has been asked.
        config.ssl_mode(config::SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        let wire = if trust == Trust::Anyone { Wire::Encrypted } else { Wire::Verified };
        let Ok(connector) = MakeTlsConnect::<Socket>::make_tls_connect(&mut connector, &name);
        let handshake = Handshake { connector, policy: self.policy(&config, wire), phase: &self.phase };
        let connected = config.connect_raw(socket, handshake).await.map_err(|error| self.explain(&error));
        Ok(started(connected?, wire))
    }

    async fn log_in_plain(&self, socket: Socket) -> Result<Opened, Failure> {
        self.phase.set(Phase::Authenticate);
        let mut config = self.config();
        config.ssl_mode(config::SslMode::Disable);
        let guarded = Guarded::new(socket, self.policy(&config, Wire::Plain));
        let connected = config.connect_raw(guarded, NoTls).await.map_err(|error| self.explain(&error));
        Ok(started(connected?, Wire::Plain))
    }

    async fn open(&self) -> Result<Socket, Failure> {
        self.phase.set(Phase::Connect);
        socket::open(self.address, self.target).await
    }

    /// The name that the certificate has to be valid for.
    fn name_for_tls(&self, trust: Trust) -> Result<String, Failure> {
        let name = &self.host.name;
        if ServerName::try_from(name.as_str()).is_ok() {
            return Ok(name.clone());
        }
        match self.address.ip() {
            // Only asked for as a matter of form.
            Some(ip) if trust != Trust::ChainAndName || name.is_empty() => Ok(ip.to_string()),
            _ => Err(Failure::new(
                Phase::Tls,
                Cause::Config {
                    message: format!("no certificate can be valid for `{name}`, which is no name of a host"),
                    hint: "give the host as it stands in the server's certificate".to_owned(),
                },
            )),
        }
    }

    fn config(&self) -> Config {
        let target = self.target;
        let mut config = Config::new();
        config
            .user(&target.user)
            .dbname(&target.database)
            .application_name(&target.application_name)
            .channel_binding(match target.channel_binding {
                ChannelBinding::Disable => config::ChannelBinding::Disable,
                ChannelBinding::Prefer => config::ChannelBinding::Prefer,
                ChannelBinding::Require => config::ChannelBinding::Require,
            });
        if let Some(options) = &target.options {
            config.options(options);
        }
        if let Ok(Some(password)) = &self.password {
            config.password(password.reveal());
        }
        config
    }

    fn policy(&self, config: &Config, wire: Wire) -> Policy {
        Policy {
            has_password: config.get_password().is_some(),
            may_tell_password: wire == Wire::Verified || self.host.is_local(),
        }
    }

    /// What a failed handshake or log-in means.
    fn explain(&self, error: &tokio_postgres::Error) -> Failure {
        let broken = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        if let Some(refusal) = broken.and_then(Refusal::of_io) {
            return match (refusal, &self.password) {
                (Refusal::NoPassword, Err(trouble)) => Failure::new(
                    Phase::Authenticate,
                    Cause::Config {
                        message: format!("the server asks for a password, and {trouble}"),
                        hint: "or give it in PGPASSWORD".to_owned(),
                    },
                ),
                _ => refusal.failure(),
            };
        }
        let mut failure = Failure::of(self.phase.get(), error);
        if let Failure { phase: Phase::Tls, cause: Cause::Lost(text) } = &mut failure
            && self.target.is_direct_tls
        {
            text.push_str(" (sslnegotiation=direct needs PostgreSQL 17)");
        }
        failure
    }
}

/// Sets the input and output of a connection going. What ends it, each request in flight is told too.
fn started<S, T>((client, mut connection): (Client, Connection<S, T>), wire: Wire) -> Opened
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (tell, told) = channel(TOLD_MAX);
    let server_version = major(connection.parameter("server_version").unwrap_or_default());
    let in_hot_standby = connection.parameter("in_hot_standby").map(|value| value == "on");
    let running = async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(told) = message {
                // Too many: see `TOLD_MAX`.
                drop(tell.try_send(told.payload().to_owned()));
            }
        }
    };
    Opened { client, server_version, in_hot_standby, wire, told, task: Task(tokio::spawn(running)) }
}

/// Asks for TLS as servers before PostgreSQL 17 want it. Not one byte more than the answer is read: what follows belongs
/// to the handshake, and fails there if somebody has slipped it in.
async fn ask_for_tls(socket: &mut Socket) -> Result<bool, Failure> {
    let broken = |error: io::Error| {
        lost(Phase::Tls, format!("the server did not answer whether it does TLS ({error})"))
    };
    socket.write_all(&TLS_REQUEST).await.map_err(broken)?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await.map_err(broken)?;
    match answer {
        [b'S'] => Ok(true),
        [b'N'] => Ok(false),
        // An error, which nobody has signed: its words are not to be trusted.
        [b'E'] => Err(Refusal::NoSession.failure()),
        _ => Err(Refusal::Foreign.failure()),
    }
}

/// The handshake, after which the guard sees what the server says.
struct Handshake<'a> {
    connector: <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect,
    policy: Policy,
    phase: &'a Cell<Phase>,
}

impl<'a> TlsConnect<Socket> for Handshake<'a> {
    type Stream = Guarded<<MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + 'a>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = self.connector.connect(socket).await?;
            self.phase.set(Phase::Authenticate);
            Ok(Guarded::new(stream, self.policy))
        })
    }
}

/// The major number of `15.4 (Debian 15.4-1)` or `18beta1`.
pub(super) fn major(version: &str) -> i32 {
    let end = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn is_refused_by_rule(failure: &Failure) -> bool {
    matches!(&failure.cause, Cause::Answer(answer) if answer.code == REFUSED_BY_RULE)
}

/// Whether TLS could not be agreed on, through no fault of the configuration.
fn has_no_tls(failure: &Failure) -> bool {
    failure.phase == Phase::Tls && !matches!(failure.cause, Cause::Config { .. })
}

fn lost(phase: Phase, text: String) -> Failure {
    Failure::new(phase, Cause::Lost(text))
}
