//! What the DSN, its options and the environment say, in this order of precedence: options and DSN, the variable for one
//! signal, the variable for all, the default.

use super::environment::{self, OfSignal};
use super::request::{BYTES_LIMIT, Encoding};
use super::signal::{self, SignalOptions, Words, index};
use crate::dsn::url::Url;
use crate::dsn::variables::Variables;
use crate::dsn::{Dsn, Secret};
use crate::error::ConfigError;
use crate::http::{Endpoint, Header, Proxies, Transport};
use crate::record::Signal;
use std::path::PathBuf;
use std::time::Duration;

/// The port of OTLP over HTTP.
const PORT: u16 = 4318;

/// Most bytes of a request unless `request_bytes_max` says otherwise: what the most careful receivers and the
/// balancers in front of them take (gRPC's own limit, which many kept, is 4 MiB).
const REQUEST_BYTES_DEFAULT: usize = 4 << 20;

/// Least value of `request_bytes_max`: below it nearly every record would be a request.
const REQUEST_BYTES_MIN: usize = 1 << 10;

/// All that is known before the first request.
#[derive(Debug)]
pub(super) struct Options {
    signals: [Option<SignalOptions>; 3],
    /// For those that are not taken: what would hold.
    first: SignalOptions,
    pub(super) request_bytes_max: usize,
}

/// What holds for all signals.
struct Common {
    encoding: Option<Encoding>,
    headers: Option<Vec<Header>>,
    is_gzip: Option<bool>,
    timeout: Option<Duration>,
    certificate: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    proxies: Proxies,
    may_be_plain: bool,
}

impl Options {
    pub(super) fn take_from(dsn: &mut Dsn, variables: &Variables) -> Result<Self, ConfigError> {
        let common = Common::take_from(dsn, variables)?;
        let taken = taken(dsn)?;
        let request_bytes_max =
            dsn.take_bytes("request_bytes_max")?.map_or(REQUEST_BYTES_DEFAULT, |bytes| bytes as usize);
        if !(REQUEST_BYTES_MIN..=BYTES_LIMIT).contains(&request_bytes_max) {
            return Err(ConfigError::new(
                format!("option `request_bytes_max` is {request_bytes_max}; expected 1 KiB to 64 MiB"),
                "OTLP allows no larger requests; leave it out for 4 MiB",
            ));
        }
        let mut signals = [None, None, None];
        let mut first = None;
        for words in &signal::ALL {
            let options = of_signal(dsn, &common, OfSignal { variables, words })?;
            first.get_or_insert_with(|| options.clone());
            if taken.contains(&words.signal) {
                signals[index(words.signal)] = Some(options);
            }
        }
        let Some(first) = first else {
            return Err(ConfigError::new("no signal is known", "report this as a bug"));
        };
        Ok(Self { signals, first, request_bytes_max })
    }

    pub(super) fn takes(&self, signal: Signal) -> bool {
        self.signals[index(signal)].is_some()
    }

    pub(super) fn signal(&self, signal: Signal) -> &SignalOptions {
        self.signals[index(signal)].as_ref().unwrap_or(&self.first)
    }

    /// The target as it may be shown: the DSN, or what the environment has made of a bare one.
    pub(super) fn shown(&self, dsn: &Dsn) -> String {
        if !dsn.url().host.is_empty() {
            return dsn.masked();
        }
        let endpoint =
            self.signals.iter().flatten().next().map_or(&self.first.endpoint, |found| &found.endpoint);
        let scheme = if endpoint.is_tls { "otlps" } else { "otlp" };
        let path = endpoint.path.trim_end_matches(signal::ALL.map(|words| words.path)[0]);
        let url = Url {
            host: endpoint.host.clone(),
            port: Some(endpoint.port),
            path: path.to_owned(),
            ..Url::default()
        };
        format!("{scheme}://{}", url.masked())
    }
}

impl Common {
    fn take_from(dsn: &mut Dsn, variables: &Variables) -> Result<Self, ConfigError> {
        let encoding = dsn.take_choice("encoding", &["protobuf", "json"])?;
        let compression = dsn.take_choice("compression", &["none", "gzip"])?;
        let headers = dsn.take_text("headers")?;
        let timeout = dsn.take_seconds("timeout")?;
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(ConfigError::new(
                "option `timeout` is 0; expected seconds above 0",
                "leave it out for 15 s",
            ));
        }
        let proxies = match dsn.take_text("proxy")? {
            Some(text) => Proxies::of_option(&text)?,
            None => Proxies::of_environment(variables)?,
        };
        Ok(Self {
            encoding: encoding.map(|word| if word == "json" { Encoding::Json } else { Encoding::Protobuf }),
            headers: headers.map(|text| environment::headers(&text, "option `headers`")).transpose()?,
            is_gzip: compression.map(|word| word == "gzip"),
            timeout,
            certificate: path(dsn, "certificate")?,
            client_certificate: path(dsn, "client_certificate")?,
            client_key: path(dsn, "client_key")?,
            proxies,
            may_be_plain: dsn.take_bool("insecure_ok")?.unwrap_or(false),
        })
    }
}

fn path(dsn: &mut Dsn, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
    Ok(dsn.take_text(name)?.map(|text| dsn.base_directory().join(text)))
}

