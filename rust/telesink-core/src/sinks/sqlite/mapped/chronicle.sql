CREATE TABLE IF NOT EXISTS chronicle_events (
  id                      TEXT PRIMARY KEY NOT NULL,
  event_type              TEXT,
  organization_id         TEXT,
  project_id              TEXT,
  user_id                 TEXT,
  chat_request            TEXT,
  chat_response           TEXT,
  error                   TEXT,
  provider                TEXT,
  model                   TEXT,
  application             TEXT,
  environment             TEXT,
  request_organization_id TEXT,
  request_project_id      TEXT,
  request_user_id         TEXT,
  workflow_id             TEXT,
  workflow_name           TEXT,
  run_id                  TEXT,
  step_id                 TEXT,
  step_index              INT,
  prompt_id               TEXT,
  prompt_version          INT,
  meta                    TEXT,
  response_meta           TEXT,
  retries                 INT,
  rate_limited            BOOL,
  request_latency_ms      INT,
  total_latency_ms        INT,
  created_at              INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS chronicle_events_run_id ON chronicle_events (run_id, created_at DESC);
CREATE INDEX IF NOT EXISTS chronicle_events_workflow_id ON chronicle_events (workflow_id);
CREATE TABLE IF NOT EXISTS chronicle_runs (
  id          TEXT PRIMARY KEY NOT NULL,
  name        TEXT,
  description TEXT,
  application TEXT,
  environment TEXT,
  input       TEXT,
  output      TEXT,
  status      TEXT    NOT NULL,
  trace_id    TEXT,
  span_id     TEXT,
  tags        TEXT,
  info        TEXT,
  updated_at  INTEGER NOT NULL,
  created_at  INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS chronicle_runs_created_at ON chronicle_runs (created_at DESC);
CREATE INDEX IF NOT EXISTS chronicle_runs_name ON chronicle_runs (name, created_at DESC);
CREATE TABLE IF NOT EXISTS chronicle_steps (
  id          TEXT PRIMARY KEY NOT NULL,
  run_id      TEXT    NOT NULL,
  type        TEXT    NOT NULL,
  parent_step TEXT,
  name        TEXT,
  input       TEXT,
  output      TEXT,
  status      TEXT    NOT NULL,
  tags        TEXT,
  info        TEXT,
  span_id     TEXT,
  start_time  INTEGER NOT NULL,
  end_time    INTEGER
);
CREATE INDEX IF NOT EXISTS chronicle_steps_run_id ON chronicle_steps (run_id);
