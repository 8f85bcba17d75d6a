"""A wrong DSN is refused before anything starts, with the nearest right one and without secrets."""

import pathlib
import threading

import pytest

import telesink

OPENERS = {
    "Pipeline": telesink.Pipeline,
    "LogHandler": telesink.LogHandler,
    "install_logging": telesink.install_logging,
    "add_sink": lambda dsn, **options: telesink.Pipeline().add_sink(dsn, **options),
}


@pytest.fixture(params=OPENERS)
def refused(request):
    """
    The error with which a DSN is refused, by each of the functions that take one.
    """

    def refuse(dsn, **options):
        with pytest.raises(telesink.ConfigError) as caught:
            OPENERS[request.param](dsn, **options)
        return str(caught.value)

    return refuse


@pytest.mark.parametrize(
    ("dsn", "nearest"),
    [
        ("sqlit:///app.db", "sqlite"),
        ("sqlite3:///app.db", "sqlite"),
        ("memry://", "memory"),
        ("conso://", "console"),
        ("nul://", "null"),
        ("postgre://db/app", "postgresql"),
    ],
)
def test_an_unknown_scheme_names_the_nearest(refused, dsn, nearest):
    error = refused(dsn)

    assert f"unknown scheme `{dsn.partition(':')[0]}`; did you mean `{nearest}`?" in error


def test_a_path_is_shown_as_a_dsn(refused):
    assert "sqlite:////var/app.db" in refused("/var/app.db")


@pytest.mark.parametrize("dsn", ["", "   ", "app.db", "sqlite", "://", "sqlite:/"])
def test_a_text_that_is_no_dsn_says_how_one_looks(refused, dsn):
    assert "sqlite:///app.db" in refused(dsn)


@pytest.mark.parametrize(
    ("dsn", "nearest"),
    [
        ("sqlite:///app.db?synchronou=full", "synchronous"),
        ("sqlite:///app.db?create_shema=no", "create_schema"),
        ("memory://?record_max=7", "records_max"),
        ("null://?queue_byte_max=1MB", "queue_bytes_max"),
        ("console://?levels=INFO", "level"),
        ("postgresql://app@db/app?sslmod=require", "sslmode"),
        ("host=db user=app sslrotcert=system", "sslrootcert"),
    ],
)
def test_an_unknown_option_names_the_nearest(refused, dsn, nearest):
    error = refused(dsn)

    assert "unknown option" in error
    assert f"did you mean `{nearest}`?" in error


def test_an_unknown_keyword_names_the_nearest(refused):
    assert "did you mean `records_max`?" in refused("memory://", record_max=7)


@pytest.mark.parametrize(
    ("dsn", "found", "allowed"),
    [
        ("sqlite:///app.db?synchronous=ful", '"ful"', "did you mean `full`?"),
        ("sqlite:///app.db?create_schema=perhaps", '"perhaps"', "true"),
        ("memory://?records_max=0", "0", "from 1 to 1000000"),
        ("memory://?records_max=many", '"many"', "from 1 to 1000000"),
        ("memory://?level=LOUD", '"LOUD"', "WARNING"),
        ("memory://?include=a,,b", '"a,,b"', "separated by commas"),
        ("memory://?queue_bytes_max=0", "0", "at least 1"),
        ("memory://?linger_seconds=soon", '"soon"', '"200 ms"'),
        ("memory://?when_full=wait", '"wait"', "`block`"),
    ],
)
def test_a_wrong_value_says_what_was_found_and_what_is_allowed(refused, dsn, found, allowed):
    error = refused(dsn)

    name = dsn.partition("?")[2].partition("=")[0]
    assert f"`{name}` is {found} (from the dsn)" in error
    assert allowed in error


def test_a_wrong_keyword_says_that_it_was_a_keyword(refused):
    assert "argument" in refused("memory://", records_max=0)


@pytest.mark.parametrize(
    "dsn",
    ["clickhouse://host/db", "clickhouses://host/db", "memory://?spool=/tmp/spool", "sqlite:///a.db?spool=x"],
)
def test_what_this_version_does_not_do_is_refused_not_ignored(refused, dsn):
    error = refused(dsn)

    assert "this version does not have" in error


def test_an_option_given_twice_is_refused(refused):
    assert "in the dsn" in refused("memory://?records_max=7", records_max=8)
    assert "records_max" in refused("memory://?records_max=7&records_max=8")


