"""A record that Postgres refuses costs only itself; a table that refuses every record loses none."""

import random

import pytest
from postgres.database import Database
from postgres.observing import letters, lines, make_tables, numbers, records, sink, wait_for_state

import telesink

BATCH = 512

#: What a test plants: records of this logger are refused.
PLANT = "ALTER TABLE telesink_logs ADD CONSTRAINT planted CHECK (logger <> 'refused')"


def drop_tables(database):
    database.sql(
        "DROP TABLE telesink_logs, telesink_ledger, telesink_resources, telesink_meta CASCADE",
    )


@pytest.fixture
def constrained(database):
    """A database whose table has a constraint of its owner."""
    make_tables(database)
    database.sql(PLANT)
    return database


def test_P6_one_refused_row_in_each_of_200_batches_costs_only_itself(constrained, tmp_path):
    """P6, S0 1.4 1: neighbours are stored; what is missing is in the file, with SQLSTATE and constraint."""
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(constrained.dsn(), dead_letter=str(path), batch_records_max=50)
    for batch in range(200):
        assert pipeline.enqueue_many(records(50, {batch % 50}, start=batch * 50)) == 50
        # Otherwise batches would not begin where the test thinks.
        assert pipeline.flush(30).pending == 0
    stats = sink(pipeline)
    assert (stats["delivered"], stats["dropped"]) == (9_800, {"poison": 200})

    missing = [str(batch * 50 + batch % 50) for batch in range(200)]
    buried = letters(path)
    assert [letter["record"]["body"] for letter in buried] == missing
    assert {(letter["sink"], letter["code"]) for letter in buried} == {("postgresql", "23514")}
    assert all('violates check constraint "planted"' in letter["reason"] for letter in buried)
    assert constrained.bodies() == numbers(10_000, set(missing))
    # Together, rows and dead letters leave no number out.
    seqs = [seq for (seq,) in constrained.sql("SELECT seq FROM telesink_logs")]
    assert sorted([*seqs, *(letter["seq"] for letter in buried)]) == list(range(1, 10_001))
    assert constrained.sql("SELECT last_seq FROM telesink_ledger") == [(max(seqs),)]


@pytest.mark.parametrize("dedupe", ["ledger", "id", "none"])
@pytest.mark.parametrize("places", [{300}, {0, 511}, {0, 1, 2, 255, 256, 510, 511}], ids=["1", "2", "7"])
def test_P6_a_few_bad_rows_of_512_are_all_that_is_missing(constrained, tmp_path, dedupe, places):
    """P6: k = 1, 2, 7 of 512, wherever they stand in the batch."""
    path = tmp_path / "dead.ndjson"
    dsn = constrained.dsn(dedupe=dedupe)
    pipeline = telesink.Pipeline(dsn, dead_letter=str(path), batch_records_max=BATCH)
    assert pipeline.enqueue_many(records(BATCH, places)) == BATCH
    pipeline.close(30)

    expected = [str(place) for place in range(BATCH) if place not in places]
    assert constrained.bodies() == expected
    assert constrained.count() == (len(expected), len(expected))
    assert [letter["record"]["body"] for letter in letters(path)] == [str(place) for place in sorted(places)]
    assert sink(pipeline)["dropped"] == {"poison": len(places)}


def test_P6_a_refusal_is_told_once_without_what_the_row_held(constrained, capfd):
    """P6: Postgres quotes the row in its detail, and a row may hold a secret."""
    pipeline = telesink.Pipeline(constrained.dsn(), batch_records_max=BATCH)
    for start in range(3):
        pipeline.enqueue_many(records(100, {50}, start=1_000_000 + start * 100))
        pipeline.flush(30)
    assert sink(pipeline)["dropped"] == {"poison": 3}

    (line,) = lines(capfd)
    assert "23514" in line
    assert "planted" in line
    assert "100005" not in line
    assert "Failing row" not in line


@pytest.mark.parametrize("size", [BATCH, 20])
def test_P7_a_constraint_that_refuses_every_row_holds_them_until_it_is_gone(database, tmp_path, capfd, size):
    """P7: 512 of 512, and also in batches too small for one of them to look like a table's fault."""
    make_tables(database)
    database.sql("ALTER TABLE telesink_logs ADD CONSTRAINT planted CHECK (false) NOT VALID")
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(database.dsn(), dead_letter=str(path), batch_records_max=size)
    assert pipeline.enqueue_many(records(1_024)) == 1_024
    stats = wait_for_state(pipeline, "held")
    dropped = sum(stats["dropped"].values())
    assert dropped == (0 if size == BATCH else len(letters(path))) < 64
    assert any("every record is refused" in line and "planted" in line for line in lines(capfd))

    database.sql("ALTER TABLE telesink_logs DROP CONSTRAINT planted")
    pipeline.close(30)
    # Those that stood alone when the constraint went away cannot be told from bad ones.
    buried = [letter["record"]["body"] for letter in letters(path)]
    assert len(buried) < 64
    assert database.count() == (1_024 - len(buried), 1_024 - len(buried))
    assert database.bodies() == numbers(1_024, buried)


