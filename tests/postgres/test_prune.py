"""`telesink prune` on a server: what it says, and what it leaves alone."""

import datetime as dt

import pytest
from command_line import in_terminal, telesink
from postgres.observing import make_tables

DAY = dt.timedelta(days=1)


def partition(age_days):
    return f"telesink_logs_p{dt.datetime.now(dt.UTC) - age_days * DAY:%Y%m%d}"


def make_partition(database, age_days):
    day = (dt.datetime.now(dt.UTC) - age_days * DAY).date()
    bounds = f"FROM ('{day} 00:00+00') TO ('{day + DAY} 00:00+00')"
    database.sql(f"CREATE TABLE {partition(age_days)} PARTITION OF telesink_logs FOR VALUES {bounds}")


def add(database, rows, age_days):
    database.sql(
        "INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, "
        f"resource_id, instance, seq) SELECT now() - interval '{age_days} days', now(), "
        "gen_random_uuid(), 9, 'INFO', 's', 'l', 'paid', 1, gen_random_uuid(), n "
        f"FROM generate_series(1, {rows}) AS n"
    )


def prune(dsn, *arguments):
    return telesink("prune", dsn, "--older-than", "30 days", *arguments)


@pytest.fixture
def filled(each_database):
    make_tables(each_database)
    make_partition(each_database, 40)
    for age_days, rows in {40: 500, 100: 12_345, 1: 7}.items():
        add(each_database, rows, age_days)
    each_database.sql("ANALYZE telesink_logs")
    return each_database


def test_it_says_what_it_dropped_and_deleted(filled):
    result = prune(filled.dsn())

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1:] == [
        f"dropped     {partition(40)}  about 500 rows",
        "deleted     12,345 rows",
    ]
    assert filled.count() == (7, 7)


def test_a_dry_run_says_the_same_beforehand(filled):
    result = prune(filled.dsn(), "--dry-run")

    assert result.stdout.splitlines()[1:] == [
        f"would drop    {partition(40)}  about 500 rows",
        "would delete  12,345 rows",
        "nothing was changed: this is a dry run",
    ]
    assert filled.count() == (12_852, 12_852)


def test_a_terminal_shows_how_far_it_is(database):
    make_tables(database)
    make_partition(database, 40)
    add(database, 30_000, age_days=100)

    code, screen = in_terminal("prune", database.dsn(), "--older-than", "30 days")

    assert code == 0
    assert "of 30,000" in screen
    assert "1 of 1" in screen


def test_a_partition_that_a_view_needs_is_named_and_the_rest_goes(database):
    make_tables(database)
    for age_days in (50, 40):
        make_partition(database, age_days)
    add(database, 3, age_days=100)
    database.sql(f"CREATE VIEW precious AS SELECT * FROM {partition(50)}")

    result = prune(database.dsn())

    assert result.returncode == 1
    assert result.stdout.splitlines()[1:] == [f"dropped     {partition(40)}", "deleted     3 rows"]
    assert f"cannot drop table {partition(50)}" in result.stderr


def test_whoever_does_not_own_the_tables_is_told_who_can(server, direct_database):
    make_tables(direct_database)
    make_partition(direct_database, 40)
    role = f"guest_{direct_database.name}"
    direct_database.sql(f"CREATE ROLE {role} LOGIN")
    direct_database.sql(f"GRANT SELECT ON telesink_logs, telesink_logs_default TO {role}")

    result = prune(direct_database.dsn(user=role))

    assert result.returncode == 1
    assert "run it as the role that owns the tables" in result.stderr
    assert direct_database.sql("SELECT to_regclass(%s) IS NOT NULL", partition(40)) == [(True,)]


def test_the_tables_are_looked_for_in_the_schema_of_the_dsn(database):
    make_tables(database)

    result = prune(database.dsn(schema="elsewhere"))

    assert (result.returncode, result.stdout) == (1, "")
    assert "the telesink tables are not there" in result.stderr
    assert "`schema`" in result.stderr
