-- Log records. Partitioned by day of `ts` (UTC); telesink makes the partitions ahead.
CREATE TABLE IF NOT EXISTS {prefix}telesink_logs (
  ts          timestamptz NOT NULL,
  observed_ts timestamptz NOT NULL,
  id          uuid        NOT NULL,
  severity    smallint    NOT NULL,
  level       text        NOT NULL,
  service     text        NOT NULL,
  logger      text        NOT NULL,
  body        text        NOT NULL,
  event_name  text,
  trace_id    uuid,
  span_id     text,
  attributes  jsonb       NOT NULL DEFAULT '{}',
  resource_id bigint      NOT NULL,
  instance    uuid        NOT NULL,
  seq         bigint      NOT NULL
) PARTITION BY RANGE (ts);

-- Compression by lz4 costs less time, but not every server is built with it. Before the first partition, which
-- inherits it.
DO {quote}
BEGIN
  EXECUTE 'ALTER TABLE ' || {logs_literal}
    || ' ALTER COLUMN body SET COMPRESSION lz4, ALTER COLUMN attributes SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
  NULL;
END
{quote};

-- Rows of days that have no partition, or not yet.
CREATE TABLE IF NOT EXISTS {prefix}telesink_logs_default PARTITION OF {prefix}telesink_logs DEFAULT;

-- Rows arrive nearly in the order of `ts`, so its index is tiny; the others hold few rows. No unique index on the
-- id: the ledger keeps batches from being stored twice.
CREATE INDEX IF NOT EXISTS telesink_logs_ts ON {prefix}telesink_logs
  USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX IF NOT EXISTS telesink_logs_trace_id ON {prefix}telesink_logs (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS telesink_logs_errors ON {prefix}telesink_logs (ts DESC) WHERE severity >= 17;

-- What the programs say about themselves; `hash` is the SHA-256 of the text that came in.
CREATE TABLE IF NOT EXISTS {prefix}telesink_resources (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hash       bytea  NOT NULL UNIQUE,
  attributes jsonb  NOT NULL
);

-- How far each lane of each process has got. Half of each page is left free, so that an update stays on its page.
CREATE TABLE IF NOT EXISTS {prefix}telesink_ledger (
  instance   uuid        NOT NULL,
  lane       integer     NOT NULL,
  last_seq   bigint      NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (instance, lane)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS {prefix}telesink_meta (
  key   text PRIMARY KEY,
  value text NOT NULL
);

-- Lines for people.
CREATE OR REPLACE VIEW {prefix}telesink_log_lines AS
  SELECT ts AS time, level, logger, body, attributes, trace_id, span_id, service FROM {prefix}telesink_logs;

-- What Grafana's logs panel looks for; the trace id as trace panels write it.
CREATE OR REPLACE VIEW {prefix}telesink_grafana_logs AS
  SELECT ts AS time, body, level, id, service, logger, replace(trace_id::text, '-', '') AS "traceID",
         span_id AS "spanID", attributes AS labels
  FROM {prefix}telesink_logs;