def test_P7_a_dropped_table_holds_the_records_until_it_is_made_again(database, tmp_path, capfd):
    """P7: 42P01 is nobody's row: a hold, not 8,192 dead letters."""
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(database.dsn(), dead_letter=str(path))
    pipeline.enqueue({"body": "before"})
    assert pipeline.flush(30).complete
    database.sql("DROP TABLE telesink_logs CASCADE")
    assert pipeline.enqueue_many(records(8_192)) == 8_192
    stats = wait_for_state(pipeline, "held")
    assert (stats["state"], stats["dropped"], stats["pending"]) == ("held", {}, 8_192)
    assert not letters(path)
    (line,) = lines(capfd)
    assert "telesink_logs" in line
    assert "telesink schema --dialect postgres" in line

    make_tables(database)
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(8_192)


def test_P11_all_tables_dropped_are_made_again_and_nothing_but_their_rows_is_lost(database):
    """P7, P11: without its ledger the sink starts anew: the records in hand are stored."""
    pipeline = telesink.Pipeline(database.dsn())
    pipeline.enqueue({"body": "before"})
    assert pipeline.flush(30).complete
    drop_tables(database)
    assert pipeline.enqueue_many(records(1_000)) == 1_000
    assert pipeline.flush(30).complete
    assert database.bodies() == numbers(1_000)


@pytest.mark.parametrize("size", [8_192, 10])
def test_P16_a_column_that_nobody_fills_holds_the_records(database, tmp_path, size):
    """P7, P16: NOT NULL without a default, planted by somebody; also when batches are small."""
    path = tmp_path / "dead.ndjson"
    options = {"dead_letter": str(path), "batch_records_max": size, "linger_seconds": 0}
    pipeline = telesink.Pipeline(database.dsn(), **options)
    pipeline.enqueue({"body": "before"})
    assert pipeline.flush(30).complete
    database.sql("DELETE FROM telesink_logs")
    database.sql("ALTER TABLE telesink_logs ADD COLUMN tenant text NOT NULL")
    assert pipeline.enqueue_many(records(4_000)) == 4_000
    stats = wait_for_state(pipeline, "held")
    buried = letters(path)
    assert stats["dropped"] == ({"poison": len(buried)} if buried else {})
    assert len(buried) < 64

    database.sql("ALTER TABLE telesink_logs ALTER COLUMN tenant SET DEFAULT 'none'")
    pipeline.close(30)
    gone = {letter["record"]["body"] for letter in buried}
    assert database.bodies() == numbers(4_000, gone)


@pytest.mark.parametrize(
    ("change", "mending", "says"),
    [
        (
            "ALTER TABLE telesink_logs DROP COLUMN event_name",
            "ALTER TABLE telesink_logs ADD COLUMN event_name text",
            "event_name",
        ),
        (
            "ALTER TABLE telesink_logs ALTER COLUMN severity TYPE text",
            "ALTER TABLE telesink_logs ALTER COLUMN severity TYPE smallint USING severity::smallint",
            "column `severity`",
        ),
        (
            "ALTER TABLE telesink_logs ALTER COLUMN seq TYPE integer",
            "ALTER TABLE telesink_logs ALTER COLUMN seq TYPE bigint",
            "telesink schema --dialect postgres",
        ),
        (
            "ALTER TABLE telesink_logs DROP COLUMN seq, ADD COLUMN seq bigint GENERATED ALWAYS AS (1) STORED",
            "ALTER TABLE telesink_logs ALTER COLUMN seq DROP EXPRESSION",
            "seq",
        ),
    ],
    ids=["a column is gone", "text for a number", "a narrower number", "generated"],
)
def test_P16_a_table_of_another_shape_holds_the_records_until_it_is_mended(
    database, capfd, change, mending, says
):
    """P7, P16: 42703, 22P03, 42601 and their like mean the table, not the record."""
    make_tables(database)
    # They would stand in the way of the change.
    database.sql("DROP VIEW telesink_grafana_logs; DROP INDEX telesink_logs_errors")
    database.sql(change)
    pipeline = telesink.Pipeline(database.dsn(), batch_records_max=100)
    assert pipeline.enqueue_many(records(300)) == 300
    stats = wait_for_state(pipeline, "held")
    assert (stats["state"], stats["dropped"], stats["pending"]) == ("held", {}, 300)
    (line,) = lines(capfd)
    assert database.dsn() in line
    assert says in line

    database.sql(mending)
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(300)


def test_P16_a_table_without_a_partition_for_the_day_holds_the_records(database, tmp_path, capfd):
    """23514 once more, and this time it means the table."""
    make_tables(database)
    for (partition,) in database.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'telesink_logs'::regclass"
    ):
        database.sql(f"ALTER TABLE telesink_logs DETACH PARTITION {partition}")
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(database.dsn(create_schema="false"), dead_letter=str(path))
    assert pipeline.enqueue_many(records(1_000)) == 1_000
    stats = wait_for_state(pipeline, "held")
    assert (stats["dropped"], stats["pending"]) == ({}, 1_000)
    assert letters(path) == []
    assert any("partition" in line for line in lines(capfd))

    database.sql("CREATE TABLE telesink_logs_anything PARTITION OF telesink_logs DEFAULT")
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(1_000)


