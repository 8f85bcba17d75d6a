"""`telesink doctor`, `check` and `replay` on real servers."""

import datetime as dt
import json
import signal
import time
from urllib.parse import quote

import pytest
from command_line import running, telesink
from doctoring import doctor
from postgres.database import Database
from postgres.observing import letters, make_tables, records
from waiting import wait_until

from telesink import Pipeline

PLANT = "ALTER TABLE telesink_logs ADD CONSTRAINT planted CHECK (logger <> 'refused') NOT VALID"


def store(database, count=10, refused=(), **options):
    """Write records as a program; those at the places `refused` have that logger."""
    with Pipeline(database.dsn(), **options) as pipeline:
        assert pipeline.enqueue_many(records(count, refused)) == count
        assert pipeline.flush(30).pending == 0


def report(command, *arguments, **options):
    result = telesink(command, *arguments, "--json", **options)
    assert result.stdout.startswith("{"), result.stderr
    return result.returncode, json.loads(result.stdout)


# --- check ------------------------------------------------------------------------------------------------


def test_a_database_without_holes_is_clean_and_rows_that_are_gone_are_named(each_database):
    store(each_database)

    clean, before = report("check", each_database.dsn())
    each_database.sql("DELETE FROM telesink_logs WHERE seq IN (3, 4, 10)")
    code, after = report("check", each_database.dsn())

    assert (clean, before["rows"], before["missing"]) == (0, 10, 0)
    (account,) = after["instances"]
    assert (code, account["unexplained_ranges"]) == (1, [[3, 4], [10, 10]])
    assert account["ledger_seq"] == 10


def test_a_loss_marker_is_a_reason_and_a_number_twice_is_not(database):
    store(database)
    database.sql("DELETE FROM telesink_logs WHERE seq IN (3, 4)")
    database.sql(
        "UPDATE telesink_logs SET logger = 'telesink', event_name = 'telesink.loss', "
        """attributes = '{"seq_from": 3, "seq_to": 4}' WHERE seq = 5"""
    )
    database.sql("INSERT INTO telesink_logs SELECT * FROM telesink_logs WHERE seq = 7")

    code, found = report("check", database.dsn())

    assert (code, found["covered"], found["unexplained"], found["duplicates"]) == (1, 2, 0, 1)


def test_attributes_that_are_no_markers_stop_nothing(database):
    store(database)
    for attributes in ("[]", '"x"', '{"seq_from": {}, "seq_to": null}', '{"telesink.original_seq": []}'):
        database.sql(
            "UPDATE telesink_logs SET logger = 'telesink', event_name = 'telesink.loss', attributes = %s",
            attributes,
        )

        assert report("check", database.dsn())[0] == 0


def test_the_tables_are_looked_for_in_the_schema_of_the_dsn(database):
    store(database)

    result = telesink("check", database.dsn(schema="elsewhere"))

    assert (result.returncode, result.stdout) == (1, "")
    assert "the telesink tables are not there" in result.stderr


def test_whoever_may_not_read_is_told_so(writer):
    database, role = writer
    make_tables(database)

    result = telesink("check", database.dsn(user=role))

    assert (result.returncode, result.stdout) == (1, "")
    assert "permission denied" in result.stderr


def test_ctrl_c_ends_the_statement_of_the_server(direct_database):
    make_tables(direct_database)
    with direct_database.server.connect(direct_database.name) as other, other.transaction():
        # Whoever changes the table keeps everybody else waiting.
        other.execute("LOCK TABLE telesink_logs IN ACCESS EXCLUSIVE MODE")
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telesink' "
            "AND datname = current_database() AND wait_event_type = 'Lock'"
        )
        with running("check", direct_database.dsn()) as checking:
            wait_until(lambda: direct_database.sql(waiting) == [(1,)], "the statement waits")
            code = checking.interrupt(signal.SIGINT)
            wait_until(lambda: direct_database.sql(waiting) == [(0,)], "the statement is over")

    assert code == 130


# --- replay -----------------------------------------------------------------------------------------------


@pytest.fixture
def dead(database, tmp_path):
    """The dead-letter file of a program three of whose ten records were refused."""
    make_tables(database)
    database.sql(PLANT)
    resource = {"service.name": "shop"}
    store(database, refused={2, 5, 8}, dead_letter=tmp_path / "dead.ndjson", resource=resource)
    return tmp_path / "dead.ndjson"


