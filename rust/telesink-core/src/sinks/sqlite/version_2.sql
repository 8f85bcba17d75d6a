CREATE TABLE IF NOT EXISTS telesink_spans (
  row_id         INTEGER PRIMARY KEY,
  ts             INTEGER NOT NULL,
  end_ts         INTEGER NOT NULL,
  duration_ns    INTEGER NOT NULL,
  trace_id       TEXT    NOT NULL,
  span_id        TEXT    NOT NULL,
  parent_span_id TEXT,
  name           TEXT    NOT NULL,
  kind           INTEGER NOT NULL,
  status         INTEGER NOT NULL,
  status_message TEXT,
  service        TEXT    NOT NULL,
  scope          TEXT,
  attributes     TEXT    NOT NULL DEFAULT '{}',
  events         TEXT,
  links          TEXT,
  resource_id    INTEGER NOT NULL,
  instance       TEXT    NOT NULL,
  seq            INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS telesink_spans_trace_id ON telesink_spans (trace_id) WHERE trace_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS telesink_metrics (
  row_id       INTEGER PRIMARY KEY,
  ts           INTEGER NOT NULL,
  start_ts     INTEGER,
  name         TEXT    NOT NULL,
  kind         INTEGER NOT NULL,
  unit         TEXT,
  temporality  INTEGER,
  is_monotonic INTEGER,
  value        REAL,
  count        INTEGER,
  sum          REAL,
  min          REAL,
  max          REAL,
  buckets      TEXT,
  service      TEXT    NOT NULL,
  attributes   TEXT    NOT NULL DEFAULT '{}',
  resource_id  INTEGER NOT NULL,
  instance     TEXT    NOT NULL,
  seq          INTEGER NOT NULL
) STRICT;
CREATE VIEW IF NOT EXISTS telesink_span_lines AS
  SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1e9, 'unixepoch') AS time, name, duration_ns / 1e6 AS duration_ms,
         CASE status WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' ELSE 'UNSET' END AS status, attributes, trace_id, span_id,
         parent_span_id, service
  FROM telesink_spans ORDER BY row_id;
CREATE VIEW IF NOT EXISTS telesink_metric_lines AS
  SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1e9, 'unixepoch') AS time, name,
         CASE kind WHEN 5 THEN 'gauge' WHEN 7 THEN 'sum' WHEN 9 THEN 'histogram'
                   WHEN 10 THEN 'exponential histogram' WHEN 11 THEN 'summary' ELSE 'unknown' END AS kind,
         value, count, sum, min, max, unit, attributes, service
  FROM telesink_metrics ORDER BY row_id;
UPDATE telesink_meta SET value = '2' WHERE key = 'version' AND CAST(value AS INTEGER) < 2;
