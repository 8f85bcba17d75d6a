//! `langfuse://` and `langfuses://`: the DSN's parts and options, checked before anything is sent.

use super::merge::EventMerge;
use super::names::is_environment;
use super::sink::LangfuseSink;
use super::span::Defaults;
use crate::dsn::variables::Variables;
use crate::dsn::{Dsn, Secret};
use crate::error::{ConfigError, WriteError};
use crate::http::{Endpoint, Header, Proxies, Transport};
use crate::sinks::{CoalescePlan, Limits, SinkFactory, SinkPlan};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The path of the OTLP endpoint, below the server's address.
const SPANS_PATH: &str = "/api/public/otel/v1/traces";

/// Largest request of spans before compression: the size above which the server warns. Usually the lane's own bound,
/// `batch_bytes_max`, is reached first.
const REQUEST_BYTES_MAX: usize = 16_000_000;

/// How long an observation without an end is waited for.
const HOLD: Duration = Duration::from_secs(30);

/// In which form events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As spans where the server takes them, else as classic batches.
    Auto,
    /// As spans.
    Otlp,
    /// As classic batches, as they come.
    Legacy,
}

const MODES: [(&str, Mode); 3] = [("auto", Mode::Auto), ("otlp", Mode::Otlp), ("legacy", Mode::Legacy)];

impl Mode {
    pub(super) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// Everything that is known of a server before it is asked.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) mode: Mode,
    base: Endpoint,
    pub(super) spans: Endpoint,
    pub(super) classic: Endpoint,
    pub(super) scores: Endpoint,
    pub(super) headers: Vec<Header>,
    secret: Secret,
    pub(super) transport: Transport,
    pub(super) defaults: Defaults,
    pub(super) is_gzip: bool,
    pub(super) request_bytes_max: usize,
}

impl Target {
    /// The server's address, as it may be shown.
    pub(super) fn shown(&self) -> String {
        self.base.to_string()
    }

    /// What a server says without the secret key, should it repeat it.
    pub(super) fn without_secret(&self, said: String) -> String {
        let secret = self.secret.reveal();
        if secret.is_empty() || !said.contains(secret) { said } else { said.replace(secret, "***") }
    }
}

/// What was taken out of a DSN.
struct Read {
    target: Arc<Target>,
    hold: Duration,
}

/// Plans the sink. Options: `mode` (`auto`, `otlp`, `legacy`), `environment`, `release`, `hold_seconds`, `compression`
/// (`gzip`, `none`), `traces_path`, `insecure_ok`, and those of every HTTP server.
///
/// # Errors
/// Keys that are missing, or an option with a value that it does not take.
pub(in crate::sinks) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let Read { target, hold } = read(dsn)?;
    let merge = || Box::new(EventMerge::default()) as Box<dyn crate::sinks::Merge>;
    let coalesce = (target.mode != Mode::Legacy).then(|| CoalescePlan { hold, merge: Arc::new(merge) });
    let factory: SinkFactory =
        Arc::new(move |limits| Box::new(LangfuseSink::new(Arc::clone(&target), limits)));
    let plan = SinkPlan::new("langfuse", dsn.masked(), factory);
    Ok(SinkPlan { linger_default: Duration::from_millis(200), stores_logs: false, coalesce, ..plan })
}

/// Asks a server which form it takes and whether it takes the keys; answers it in words.
///
/// # Errors
/// A [`ConfigError`] for the DSN; inside, whatever stands between this program and the server.
pub fn check(dsn: &mut Dsn, limits: Limits) -> Result<Result<String, WriteError>, ConfigError> {
    let Read { target, .. } = read(dsn)?;
    Ok(LangfuseSink::new(target, limits).check())
}