/// The signals that are sent; all, unless `signals` names some.
fn taken(dsn: &mut Dsn) -> Result<Vec<Signal>, ConfigError> {
    let Some(names) = dsn.take_list("signals")? else {
        return Ok(signal::ALL.map(|words| words.signal).to_vec());
    };
    let known = |name: &String| signal::ALL.iter().find(|words| words.name.eq_ignore_ascii_case(name));
    let found: Option<Vec<Signal>> = names.iter().map(|name| known(name).map(|words| words.signal)).collect();
    found.ok_or_else(|| {
        ConfigError::new(
            "option `signals` names something else than `logs`, `traces` and `metrics`",
            "write for example signals=logs,traces",
        )
    })
}

fn of_signal(
    dsn: &mut Dsn,
    common: &Common,
    environment: OfSignal<'_>,
) -> Result<SignalOptions, ConfigError> {
    let (endpoint, credentials) = endpoint(dsn, environment)?;
    let mut headers = match &common.headers {
        Some(headers) => headers.clone(),
        None => environment.headers()?.unwrap_or_default(),
    };
    let has_own = headers.iter().any(|header| header.name() == "authorization");
    if let Some(user) = credentials.user.as_ref().filter(|_| !has_own) {
        headers.push(Header::basic(user.reveal(), credentials.password.as_ref().map_or("", Secret::reveal)));
    }
    let is_open = !endpoint.is_tls && !endpoint.is_local() && !common.may_be_plain;
    if let Some(header) = headers.iter().find(|header| is_open && header.is_credential()) {
        return Err(ConfigError::new(
            format!("{endpoint} would be sent credentials (header `{}`) without TLS", header.name()),
            "write otlps:// (https:// in a variable), or insecure_ok=true where the way there is trusted",
        ));
    }
    let encoding = match common.encoding {
        Some(encoding) => encoding,
        None => protocol(dsn, environment)?,
    };
    let file = |own: &Option<PathBuf>, what: &str| match own {
        Some(path) => Ok(Some(path.clone())),
        None => environment.either(what).map(|found| found.map(|found| PathBuf::from(found.text))),
    };
    let transport = Transport {
        certificate: file(&common.certificate, "CERTIFICATE")?,
        client_certificate: file(&common.client_certificate, "CLIENT_CERTIFICATE")?,
        client_key: file(&common.client_key, "CLIENT_KEY")?,
        proxies: common.proxies.clone(),
    };
    let is_gzip = match common.is_gzip {
        Some(is_gzip) => is_gzip,
        None => environment.is_gzip()?.unwrap_or(false),
    };
    let timeout_from_environment = environment.timeout()?;
    Ok(SignalOptions {
        endpoint,
        encoding,
        headers,
        is_gzip,
        timeout: common.timeout,
        timeout_from_environment,
        transport,
    })
}

/// Where a signal goes, and the credentials that stand there.
fn endpoint(dsn: &mut Dsn, environment: OfSignal<'_>) -> Result<(Endpoint, Url), ConfigError> {
    let Words { endpoint_option, path, .. } = environment.words;
    let place = format!("option `{endpoint_option}`");
    if let Some(text) = dsn.take_text(endpoint_option)? {
        return Endpoint::parse(&text, &place);
    }
    let is_tls = dsn.scheme() == "otlps";
    let url = dsn.url().clone();
    if !url.host.is_empty() {
        let port = url.port.unwrap_or(PORT);
        let base = Endpoint { is_tls, host: url.host.clone(), port, path: url.path.clone() };
        return Ok((base.join(path), url));
    }
    let (endpoint, url) = match (environment.own("ENDPOINT")?, environment.general("ENDPOINT")?) {
        // Used as it is.
        (Some(own), _) => Endpoint::parse(&own.text, &own.place())?,
        (None, Some(general)) => {
            let (base, url) = Endpoint::parse(&general.text, &general.place())?;
            (base.join(path), url)
        }
        (None, None) => {
            let base = Endpoint { is_tls, host: "localhost".to_owned(), port: PORT, path: String::new() };
            (base.join(path), Url::default())
        }
    };
    if is_tls && !endpoint.is_tls {
        return Err(ConfigError::new(
            "otlps:// means TLS, and the endpoint in the environment begins with http://",
            "write https:// there, or otlp:// here",
        ));
    }
    Ok((endpoint, url))
}

/// The encoding that the environment asks for.
fn protocol(dsn: &Dsn, environment: OfSignal<'_>) -> Result<Encoding, ConfigError> {
    let Some(found) = environment.either("PROTOCOL")? else { return Ok(Encoding::Protobuf) };
    match found.text.to_ascii_lowercase().as_str() {
        "http/json" => Ok(Encoding::Json),
        "http/protobuf" => Ok(Encoding::Protobuf),
        // Said to another exporter: this address speaks HTTP.
        "grpc" if !dsn.url().host.is_empty() => Ok(Encoding::Protobuf),
        "grpc" => Err(ConfigError::new(
            format!("{} asks for gRPC, which telesink does not speak", found.place()),
            "write http/protobuf, and the port for it (4318), or name the server: otlp://host:4318",
        )),
        _ => Err(found.wrong("`http/protobuf` or `http/json`")),
    }
}