def test_an_option_beside_several_sinks_is_refused():
    for opener in (telesink.Pipeline, telesink.LogHandler, telesink.install_logging):
        with pytest.raises(telesink.ConfigError, match="`records_max` given beside several DSNs"):
            opener(["memory://", "null://"], records_max=7)


def test_one_wrong_sink_of_several_installs_none(run_python):
    finished = run_python(
        "import telesink\n"
        "try:\n"
        "    telesink.install_logging(['memory://', 'sqlit:///app.db'])\n"
        "except telesink.ConfigError:\n"
        "    print(list(telesink.stats()))\n"
        "telesink.install_logging('memory://')\n"
        "print(list(telesink.stats()))\n"
    )

    assert finished.stdout == "[]\n['memory']\n"


def test_two_sinks_of_one_name_are_refused():
    pipeline = telesink.Pipeline("memory://")
    pipeline.add_sink("null://", name="extra")

    with pytest.raises(telesink.ConfigError, match="the name `extra` is taken"):
        pipeline.add_sink("null://", name="extra")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgres://app:hunter2@db/app?sslmod=require",
        "postgre://app:hunter2@db/app",
        "postgresql://app:hunter2@db:notaport/app",
        "langfuse://pk-1:hunter2@host?tabel=x",
        "sqlite:///app.db?password=hunter2",
        "sqlite://app:hunter2@host/app.db",
        "clickhouse://app:hunter2@host/db",
        "unknown://hunter2@host/?api_key=hunter2",
        "postgresql://app:hunter2@db/app?sslmode=full",
        "postgresql://app:a/hunter2@db/app",
        "postgresql://app:hunter2",
        "host=db password=hunter2 dbname",
        "memory://?token=hunter2",
        "hunter2",
    ],
)
def test_P21_no_error_shows_a_secret(refused, dsn):
    """S1-19, O8"""
    error = refused(dsn)

    assert "hunter2" not in error


def count(folder):
    """
    Entries of a folder; none where the system has no such folder.
    """
    return sum(1 for _ in pathlib.Path(folder).glob("*"))


def test_F18_nothing_starts_before_the_first_record_and_nothing_after_an_error(tmp_path):
    """F18"""
    threads, native_threads = threading.active_count(), count("/proc/self/task")
    descriptors = count("/proc/self/fd")

    with pytest.raises(telesink.ConfigError):
        telesink.Pipeline([f"sqlite:///{tmp_path.as_posix()}/app.db", "sqlit:///x"])
    pipeline = telesink.Pipeline([f"sqlite:///{tmp_path.as_posix()}/app.db", "memory://", "console://"])

    assert threading.active_count() == threads
    assert count("/proc/self/task") == native_threads
    assert count("/proc/self/fd") == descriptors
    assert list(tmp_path.iterdir()) == []
    pipeline.close()


def test_relative_paths_are_completed_when_they_are_read(tmp_path, monkeypatch):
    pipeline = telesink.Pipeline("sqlite:///app.db")
    monkeypatch.chdir(tmp_path.parent)

    pipeline.enqueue({"body": "paid"})
    pipeline.close()

    assert (tmp_path / "app.db").exists()
    assert not (tmp_path.parent / "app.db").exists()


def test_lists_of_loggers_can_be_keywords():
    with telesink.Pipeline("memory://", include=["shop"], exclude=("shop.noise",)) as pipeline:
        for logger in ("shop", "shop.cart", "shop.noise", "other"):
            pipeline.enqueue({"body": logger, "logger": logger})
        assert pipeline.flush().complete

        assert [record["body"] for record in pipeline.recent()] == ["shop", "shop.cart"]


@pytest.mark.parametrize("level", ["LOUD", -1, None, 1.5, "", b"INFO"])
def test_a_level_that_is_none_is_refused(level):
    for opener in (
        lambda: telesink.install_logging("memory://", level=level),
        lambda: telesink.Pipeline("memory://").set_level("memory", level),
        lambda: telesink.Pipeline().add_sink("memory://", level=level),
        lambda: telesink.LogHandler("memory://", level),
    ):
        with pytest.raises(telesink.ConfigError, match="level is"):
            opener()


def test_errors_can_be_pickled_and_have_a_hint():
    import pickle

    with pytest.raises(telesink.ConfigError) as caught:
        telesink.Pipeline("sqlit:///app.db")

    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is telesink.ConfigError
    assert (str(copy), copy.message, copy.hint) == (
        str(caught.value),
        caught.value.message,
        caught.value.hint,
    )
    assert copy.hint
    assert isinstance(copy, ValueError)
    assert isinstance(copy, telesink.TelesinkError)
