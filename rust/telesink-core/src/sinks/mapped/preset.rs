//! The tables that other systems have, and what telesink puts into their columns.

use super::{Column, Layout, Source, TableMap};

fn attribute(name: &str) -> Source {
    Source::Attribute(name.to_owned())
}

/// One row a log line, as systemprompt keeps them: twelve columns, levels folded to five names, attribution in columns.
pub(super) fn systemprompt() -> Layout {
    let own = |name: &str| Column::new(name, &[attribute(name)]);
    Layout::of(TableMap::preset(
        "logs",
        vec![
            Column::new("id", &[Source::Id]),
            Column::new("timestamp", &[Source::Time]),
            Column::new("level", &[Source::LevelOfFive]),
            Column::new("module", &[Source::Logger]),
            Column::new("message", &[Source::Body]),
            Column::new("metadata", &[Source::Attributes]),
            own("user_id"),
            own("session_id"),
            own("task_id"),
            Column::new("trace_id", &[attribute("trace_id"), Source::TraceId]),
            own("context_id").uuid(),
            own("client_id"),
        ],
    ))
}

/// Runs, steps, and one row for each event or call of a model, as chronicle keeps them.
pub(super) fn chronicle(json_null: bool) -> Layout {
    let own = |name: &str| Column::new(name, &[attribute(name)]);
    let either = |name: &str, sources: &[&str]| {
        Column::new(name, &sources.iter().map(|name| attribute(name)).collect::<Vec<_>>())
    };
    let json = |column: Column| if json_null { column.json().or("null") } else { column.json() };
    let of_response = Source::Member("response".to_owned(), "model".to_owned());
    let of_request = Source::Member("request".to_owned(), "model".to_owned());
    let columns = vec![
        Column::new("id", &[Source::EventId]),
        Column::new("event_type", &[Source::EventName]),
        json(either("chat_request", &["request", "chat_request"])),
        json(either("chat_response", &["response", "chat_response"])),
        json(own("error")),
        either("provider", &["provider", "gen_ai.provider.name"]),
        Column::new(
            "model",
            &[
                of_response,
                attribute("gen_ai.response.model"),
                attribute("model"),
                attribute("gen_ai.request.model"),
                of_request,
            ],
        )
        .or(""),
        own("application"),
        own("environment"),
        either("request_organization_id", &["organization_id"]),
        either("request_project_id", &["project_id"]),
        either("request_user_id", &["user_id"]),
        own("workflow_id").in_index(),
        own("workflow_name"),
        own("run_id").uuid(),
        own("step_id").uuid(),
        own("step_index").of_32_bits(),
        own("prompt_id"),
        own("prompt_version").of_32_bits(),
        json(Column::new("meta", &[Source::AttributesWith(vec!["meta".to_owned(), "data".to_owned()])])),
        own("response_meta").json(),
        own("retries").of_32_bits(),
        own("rate_limited"),
        either("request_latency_ms", &["latency_ms", "request_latency_ms"]).of_32_bits(),
        own("total_latency_ms").of_32_bits(),
        Column::new("created_at", &[Source::Time]),
    ];
    let rows = TableMap::preset("chronicle_events", columns);
    Layout { has_runs: true, ..Layout::of(rows) }
}
