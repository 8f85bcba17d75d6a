//! The OTLP sink against real HTTP servers, read with an independent decoder.

mod contract;
mod faults;
mod replies;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use support::http::{Received, Server};
use telesink_core::pipeline::Pipeline;
use telesink_core::settings::Settings;
use telesink_core::sinks::SinkPlan;

/// A sink that sends to the server; `query` holds its options. The environment of the tests is not asked for proxies.
fn plan(server: &Server, query: &str) -> SinkPlan {
    support::plan(&format!("otlp://{}?proxy=none{query}", server.authority()))
}

fn pipeline(server: &Server, query: &str, settings: Settings) -> Pipeline {
    support::pipeline(plan(server, query), settings)
}

/// The request as an independent implementation reads it.
fn logs(received: &Received) -> ExportLogsServiceRequest {
    let content = received.content();
    match received.header("content-type") {
        Some("application/json") => serde_json::from_slice(&content).expect("OTLP in JSON"),
        _ => ExportLogsServiceRequest::decode(&content[..]).expect("OTLP in protobuf"),
    }
}

/// The messages in it, in order.
fn bodies(received: &Received) -> Vec<String> {
    let request = logs(received);
    let records = request.resource_logs.into_iter().flat_map(|group| group.scope_logs);
    let records = records.flat_map(|group| group.log_records);
    let body = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        other => panic!("no text: {other:?}"),
    };
    records.map(|record| body(record.body.and_then(|body| body.value))).collect()
}

/// The messages of all requests.
fn all_bodies(server: &Server) -> Vec<String> {
    server.received().iter().flat_map(bodies).collect()
}
