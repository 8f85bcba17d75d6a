CREATE TABLE IF NOT EXISTS {prefix}chronicle_events (
  id                      uuid PRIMARY KEY,
  event_type              text,
  organization_id         text,
  project_id              text,
  user_id                 text,
  chat_request            jsonb,
  chat_response           jsonb,
  error                   jsonb,
  provider                text,
  model                   text,
  application             text,
  environment             text,
  request_organization_id text,
  request_project_id      text,
  request_user_id         text,
  workflow_id             text,
  workflow_name           text,
  run_id                  uuid,
  step_id                 uuid,
  step_index              integer,
  prompt_id               text,
  prompt_version          integer,
  meta                    jsonb,
  response_meta           jsonb,
  retries                 integer,
  rate_limited            boolean,
  request_latency_ms      integer,
  total_latency_ms        integer,
  created_at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS chronicle_events_run_id ON {prefix}chronicle_events (run_id, created_at DESC);
CREATE INDEX IF NOT EXISTS chronicle_events_workflow_id ON {prefix}chronicle_events (workflow_id);
CREATE TABLE IF NOT EXISTS {prefix}chronicle_runs (
  id          uuid PRIMARY KEY,
  name        text,
  description text,
  application text,
  environment text,
  input       jsonb,
  output      jsonb,
  status      text        NOT NULL,
  trace_id    text,
  span_id     text,
  tags        text[],
  info        jsonb,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS chronicle_runs_created_at ON {prefix}chronicle_runs (created_at DESC);
CREATE INDEX IF NOT EXISTS chronicle_runs_name ON {prefix}chronicle_runs (name, created_at DESC);
CREATE TABLE IF NOT EXISTS {prefix}chronicle_steps (
  id          uuid PRIMARY KEY,
  run_id      uuid        NOT NULL,
  type        text        NOT NULL,
  parent_step uuid,
  name        text,
  input       jsonb,
  output      jsonb,
  status      text        NOT NULL,
  tags        text[],
  info        jsonb,
  span_id     text,
  start_time  timestamptz NOT NULL,
  end_time    timestamptz
);
CREATE INDEX IF NOT EXISTS chronicle_steps_run_id ON {prefix}chronicle_steps (run_id);
