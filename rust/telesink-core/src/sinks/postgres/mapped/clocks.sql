CREATE TABLE IF NOT EXISTS {prefix}telesink_clocks (
  kind       smallint    NOT NULL,
  id         uuid        NOT NULL,
  clocks     text        NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, id)
);
