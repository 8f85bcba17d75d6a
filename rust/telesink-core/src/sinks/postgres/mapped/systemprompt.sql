CREATE TABLE IF NOT EXISTS {prefix}logs (
  id         text         PRIMARY KEY,
  timestamp  timestamptz  NOT NULL DEFAULT now(),
  level      varchar(50)  NOT NULL CHECK (level IN ('ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE')),
  module     varchar(255) NOT NULL,
  message    text         NOT NULL,
  metadata   text,
  user_id    varchar(255),
  session_id varchar(255),
  task_id    varchar(255),
  trace_id   varchar(255),
  context_id varchar(255),
  client_id  varchar(255)
);
CREATE INDEX IF NOT EXISTS logs_timestamp ON {prefix}logs (timestamp DESC);
CREATE INDEX IF NOT EXISTS logs_trace_id ON {prefix}logs (trace_id);