def test_P6_nul_surrogates_and_overlong_texts_arrive_marked(each_database):
    """P6, P17, S0 1.4 1: what Postgres could not store is mended; it and its neighbours arrive."""
    pipeline = telesink.Pipeline(each_database.dsn(), record_bytes_max="64 KiB", batch_records_max=50)
    for number in range(50):
        hostile = {"key\0": "value\0", "deep": {"k": ["\0"]}}
        pipeline.enqueue({"body": f"{number} nul \0 inside", "attributes": hostile, "logger": "a\0b"})
        pipeline.enqueue({"body": f"{number} lone \ud800 surrogate", "attributes": {"key\udfff": "\ud800"}})
        pipeline.enqueue({"body": f"{number} " + "\u00e9" * 100_000})
        pipeline.enqueue({"body": f"{number} plain"})
    assert pipeline.close(30).complete
    stats = sink(pipeline)
    assert (stats["delivered"], stats["dropped"], stats["rejected"]) == (200, {}, {})

    rows = each_database.sql("SELECT body, attributes FROM telesink_logs ORDER BY seq")
    assert [int(body.split(" ", 1)[0]) for body, _ in rows] == sorted([*range(50)] * 4)
    for nul, surrogate, long, plain in zip(rows[::4], rows[1::4], rows[2::4], rows[3::4], strict=True):
        assert nul[1]["telesink.sanitised"] is True
        assert "inside" in nul[0]
        assert surrogate[1]["telesink.sanitised"] is True
        assert "lone \ufffd surrogate" in surrogate[0]
        assert len(long[0].encode()) <= 64 * 1024
        assert long[1]["telesink.truncated_from"] > 100_000
        assert plain[1] == {}


def test_a_logger_with_an_overlong_name_costs_nothing(database):
    """S0 1.4 1: a module of more than 255 characters was a poison row; here no column has a length."""
    names = ["m" * length for length in (255, 256, 2_000)]
    pipeline = telesink.Pipeline(database.dsn())
    for name in names:
        pipeline.enqueue({"body": name[:3], "logger": name})
    assert pipeline.close(30).complete
    assert sink(pipeline)["dropped"] == {}
    stored = [logger for (logger,) in database.sql("SELECT logger FROM telesink_logs ORDER BY seq")]
    assert stored[0] == names[0]
    assert all(logger.startswith("m" * 255) for logger in stored)


def test_P17_a_value_too_long_for_an_index_is_a_dead_letter_of_its_own(database, tmp_path):
    """P17: 54000, raised by an index that somebody added."""
    make_tables(database)
    database.sql("CREATE INDEX planted ON telesink_logs (body)")
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(database.dsn(), dead_letter=str(path), batch_records_max=100)
    bodies = numbers(100)
    # Random, so that it does not become short by compression.
    bodies[40] = random.Random(1).randbytes(8_192).hex()
    pipeline.enqueue_many({"body": body} for body in bodies)
    pipeline.close(30)
    assert [(letter["code"], letter["record"]["body"]) for letter in letters(path)] == [("54000", bodies[40])]
    assert database.bodies() == [body for body in bodies if body != bodies[40]]


def test_a_latin1_database_takes_what_it_can_write_and_sets_aside_the_rest(server, tmp_path):
    """P26: 22P05 is about one record: the database has no such letter."""
    options = "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    database = Database(server, server.create_database(options))
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(database.dsn(), dead_letter=str(path), batch_records_max=100)
    bodies = [f"{number} caf\u00e9" for number in range(100)]
    bodies[7], bodies[60] = "7 \u65e5\u672c", "60 \U0001f600"
    pipeline.enqueue_many({"body": body, "attributes": {"place": "Z\u00fcrich"}} for body in bodies)
    pipeline.close(30)
    buried = letters(path)
    assert [letter["record"]["body"] for letter in buried] == [bodies[7], bodies[60]]
    assert {letter["code"] for letter in buried} == {"22P05"}
    assert database.bodies() == [body for body in bodies if body.endswith("caf\u00e9")]
    assert database.sql("SELECT DISTINCT attributes->>'place' FROM telesink_logs") == [("Z\u00fcrich",)]


def test_a_database_without_an_encoding_gets_utf8(server):
    """P26: SQL_ASCII stores bytes as they come, and they come as UTF-8."""
    options = "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    database = Database(server, server.create_database(options))
    pipeline = telesink.Pipeline(database.dsn())
    bodies = ["caf\u00e9", "\u65e5\u672c", "\U0001f600"]
    pipeline.enqueue_many({"body": body, "attributes": {"text": body}} for body in bodies)
    assert pipeline.close(30).complete
    stored = database.sql(
        "SELECT convert_to(body, 'SQL_ASCII'), attributes->>'text' = body FROM telesink_logs ORDER BY seq"
    )
    assert [(bytes(raw).decode(), same) for raw, same in stored] == [(body, True) for body in bodies]
