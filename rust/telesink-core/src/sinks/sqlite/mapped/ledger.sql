CREATE TABLE IF NOT EXISTS telesink_ledger (
  instance   TEXT    NOT NULL,
  lane       INTEGER NOT NULL,
  last_seq   INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (instance, lane)
) STRICT, WITHOUT ROWID;
