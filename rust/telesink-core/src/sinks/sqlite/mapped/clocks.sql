CREATE TABLE IF NOT EXISTS telesink_clocks (
  kind       INTEGER NOT NULL,
  id         TEXT    NOT NULL,
  clocks     TEXT    NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
