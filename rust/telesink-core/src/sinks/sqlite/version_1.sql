CREATE TABLE IF NOT EXISTS telesink_logs (
  row_id      INTEGER PRIMARY KEY,
  ts          INTEGER NOT NULL,
  observed_ts INTEGER NOT NULL,
  id          TEXT    NOT NULL,
  severity    INTEGER NOT NULL,
  level       TEXT    NOT NULL,
  service     TEXT    NOT NULL,
  logger      TEXT    NOT NULL,
  body        TEXT    NOT NULL,
  event_name  TEXT,
  trace_id    TEXT,
  span_id     TEXT,
  attributes  TEXT    NOT NULL DEFAULT '{}',
  resource_id INTEGER NOT NULL,
  instance    TEXT    NOT NULL,
  seq         INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS telesink_logs_trace_id ON telesink_logs (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS telesink_logs_errors ON telesink_logs (ts) WHERE severity >= 17;
CREATE TABLE IF NOT EXISTS telesink_resources (
  id         INTEGER PRIMARY KEY,
  attributes TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS telesink_ledger (
  instance   TEXT    NOT NULL,
  lane       INTEGER NOT NULL,
  last_seq   INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (instance, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS telesink_meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS telesink_log_lines AS
  SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1e9, 'unixepoch') AS time, level, logger, body, attributes,
         trace_id, span_id, service
  FROM telesink_logs ORDER BY row_id;
INSERT OR IGNORE INTO telesink_meta (key, value) VALUES ('version', '1');