fn read(dsn: &mut Dsn) -> Result<Read, ConfigError> {
    let is_tls = dsn.scheme() == "langfuses";
    let url = dsn.url().clone();
    let scheme = dsn.scheme().to_owned();
    if url.host.is_empty() {
        return Err(ConfigError::new(
            format!("{scheme}:// names no host"),
            format!("write {scheme}://public-key:secret-key@host"),
        ));
    }
    let (Some(public), Some(secret)) = (&url.user, &url.password) else {
        return Err(ConfigError::new(
            format!("{scheme}:// has no keys in front of the host"),
            format!("write {scheme}://public-key:secret-key@host"),
        ));
    };
    let port = url.port.unwrap_or(if is_tls { 443 } else { 80 });
    let base = Endpoint { is_tls, host: url.host.clone(), port, path: url.path.clone() };
    let mode = dsn.take_choice("mode", &MODES.map(|(name, _)| name))?.unwrap_or("auto");
    let mode = MODES.iter().find(|(name, _)| *name == mode).map_or(Mode::Auto, |(_, mode)| *mode);
    let spans_path = dsn.take_text("traces_path")?.unwrap_or_else(|| SPANS_PATH.to_owned());
    let place = "the keys in the dsn";
    let headers = vec![
        Header::basic(public.reveal(), secret.reveal()),
        Header::new("x-langfuse-public-key", public.reveal(), place)?,
        Header::new("x-langfuse-sdk-name", "telesink", place)?,
        Header::new("x-langfuse-sdk-version", env!("CARGO_PKG_VERSION"), place)?,
        // Without it the server keeps spans where they can be read after minutes only.
        Header::new("x-langfuse-ingestion-version", "4", place)?,
    ];
    let may_be_plain = dsn.take_bool("insecure_ok")?.unwrap_or(false);
    if !is_tls && !base.is_local() && !may_be_plain {
        return Err(ConfigError::new(
            format!("{base} would be sent the keys without TLS"),
            "write langfuses:// (https:// for a host), or insecure_ok=true where the way there is trusted",
        ));
    }
    let compression = dsn.take_choice("compression", &["gzip", "none"])?;
    let target = Target {
        mode,
        spans: base.join(&format!("/{}", spans_path.trim_start_matches('/'))),
        classic: base.join("/api/public/ingestion"),
        scores: base.join("/api/public/scores"),
        headers,
        secret: secret.clone(),
        transport: take_transport(dsn)?,
        defaults: Defaults { environment: take_environment(dsn)?, release: dsn.take_text("release")? },
        // Within one machine, compressing costs more than sending.
        is_gzip: compression.map_or(!base.is_local(), |name| name == "gzip"),
        request_bytes_max: REQUEST_BYTES_MAX,
        base,
    };
    let hold = dsn.take_seconds("hold_seconds")?.unwrap_or(HOLD);
    Ok(Read { target: Arc::new(target), hold })
}

/// How the server is reached: `certificate`, `client_certificate`, `client_key`, `proxy`.
fn take_transport(dsn: &mut Dsn) -> Result<Transport, ConfigError> {
    let file = |dsn: &mut Dsn, name: &'static str| -> Result<Option<PathBuf>, ConfigError> {
        Ok(dsn.take_text(name)?.map(|text| dsn.base_directory().join(text)))
    };
    let proxies = match dsn.take_text("proxy")? {
        Some(text) => Proxies::of_option(&text)?,
        None => Proxies::of_environment(&Variables::of_process())?,
    };
    Ok(Transport {
        certificate: file(dsn, "certificate")?,
        client_certificate: file(dsn, "client_certificate")?,
        client_key: file(dsn, "client_key")?,
        proxies,
    })
}

fn take_environment(dsn: &mut Dsn) -> Result<Option<String>, ConfigError> {
    let Some(name) = dsn.take_text("environment")? else { return Ok(None) };
    if is_environment(&name) {
        return Ok(Some(name));
    }
    Err(ConfigError::new(
        format!("option `environment` is {name:?}, which the server would not take"),
        "use 1 to 40 of the characters a-z, 0-9, `-` and `_`, not beginning with `langfuse`",
    ))
}
