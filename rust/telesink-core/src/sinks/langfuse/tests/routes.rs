//! Which records are events, and where they go.

use super::{observation, record};
use crate::dsn::Dsn;
use crate::record::encode::RecordBuilder;
use crate::record::{Header, Record};
use crate::sinks::{Limits, Route, Sink};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn sink(options: &str) -> Box<dyn Sink> {
    let mut dsn =
        Dsn::parse(&format!("langfuse://pk:sk@localhost{options}"), &[], Path::new("/")).expect("a dsn");
    let plan = super::super::plan(&mut dsn).expect("a plan");
    (plan.factory)(Limits { connect: Duration::from_secs(1), write: Duration::from_secs(1) })
}

/// A log record that is called like an event.
fn namesake(name: &str) -> Record {
    let header = Header { id: [1; 16], ..record(&observation("event-create", &json!({}))).header() };
    let mut builder = RecordBuilder::new();
    builder.start(1 << 10);
    builder.body("a text");
    builder.event_name(name);
    builder.finish(header, &[])
}

#[test]
fn a_log_record_that_is_called_like_an_event_is_none() {
    for options in ["", "?mode=otlp", "?mode=legacy"] {
        let sink = sink(options);
        for name in ["trace-create", "span-create", "score-create", "sdk-log"] {
            assert_eq!(sink.route(&namesake(name)), None, "{name} {options}");
        }
        assert_eq!(sink.route(&record(&observation("span-create", &json!({})))), Some(Route::Traces));
    }
}
