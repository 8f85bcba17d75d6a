"""A record that the database refuses costs only itself; a record that can be mended is mended."""

import json
import sqlite3
from contextlib import closing

import pytest
from delivery.harness import reading

CREATE_TABLES = """
    import logging
    from delivery.subject_side import DSN
    import telesink

    telesink.install_logging(DSN)
    logging.getLogger("shop").info("0 0 0")
    assert telesink.flush()
"""


@pytest.fixture
def constrained(subjects):
    """A database whose log table has a CHECK: it takes no records of the logger `refused`."""
    subjects.run(CREATE_TABLES)
    with closing(sqlite3.connect(subjects.database, isolation_level=None)) as connection:
        schema = connection.execute(
            "SELECT type, sql FROM sqlite_schema WHERE tbl_name GLOB 'telesink_log[s_]*' AND sql NOT NULL"
        ).fetchall()
        ((_, table),) = [statement for statement in schema if statement[0] == "table"]
        others = [sql for kind, sql in schema if kind != "table"]
        connection.executescript("DROP VIEW telesink_log_lines; DROP TABLE telesink_logs")
        changed = table.replace(") STRICT", ", CONSTRAINT planted CHECK (logger <> 'refused')) STRICT")
        assert changed != table
        connection.executescript(";\n".join([changed, *others]))
    return subjects


REFUSE_ONE_OF_FIFTY = """
    import logging, os, sys
    from delivery.subject_side import DSN, body, tell, took
    import telesink

    telesink.install_logging(DSN, **eval(sys.argv[2]))
    for batch in range(int(sys.argv[1])):
        for place in range(50):
            refused = place == batch % 50
            counter = batch * 50 + place
            logging.getLogger("refused" if refused else "shop").info(body(int(refused), counter))
            took(int(refused), counter)
        assert telesink.flush(30)
    tell(telesink.stats()["sqlite"].as_dict())
"""


def test_one_refused_record_in_each_of_200_batches_costs_only_itself(constrained):
    subjects = constrained
    path = subjects.folder / "dead.ndjson"

    subject = subjects.run(REFUSE_ONE_OF_FIFTY, 200, {"dead_letter": str(path)})

    stats = subject.hear()
    assert stats["dropped"] == {"poison": 200}
    assert stats["delivered"] == 9_800
    keys = subjects.keys(subject.pid)
    rows = subjects.rows()
    rows.check_exactly([key for key in keys if key[1] == 0])
    letters = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    buried = [tuple(map(int, letter["record"]["body"].split())) for letter in letters]
    assert buried == [key for key in keys if key[1] == 1]
    assert {(letter["sink"], letter["code"]) for letter in letters} == {("sqlite", "constraint")}
    assert all("CHECK constraint failed: planted" in letter["reason"] for letter in letters)
    # Together, rows and dead letters leave no number out.
    ((_, seqs),) = rows.seqs.items()
    assert sorted([*seqs, *(letter["seq"] for letter in letters)]) == list(range(1, 10_001))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_refusal_is_told_once_with_its_reason(constrained):
    subject = constrained.run(REFUSE_ONE_OF_FIFTY, 20, {})

    lines = [line for line in subject.own_lines if "refused" in line]
    assert len(lines) == 1
    assert "CHECK constraint failed: planted" in lines[0]
    assert subject.hear()["dropped"] == {"poison": 20}


def test_D15_what_the_full_dead_letter_file_does_not_take_has_a_counter_of_its_own(constrained):
    path = constrained.folder / "dead.ndjson"

    options = {"dead_letter": str(path), "dead_letter_bytes_max": 4_096}
    subject = constrained.run(REFUSE_ONE_OF_FIFTY, 40, options)

    dropped = subject.hear()["dropped"]
    assert path.stat().st_size <= 4_096
    assert dropped["poison"] == len(path.read_text(encoding="utf-8").splitlines()) > 0
    assert dropped["dead_letter_full"] == 40 - dropped["poison"]
    assert any("dead-letter" in line for line in subject.own_lines)


REFUSE_EVERYTHING = """
    import logging
    from delivery.subject_side import DSN, hear, log_many, tell
    import telesink

    telesink.install_logging(DSN, batch_records_max=100)
    log_many(logging.getLogger("refused"), 0, 1_000)
    tell(bool(telesink.flush(0.5)))
    while hear() == "look":
        tell(telesink.stats()["sqlite"].as_dict())
    tell(bool(telesink.flush(30)))
"""


def test_a_table_that_refuses_everything_holds_the_records_until_it_is_mended(constrained):
    subjects = constrained
    subject = subjects.start(REFUSE_EVERYTHING)
    assert subject.hear() is False
    subject.say("look")
    stats = subject.hear()
    assert (stats["state"], stats["dropped"], stats["pending"]) == ("held", {}, 1_000)

    with closing(sqlite3.connect(subjects.database)) as connection:
        connection.execute("PRAGMA writable_schema = on")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, '<> ''refused''', '<> ''''')")
        connection.commit()
    subject.say("mended")

    assert subject.hear() is True
    assert subject.ends() == 0
    subjects.rows().check_exactly(subjects.keys(subject.pid))
    (line,) = subject.own_lines
    assert "every record is refused" in line
    assert "CHECK constraint failed: planted" in line


MEND = """
    import logging, os
    from delivery.subject_side import DSN, tell
    import telesink

    handler = telesink.install_logging(DSN, record_bytes_max="64 KiB")
    for number in range(50):
        logging.getLogger("mend").info("%d nul \\0 in the middle", number, extra={"key\\0": "value\\0"})
        logging.getLogger("mend").info("%d lone \\ud800 surrogate", number, extra={"key\\udfff": "\\ud800"})
        logging.getLogger("mend").info("%d " + "\\u00e9" * 100_000, number)
        logging.getLogger("mend").info("%d plain", number)
    assert telesink.flush(30)
    tell(handler.stats().as_dict())
"""


def test_records_with_nul_surrogates_and_overlong_text_arrive_marked_and_counted(subjects):
    subject = subjects.run(MEND)

    stats = subject.hear()
    assert (stats["delivered"], stats["dropped"], stats["rejected"]) == (200, {}, {})
    assert (stats["sanitised"], stats["truncated"]) == (100, 50)
    with reading(subjects.database) as connection:
        found = connection.execute("SELECT body, attributes FROM telesink_logs ORDER BY row_id").fetchall()
    rows = [(body, json.loads(attributes)) for body, attributes in found]
    assert [int(body.split(" ", 1)[0]) for body, _ in rows] == sorted([*range(50)] * 4)
    for nul, surrogate, long, plain in zip(rows[::4], rows[1::4], rows[2::4], rows[3::4], strict=True):
        assert nul[1]["telesink.sanitised"] is True
        assert surrogate[1]["telesink.sanitised"] is True
        assert "\0" not in nul[0] + json.dumps(nul[1]).replace("\\u0000", "\0")
        assert "in the middle" in nul[0]
        assert "lone \ufffd surrogate" in surrogate[0]
        assert len(long[0].encode()) <= 64 * 1024
        assert long[0].strip("0123456789").strip() == "\u00e9" * long[0].count("\u00e9")
        assert long[1]["telesink.truncated_from"] > 100_000
        assert "telesink.sanitised" not in plain[1]
