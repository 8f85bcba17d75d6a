CREATE TABLE IF NOT EXISTS {prefix}telesink_ledger (
  instance   uuid        NOT NULL,
  lane       integer     NOT NULL,
  last_seq   bigint      NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (instance, lane)
) WITH (fillfactor = 50);
