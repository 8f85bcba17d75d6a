"""Frameworks that configure logging on their own, each in a fresh interpreter."""

import json
import logging
import logging.config
import textwrap

import pytest

import telesink

REPORT = """
import json, telesink
assert telesink.flush().complete
print(json.dumps([[r["logger"], r["body"]] for r in telesink.recent(1_000)]))
"""


@pytest.fixture
def stored(run_python):
    """
    Loggers and messages that telesink stored while a piece of code ran, and nothing on standard error.
    """

    def run(code):
        finished = run_python(textwrap.dedent(code) + REPORT)
        assert "telesink" not in finished.stderr
        return [tuple(pair) for pair in json.loads(finished.stdout.splitlines()[-1])]

    return run


DJANGO = """
    import logging, telesink, django
    from django.conf import settings
    {before}
    settings.configure(LOGGING={logging})
    django.setup()
    {after}
    logging.getLogger("shop").error("from the shop")
    logging.getLogger("django.request").error("from django")
"""


def test_django_sets_up_its_logging_after_us(stored):
    found = stored(
        DJANGO.format(
            before="telesink.install_logging('memory://')",
            logging="dict(version=1, disable_existing_loggers=False, root=dict(level='INFO', handlers=[]))",
            after="",
        )
    )

    assert found == [("shop", "from the shop"), ("django.request", "from django")]


def test_django_sets_up_its_logging_before_us(stored):
    found = stored(DJANGO.format(before="", logging="{}", after="telesink.install_logging('memory://')"))

    assert found == [("shop", "from the shop"), ("django.request", "from django")]


def test_django_names_us_in_its_settings(run_python):
    finished = run_python(
        textwrap.dedent(
            """
            import logging, django, telesink
            from django.conf import settings
            settings.configure(LOGGING={
                "version": 1,
                "handlers": {"telesink": {"class": "telesink.LogHandler", "dsn": "sqlite:///django.db"}},
                "root": {"level": "INFO", "handlers": ["telesink"]},
            })
            django.setup()
            logging.getLogger("shop").info("paid")
            assert telesink.flush().complete
            print(telesink.stats()["sqlite"].delivered)
            """
        )
    )

    assert finished.stdout == "1\n"


@pytest.mark.slow
def test_alembic_reads_its_file_in_the_middle_of_a_program(stored, tmp_path):
    ini = tmp_path / "alembic.ini"
    ini.write_text(
        textwrap.dedent(
            """
            [alembic]
            script_location = migrations
            [loggers]
            keys = root,alembic
            [handlers]
            keys = console
            [formatters]
            keys = generic
            [logger_root]
            level = WARNING
            handlers = console
            qualname =
            [logger_alembic]
            level = INFO
            handlers =
            qualname = alembic
            [handler_console]
            class = StreamHandler
            args = (sys.stderr,)
            level = NOTSET
            formatter = generic
            [formatter_generic]
            format = %(message)s
            """
        )
    )

    found = stored(
        f"""
        import logging, telesink
        from logging.config import fileConfig
        from alembic.config import Config
        telesink.install_logging("memory://")
        logging.getLogger("shop").info("before")
        config = Config({str(ini)!r})
        fileConfig(config.config_file_name)
        logging.getLogger("alembic.runtime").info("upgrade")
        logging.getLogger("web").warning("after")
        """
    )

    assert found == [("shop", "before"), ("alembic.runtime", "upgrade"), ("web", "after")]


@pytest.mark.parametrize("first", ["telesink", "uvicorn"])
def test_uvicorns_own_loggers_are_heard_once_each(first):
    """S0-41."""
    from uvicorn.config import LOGGING_CONFIG

    if first == "telesink":
        telesink.install_logging("memory://")
        logging.config.dictConfig(LOGGING_CONFIG)
    else:
        logging.config.dictConfig(LOGGING_CONFIG)
        telesink.install_logging("memory://")

    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/", "1.1", 200)
    logging.getLogger("uvicorn").warning("itself")
    logging.getLogger("shop").warning("paid")

    assert telesink.flush().complete
    assert [record["logger"] for record in telesink.recent()] == [
        "uvicorn.error",
        "uvicorn.access",
        "uvicorn",
        "shop",
    ]


@pytest.mark.parametrize("propagate", [True, False])
@pytest.mark.parametrize("first", ["telesink", "gunicorn"])
def test_gunicorns_loggers_are_heard_once_each(first, propagate):
    def start_gunicorn():
        for name in ("gunicorn.error", "gunicorn.access"):
            logger = logging.getLogger(name)
            logger.propagate = propagate
            logger.setLevel(logging.INFO)
            logger.handlers = [logging.NullHandler()] if first == "gunicorn" else [*logger.handlers]

    if first == "gunicorn":
        start_gunicorn()
    telesink.install_logging("memory://")
    if first == "telesink":
        start_gunicorn()

    logging.getLogger("gunicorn.error").info("booted")
    logging.getLogger("gunicorn.access").info("GET /")

    assert telesink.flush().complete
    assert [record["logger"] for record in telesink.recent()] == ["gunicorn.error", "gunicorn.access"]


@pytest.mark.parametrize("removal", ["logging.root.handlers = []", "logging.root.handlers.clear()"])
def test_a_program_that_throws_all_handlers_away_is_told_at_its_end(run_python, removal):
    finished = run_python(
        f"import logging, telesink\ntelesink.install_logging('memory://')\n{removal}\nlogging.error('lost')\n"
    )

    lines = [line for line in finished.stderr.splitlines() if line.startswith("telesink: ")]
    assert len(lines) == 1
    assert "the log handler was removed from logger 'root'" in lines[0]
    assert "telesink.install_logging() again" in lines[0]


@pytest.mark.parametrize("removal", ["telesink.shutdown()", "logging.root.removeHandler(handler)"])
def test_a_program_that_asked_for_it_is_told_nothing(run_python, removal):
    finished = run_python(
        f"import logging, telesink\nhandler = telesink.install_logging('memory://')\n{removal}\n"
    )

    assert finished.stderr == ""


def test_the_loggers_of_servers_are_left_as_they_were():
    telesink.install_logging("memory://")
    telesink.shutdown()

    for name in ("uvicorn", "uvicorn.access", "gunicorn.error", "gunicorn.access"):
        assert logging.getLogger(name).handlers == []


def test_the_example_of_the_package_works_in_a_script(run_python):
    finished = run_python(
        textwrap.dedent(
            """
            import logging, telesink
            telesink.install_logging()
            logging.getLogger("shop").info("paid")
            """
        )
    )

    assert (finished.stdout, finished.stderr) == ("", "")


def test_without_a_dsn_the_variable_counts(run_python, tmp_path):
    code = "import logging, telesink; telesink.install_logging(); logging.warning('paid')"

    run_python(code)
    run_python(code, TELESINK_DSN="sqlite:///named.db")

    assert {path.name for path in tmp_path.glob("*.db")} == {"telesink.db", "named.db"}
