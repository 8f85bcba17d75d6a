//! Which field of an event becomes which attribute of a span: the one table of names.
//!
//! Source: the attributes that the server's OTLP endpoint looks at (Langfuse 3 and 4).

/// How a value is written as an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text as it is, anything else as JSON text.
    Text,
    /// Text, numbers and booleans as they are, anything else as JSON text.
    Plain,
    /// A map: one attribute for each key, `name.key`. Anything else as [`Form::Text`].
    Spread,
    /// A list of text.
    Texts,
    /// Text, if it is one of the levels.
    Level,
    /// Text, if it can be the name of an environment.
    Environment,
}

/// A field of a body, its attribute, and how it is written.
pub(super) type Row = (&'static str, &'static str, Form);

/// Fields of observations.
pub(super) const OBSERVATION: [Row; 15] = [
    ("input", "langfuse.observation.input", Form::Text),
    ("output", "langfuse.observation.output", Form::Text),
    ("metadata", METADATA, Form::Spread),
    ("level", "langfuse.observation.level", Form::Level),
    ("statusMessage", "langfuse.observation.status_message", Form::Text),
    ("completionStartTime", "langfuse.observation.completion_start_time", Form::Text),
    ("model", "langfuse.observation.model.name", Form::Text),
    ("modelParameters", "langfuse.observation.model.parameters", Form::Text),
    ("usageDetails", USAGE_DETAILS, Form::Text),
    ("costDetails", COST_DETAILS, Form::Text),
    ("promptName", "langfuse.observation.prompt.name", Form::Text),
    ("promptVersion", "langfuse.observation.prompt.version", Form::Plain),
    ("environment", ENVIRONMENT, Form::Environment),
    ("version", VERSION, Form::Text),
    ("release", RELEASE, Form::Text),
];

/// Fields of traces, which every observation of the trace carries.
pub(super) const TRACE: [Row; 12] = [
    ("name", "langfuse.trace.name", Form::Text),
    ("userId", "user.id", Form::Text),
    ("sessionId", "session.id", Form::Text),
    ("tags", "langfuse.trace.tags", Form::Texts),
    ("public", "langfuse.trace.public", Form::Plain),
    ("metadata", TRACE_METADATA, Form::Spread),
    ("input", "langfuse.trace.input", Form::Text),
    ("output", "langfuse.trace.output", Form::Text),
    ("externalId", "langfuse.trace.metadata.external_id", Form::Text),
    ("environment", ENVIRONMENT, Form::Environment),
    ("version", VERSION, Form::Text),
    ("release", RELEASE, Form::Text),
];

/// Fields of observations that stand elsewhere in a span. What is in neither list becomes metadata.
pub(super) const STRUCTURE: [&str; 8] =
    ["id", "traceId", "parentObservationId", "name", "startTime", "endTime", "type", "usage"];

pub(super) const OBSERVATION_TYPE: &str = "langfuse.observation.type";
pub(super) const METADATA: &str = "langfuse.observation.metadata";
pub(super) const TRACE_METADATA: &str = "langfuse.trace.metadata";
pub(super) const USAGE_DETAILS: &str = "langfuse.observation.usage_details";
pub(super) const COST_DETAILS: &str = "langfuse.observation.cost_details";
pub(super) const ENVIRONMENT: &str = "langfuse.environment";
pub(super) const RELEASE: &str = "langfuse.release";
pub(super) const VERSION: &str = "langfuse.version";

/// Makes the server take a span for the root of its trace.
pub(super) const AS_ROOT: &str = "langfuse.internal.as_root";

/// Ids that are no span or trace ids, as they were given.
pub(super) const ORIGINAL_ID: &str = "langfuse.observation.metadata.original_id";
pub(super) const ORIGINAL_PARENT_ID: &str = "langfuse.observation.metadata.original_parent_id";
pub(super) const ORIGINAL_TRACE_ID: &str = "langfuse.trace.metadata.original_id";

/// Says that a span's end was not known when it was sent.
pub(super) const INCOMPLETE: &str = "langfuse.observation.metadata.incomplete";

/// The levels of an observation.
pub(super) const LEVELS: [&str; 4] = ["DEBUG", "DEFAULT", "WARNING", "ERROR"];

/// The two names of each count in the older `usage`, and what it is called in `usage_details`.
pub(super) const USAGE: [(&str, &str, &str); 3] = [
    ("input", "promptTokens", "input"),
    ("output", "completionTokens", "output"),
    ("total", "totalTokens", "total"),
];

/// The costs in the older `usage`, and what each is called in `cost_details`.
pub(super) const COSTS: [(&str, &str); 3] =
    [("inputCost", "input"), ("outputCost", "output"), ("totalCost", "total")];

/// Attributes of a record that the coalesce stage gives to a member of a trace: the trace's body, and whether it has
/// changed since a member carried it.
pub(super) const CARRIED: &str = "langfuse.trace";
pub(super) const CARRIED_NEWS: &str = "langfuse.trace.news";

/// Whether the server takes this as the name of an environment.
pub(super) fn is_environment(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        && !name.starts_with("langfuse")
}