def test_refused_records_arrive_once_with_their_ids_and_times(database, dead):
    refused_again = telesink("replay", dead, "--to", database.dsn())
    database.sql("ALTER TABLE telesink_logs DROP CONSTRAINT planted")

    first = telesink("replay", dead, "--to", database.dsn())
    second = telesink("replay", dead, "--to", database.dsn())
    code, found = report("check", database.dsn())

    assert refused_again.returncode == 1
    assert "refused again  3" in refused_again.stdout
    assert (first.returncode, second.returncode) == (0, 0)
    assert "stored already  3" in second.stdout
    rows = database.sql("SELECT id::text, ts FROM telesink_logs WHERE logger = 'refused' ORDER BY body")
    for (name, ts), letter in zip(rows, letters(dead), strict=True):
        micros = letter["record"]["time_unix_nano"] // 1_000
        assert name == letter["id"]
        assert ts == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
    assert database.count() == (10, 10)
    assert (code, found["replayed"], found["unexplained"]) == (0, 3, 0)


def test_records_are_filed_under_the_program_that_they_came_from(database, dead):
    database.sql("ALTER TABLE telesink_logs DROP CONSTRAINT planted")

    result = telesink("replay", dead, "--to", database.dsn())

    filed = database.sql(
        "SELECT DISTINCT service, resources.attributes FROM telesink_logs "
        "JOIN telesink_resources AS resources ON resources.id = resource_id WHERE logger = 'refused'"
    )
    assert result.returncode == 0
    assert filed == [("shop", letters(dead)[0]["resource"])]


def test_a_replay_that_stored_nothing_leaves_no_hole(database, dead):
    telesink("replay", dead, "--to", database.dsn())

    code, found = report("check", database.dsn(), "--dead-letter", dead)

    assert (code, found["dead_lettered"], found["missing"]) == (0, 3, 3)


def test_a_role_that_may_not_forget_is_told_so(writer, tmp_path):
    database, role = writer
    make_tables(database)
    database.sql(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")
    database.sql(PLANT)
    dead = tmp_path / "dead.ndjson"
    store(database, refused={2}, dead_letter=dead)

    result = telesink("replay", dead, "--to", database.dsn(user=role, create_schema="false"))

    assert result.returncode == 1
    assert "the ledger keeps a row of this replay" in result.stdout
    assert "permission denied" in result.stdout


def test_ctrl_c_ends_the_look_at_what_is_stored(direct_database, tmp_path):
    make_tables(direct_database)
    direct_database.sql(PLANT)
    dead = tmp_path / "dead.ndjson"
    store(direct_database, refused={2}, dead_letter=dead)
    with direct_database.server.connect(direct_database.name) as other, other.transaction():
        other.execute("LOCK TABLE telesink_logs IN ACCESS EXCLUSIVE MODE")
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telesink' "
            "AND datname = current_database() AND wait_event_type = 'Lock'"
        )
        with running("replay", dead, "--to", direct_database.dsn()) as replaying:
            wait_until(lambda: direct_database.sql(waiting) == [(1,)], "the statement waits")
            begin = time.monotonic()
            code = replaying.interrupt(signal.SIGINT)
            seconds = time.monotonic() - begin
            wait_until(lambda: direct_database.sql(waiting) == [(0,)], "the statement is over")

    assert (code, replaying.out) == (130, [])
    # The server's answer, and the end of an interpreter; a lock was waited for ten seconds once.
    assert seconds < 5


def test_a_table_that_is_read_slowly_is_read_to_its_end(database, dead):
    database.sql("ALTER TABLE telesink_logs RENAME TO base")
    # Longer than any statement of the sink may take here.
    database.sql(
        "CREATE VIEW telesink_logs AS SELECT base.* FROM base, (SELECT pg_sleep(10.5)) AS slow OFFSET 0"
    )

    result = telesink("replay", dead, "--to", database.dsn(), "--dry-run")

    assert (result.returncode, result.stderr) == (0, "")
    assert "would be replayed  3" in result.stdout


def test_dead_letters_go_to_a_database_that_has_no_tables_yet(database, dead, direct_database):
    fresh = Database(direct_database.server, direct_database.server.create_database())

    result = telesink("replay", dead, "--to", fresh.dsn())

    assert result.returncode == 0
    assert fresh.count() == (3, 3)


# --- doctor -----------------------------------------------------------------------------------------------


