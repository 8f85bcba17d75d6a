//! What is said for one signal.

use super::request::Encoding;
use crate::http::{Endpoint, Header, Transport};
use crate::record::Signal;
use std::time::Duration;

/// The default of the setting `write_timeout_seconds`: as long as it holds, nobody has said anything else.
const WRITE_DEFAULT: Duration = Duration::from_secs(15);

/// Where and how the records of one signal are sent.
#[derive(Debug, Clone)]
pub(super) struct SignalOptions {
    pub(super) endpoint: Endpoint,
    pub(super) encoding: Encoding,
    pub(super) headers: Vec<Header>,
    pub(super) is_gzip: bool,
    /// The option `timeout`.
    pub(super) timeout: Option<Duration>,
    /// What the environment says about it.
    pub(super) timeout_from_environment: Option<Duration>,
    pub(super) transport: Transport,
}

impl SignalOptions {
    /// Longest time for one request: the option, the setting, the environment, the default.
    pub(super) fn total(&self, setting: Duration) -> Duration {
        match (self.timeout, self.timeout_from_environment) {
            (Some(timeout), _) => timeout,
            (None, Some(timeout)) if setting == WRITE_DEFAULT => timeout,
            _ => setting,
        }
    }
}

/// The words of one signal in options, variables and paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) signal: Signal,
    /// As in `signals=logs,traces`.
    pub(super) name: &'static str,
    pub(super) endpoint_option: &'static str,
    /// As in `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`.
    pub(super) variable: &'static str,
    /// Behind the base path.
    pub(super) path: &'static str,
}

/// All of them, in the order of [`index`].
pub(super) const ALL: [Words; 3] = [
    Words {
        signal: Signal::Log,
        name: "logs",
        endpoint_option: "logs_endpoint",
        variable: "LOGS",
        path: "/v1/logs",
    },
    Words {
        signal: Signal::Span,
        name: "traces",
        endpoint_option: "traces_endpoint",
        variable: "TRACES",
        path: "/v1/traces",
    },
    Words {
        signal: Signal::Metric,
        name: "metrics",
        endpoint_option: "metrics_endpoint",
        variable: "METRICS",
        path: "/v1/metrics",
    },
];

/// Where a signal stands in a list of three.
pub(super) fn index(signal: Signal) -> usize {
    match signal {
        Signal::Log => 0,
        Signal::Span => 1,
        Signal::Metric => 2,
    }
}
