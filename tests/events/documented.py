"""The tables of both systems as their documents have them, and triggers that refuse rows."""

LOGS = {
    "postgres": """
CREATE TABLE logs (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, timestamp TIMESTAMPTZ NOT NULL DEFAULT now(),
  level VARCHAR(50) NOT NULL CHECK (level IN ('ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE')),
  module VARCHAR(255) NOT NULL, message TEXT NOT NULL, metadata TEXT,
  user_id VARCHAR(255), session_id VARCHAR(255), task_id VARCHAR(255), trace_id VARCHAR(255),
  context_id VARCHAR(255), client_id VARCHAR(255),
  gateway_conversation_id VARCHAR(255), provider_request_id VARCHAR(255));
CREATE INDEX ON logs (timestamp DESC); CREATE INDEX ON logs (module);
CREATE INDEX ON logs (level, timestamp DESC);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.message LIKE 'refused%' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION refuse();
""",
    "sqlite": """
CREATE TABLE logs (
  id TEXT PRIMARY KEY, timestamp TEXT NOT NULL,
  level VARCHAR(50) NOT NULL CHECK (level IN ('ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE')),
  module VARCHAR(255) NOT NULL, message TEXT NOT NULL, metadata TEXT,
  user_id VARCHAR(255), session_id VARCHAR(255), task_id VARCHAR(255), trace_id VARCHAR(255),
  context_id VARCHAR(255), client_id VARCHAR(255),
  gateway_conversation_id VARCHAR(255), provider_request_id VARCHAR(255));
CREATE TRIGGER refuse BEFORE INSERT ON logs WHEN NEW.message LIKE 'refused%'
BEGIN SELECT RAISE(ABORT, 'not this one'); END;
""",
}

_COLUMNS = """
  event_type {text}, organization_id {text}, project_id {text}, user_id {text},
  chat_request {json} NOT NULL, chat_response {json}, error {json}, provider {text}, model {text},
  application {text}, environment {text}, request_organization_id {text}, request_project_id {text},
  request_user_id {text}, workflow_id {text}, workflow_name {text}, run_id {uuid}, step_id {uuid},
  step_index int, prompt_id {text}, prompt_version int, meta {json}, response_meta {json}, retries int,
  rate_limited bool, request_latency_ms int, total_latency_ms int, pricing_plan {uuid},
"""
_RUNS = """
  description {text}, application {text}, environment {text}, input {json}, output {json},
  status {text} NOT NULL, trace_id {text}, span_id {text}, tags {tags}, info {json},
  updated_at {time} NOT NULL, created_at {time} NOT NULL
"""
_STEPS = """
  run_id {uuid} NOT NULL, type {text} NOT NULL, parent_step {uuid}, name {text}, input {json}, output {json},
  status {text} NOT NULL, tags {tags}, info {json}, span_id {text}, start_time {time} NOT NULL,
  end_time {time}
"""
_POSTGRES = {"text": "text", "json": "jsonb", "uuid": "uuid", "tags": "text[]", "time": "timestamptz"}
_SQLITE = {"text": "text", "json": "text", "uuid": "text", "tags": "text", "time": "int"}


def _tables(types, now, name):
    return f"""
CREATE TABLE chronicle_events (id {types["uuid"]} PRIMARY KEY, {_COLUMNS.format(**types)}
  created_at {types["time"]} NOT NULL DEFAULT {now});
CREATE TABLE chronicle_runs (id {types["uuid"]} PRIMARY KEY, name {name}, {_RUNS.format(**types)});
CREATE TABLE chronicle_steps (id {types["uuid"]} PRIMARY KEY, {_STEPS.format(**types)});
"""


CHRONICLE = {
    "postgres": _tables(_POSTGRES, "now()", "text")
    + """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.environment = 'refused' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON chronicle_events FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE INSERT ON chronicle_runs FOR EACH ROW EXECUTE FUNCTION refuse();
""",
    "sqlite": _tables(_SQLITE, "0", "text NOT NULL")
    + """
CREATE TRIGGER refuse_event BEFORE INSERT ON chronicle_events WHEN NEW.environment = 'refused'
BEGIN SELECT RAISE(ABORT, 'not this one'); END;
CREATE TRIGGER refuse_run BEFORE INSERT ON chronicle_runs WHEN NEW.environment = 'refused'
BEGIN SELECT RAISE(ABORT, 'not this one'); END;
""",
}