def test_a_good_server_passes_every_check_and_is_left_as_it_was(each_database):
    store(each_database)

    code, found = doctor(each_database.dsn())

    assert code == 0
    assert {one["status"] for one in found.values()} == {"ok", "skipped"}
    assert found["write"]["facts"]["is_read_back"] is True
    assert found["write"]["facts"]["is_deleted"] is True
    assert each_database.count() == (10, 10)
    assert report("check", each_database.dsn())[0] == 0
    assert abs(found["clock"]["facts"]["skew_seconds"]) < 1


def test_nothing_is_made_and_written_if_that_is_not_wanted(database):
    code, found = doctor(database.dsn(), "--no-write")

    assert code == 0
    assert "the first record makes them" in found["tables"]["text"]
    assert database.sql("SELECT to_regclass('telesink_logs')") == [(None,)]


def test_a_role_without_rights_is_told_the_statements_that_give_them(writer):
    database, role = writer
    make_tables(database)

    code, found = doctor(database.dsn(user=role, create_schema="false"))

    assert (code, found["rights"]["status"]) == (1, "failed")
    grants = found["rights"]["next_step"].split("; ")
    assert f'GRANT INSERT ON telesink_logs TO "{role}"' in grants
    for grant in grants:
        database.sql(grant)
    mended, found = doctor(database.dsn(user=role, create_schema="false"))
    assert (mended, found["rights"]["status"]) == (0, "ok")
    assert "SELECT on telesink_logs" in found["rights"]["text"]
    assert "the role may not read" in found["write"]["text"]
    assert database.count() == (1, 1)


@pytest.mark.parametrize("is_uri", [True, False])
def test_statements_that_give_rights_run_whatever_role_and_schema_are_called(writer, is_uri):
    database, plain = writer
    role, schema = f"{plain}-The User", 'Tele "x"'
    database.sql(f'CREATE ROLE "{role}" LOGIN')
    database.sql('CREATE SCHEMA "Tele ""x"""')
    database.sql(f'GRANT USAGE ON SCHEMA "Tele ""x""" TO "{role}"')
    with Pipeline(database.dsn(schema=quote(schema))) as pipeline:
        assert pipeline.enqueue({"body": "makes the tables"})
        assert pipeline.flush(30).pending == 0
    dsn = (
        database.dsn(user=quote(role), schema=quote(schema), create_schema="false")
        if is_uri
        else f"host=127.0.0.1 port={database.server.port} user='{role}' dbname={database.name} "
        f"schema = '{schema}' create_schema=false"
    )

    _, found = doctor(dsn, "--no-write")
    for grant in found["rights"]["next_step"].split("; "):
        database.sql(grant)
    _, mended = doctor(dsn, "--no-write")

    assert found["rights"]["status"] == "failed"
    assert (found["tables"]["status"], mended["tables"]["status"]) == ("skipped", "ok")
    assert found["tables"]["text"] == "they are there, and the role may not read their version"
    assert mended["rights"]["status"] == "ok"


def test_a_role_that_may_make_no_tables_in_a_schema_is_told_the_statement(writer):
    database, role = writer
    database.sql("CREATE SCHEMA tele")
    database.sql(f"GRANT USAGE ON SCHEMA tele TO {role}")

    _, found = doctor(database.dsn(user=role, schema="tele"), "--no-write")

    assert found["rights"]["next_step"].startswith(f'GRANT CREATE ON SCHEMA "tele" TO "{role}", or')


def test_a_role_that_may_make_no_tables_is_told_so(writer):
    database, role = writer

    code, found = doctor(database.dsn(user=role), "--no-write")

    assert (code, found["rights"]["status"]) == (1, "failed")
    assert "may make no tables" in found["rights"]["text"]


def test_a_clock_that_is_wrong_is_worth_a_warning(writer):
    database, role = writer
    # A function of that name in front of the server's own, for this role alone.
    database.sql("CREATE SCHEMA late")
    database.sql(
        "CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$ SELECT pg_catalog.clock_timestamp() - interval '90 seconds' $$"
    )
    database.sql(f"GRANT USAGE ON SCHEMA late TO {role}")
    database.sql(f"ALTER ROLE {role} SET search_path = late, pg_catalog, public")

    _, found = doctor(database.dsn(user=role), "--no-write")

    assert found["clock"]["status"] == "warning"
    assert -91 < found["clock"]["facts"]["skew_seconds"] < -89
    assert "behind ours" in found["clock"]["text"]


def test_a_standby_takes_no_writes(make_server, make_standby):
    standby = make_standby(make_server())

    code, found = doctor(standby.dsn(target_session_attrs="any"), "--no-write")

    assert (code, found["connection"]["status"]) == (1, "failed")
    assert "it is a standby" in found["connection"]["text"]
