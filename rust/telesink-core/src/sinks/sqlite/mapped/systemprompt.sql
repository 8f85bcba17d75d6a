CREATE TABLE IF NOT EXISTS logs (
  id         TEXT         PRIMARY KEY NOT NULL,
  timestamp  TEXT         NOT NULL,
  level      VARCHAR(50)  NOT NULL CHECK (level IN ('ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE')),
  module     VARCHAR(255) NOT NULL,
  message    TEXT         NOT NULL,
  metadata   TEXT,
  user_id    VARCHAR(255),
  session_id VARCHAR(255),
  task_id    VARCHAR(255),
  trace_id   VARCHAR(255),
  context_id VARCHAR(255),
  client_id  VARCHAR(255)
);
CREATE INDEX IF NOT EXISTS logs_timestamp ON logs (timestamp DESC);
CREATE INDEX IF NOT EXISTS logs_trace_id ON logs (trace_id);
