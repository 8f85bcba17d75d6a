-- Finished spans. `ts` is the start; events and links are lists, NULL where a span has none.
CREATE TABLE IF NOT EXISTS {prefix}telesink_spans (
  ts             timestamptz NOT NULL,
  end_ts         timestamptz NOT NULL,
  duration_ns    bigint      NOT NULL,
  trace_id       uuid        NOT NULL,
  span_id        text        NOT NULL,
  parent_span_id text,
  name           text        NOT NULL,
  kind           smallint    NOT NULL,
  status         smallint    NOT NULL,
  status_message text,
  service        text        NOT NULL,
  scope          text,
  attributes     jsonb       NOT NULL DEFAULT '{}',
  events         jsonb,
  links          jsonb,
  resource_id    bigint      NOT NULL,
  instance       uuid        NOT NULL,
  seq            bigint      NOT NULL
) PARTITION BY RANGE (ts);

-- Points of metrics, one row each. `kind` is the field of OTLP's Metric: 5 gauge, 7 sum, 9 histogram, 10 exponential
-- histogram, 11 summary.
CREATE TABLE IF NOT EXISTS {prefix}telesink_metrics (
  ts           timestamptz NOT NULL,
  start_ts     timestamptz,
  name         text        NOT NULL,
  kind         smallint    NOT NULL,
  unit         text,
  temporality  smallint,
  is_monotonic bool,
  value        float8,
  count        bigint,
  sum          float8,
  min          float8,
  max          float8,
  buckets      jsonb,
  service      text        NOT NULL,
  attributes   jsonb       NOT NULL DEFAULT '{}',
  resource_id  bigint      NOT NULL,
  instance     uuid        NOT NULL,
  seq          bigint      NOT NULL
) PARTITION BY RANGE (ts);

-- As for the log records.
DO {quote}
BEGIN
  EXECUTE 'ALTER TABLE ' || {spans_literal}
    || ' ALTER COLUMN attributes SET COMPRESSION lz4, ALTER COLUMN events SET COMPRESSION lz4';
  EXECUTE 'ALTER TABLE ' || {metrics_literal} || ' ALTER COLUMN attributes SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
  NULL;
END
{quote};

CREATE TABLE IF NOT EXISTS {prefix}telesink_spans_default PARTITION OF {prefix}telesink_spans DEFAULT;
CREATE TABLE IF NOT EXISTS {prefix}telesink_metrics_default PARTITION OF {prefix}telesink_metrics DEFAULT;

CREATE INDEX IF NOT EXISTS telesink_spans_ts ON {prefix}telesink_spans
  USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX IF NOT EXISTS telesink_spans_trace_id ON {prefix}telesink_spans (trace_id);
CREATE INDEX IF NOT EXISTS telesink_metrics_ts ON {prefix}telesink_metrics
  USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);

-- Lines for people.
CREATE OR REPLACE VIEW {prefix}telesink_span_lines AS
  SELECT ts AS time, name, duration_ns::float8 / 1000000 AS duration_ms,
         CASE status WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' ELSE 'UNSET' END AS status, attributes, trace_id, span_id,
         parent_span_id, service
  FROM {prefix}telesink_spans;

CREATE OR REPLACE VIEW {prefix}telesink_metric_lines AS
  SELECT ts AS time, name,
         CASE kind WHEN 5 THEN 'gauge' WHEN 7 THEN 'sum' WHEN 9 THEN 'histogram'
                   WHEN 10 THEN 'exponential histogram' WHEN 11 THEN 'summary' ELSE 'unknown' END AS kind,
         value, count, sum, min, max, unit, attributes, service
  FROM {prefix}telesink_metrics;

-- What Grafana's trace view looks for: times in milliseconds, tags as lists of pairs.
CREATE OR REPLACE VIEW {prefix}telesink_grafana_traces AS
  SELECT replace(spans.trace_id::text, '-', '') AS "traceID", spans.span_id AS "spanID",
         spans.parent_span_id AS "parentSpanID", spans.name AS "operationName", spans.service AS "serviceName",
         extract(epoch FROM spans.ts)::float8 * 1000 AS "startTime",
         spans.duration_ns::float8 / 1000000 AS duration,
         (SELECT jsonb_agg(jsonb_build_object('key', key, 'value', value)) FROM jsonb_each(spans.attributes)) AS tags,
         (SELECT jsonb_agg(jsonb_build_object('key', key, 'value', value))
          FROM {prefix}telesink_resources AS resources, jsonb_each(resources.attributes)
          WHERE resources.id = spans.resource_id) AS "serviceTags",
         (SELECT jsonb_agg(jsonb_build_object(
            'timestamp', (event ->> 'time_unix_nano')::float8 / 1000000, 'name', event -> 'name',
            'fields', (SELECT coalesce(jsonb_agg(jsonb_build_object('key', key, 'value', value)), '[]')
                       FROM jsonb_each(event -> 'attributes'))))
          FROM jsonb_array_elements(spans.events) AS event) AS logs,
         spans.status AS "statusCode", spans.status_message AS "statusMessage",
         CASE spans.kind WHEN 1 THEN 'internal' WHEN 2 THEN 'server' WHEN 3 THEN 'client' WHEN 4 THEN 'producer'
                         WHEN 5 THEN 'consumer' ELSE 'unspecified' END AS kind
  FROM {prefix}telesink_spans AS spans;
