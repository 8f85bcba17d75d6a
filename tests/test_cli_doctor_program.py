"""`telesink doctor --app`: what it finds in the program, and in the process."""

import json
import os

import pytest
from command_line import telesink
from doctoring import CANARY, doctor, status
from refusing import execute, write


@pytest.fixture
def path(tmp_path):
    """A database that a program has made."""
    path = tmp_path / "app.db"
    write(f"sqlite:///{path}", ["0", "1"])
    return path


def program(folder, text):
    (folder / "shop.py").write_text(text)


def warning(check, folder, text, *options):
    """What this check warns of in a program."""
    program(folder, text)
    _, found = doctor("--app", "shop", *options, folder=folder)
    assert status(found, check)[0] == "warning"
    return found[check]


def test_without_the_program_it_is_said_what_was_not_looked_at(path):
    _, found = doctor(path)

    assert status(found, "handlers")[0] == "skipped"
    assert "--app" in found["handlers"]["next_step"]


def test_a_program_is_looked_at_with_its_own_destination_and_settings(path, tmp_path):
    program(
        tmp_path,
        "import telesink\n"
        "print('noise')\n"
        "def configure():\n"
        f"    telesink.install_logging('sqlite:///{path}', batch_records_max=33)\n",
    )

    code, found = doctor("--app", "shop:configure", folder=tmp_path)

    assert code == 0
    assert found["program"]["text"] == "shop:configure was called"
    assert found["connection"]["target"] == f"sqlite:///{path}"
    assert found["settings"]["facts"]["batch_records_max"]["origin"] == "the argument `batch_records_max`"
    assert [status(found, check)[0] for check in ("handlers", "formatter", "loggers")] == ["ok"] * 3


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        (
            "logging.getLogger('shop').addHandler(telesink.LogHandler('null://'))",
            "shop: 2 handlers of telesink",
        ),
        (
            "telesink.install_logging('console://', add=True); root.addHandler(logging.StreamHandler())",
            "logging.StreamHandler on root writes to the terminal, and so does console://",
        ),
        (
            """
module = {"__module__": "opentelemetry.sdk._logs"}
root.addHandler(type("LoggingHandler", (logging.Handler,), module)())""",
            "opentelemetry.sdk._logs.LoggingHandler on root sends the same records elsewhere",
        ),
        (
            """
import telesink.opentelemetry
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
provider = LoggerProvider()
provider.add_log_record_processor(telesink.opentelemetry.LogRecordProcessor("null://"))
root.addHandler(LoggingHandler(logger_provider=provider))""",
            "hands the same records to OpenTelemetry, and a processor of telesink stores them once more",
        ),
    ],
)
def test_handlers_that_would_duplicate_records_are_named(tmp_path, setup, expected):
    found = warning(
        "handlers",
        tmp_path,
        f"import logging, telesink\nroot = logging.getLogger()\ntelesink.install_logging('null://')\n{setup}\n",
        "--no-write",
    )

    assert expected in found["text"]
    assert found["next_step"]


def test_a_formatter_without_effect_is_named(tmp_path):
    found = warning(
        "formatter",
        tmp_path,
        "import logging, telesink\n"
        "handler = telesink.install_logging('null://')\n"
        "handler.setFormatter(logging.Formatter('%(asctime)s %(message)s'))\n",
    )

    assert "%(asctime)s %(message)s" in found["text"]


def test_loggers_that_do_not_arrive_are_named(tmp_path):
    found = warning(
        "loggers",
        tmp_path,
        "import logging, telesink\n"
        "telesink.install_logging('null://')\n"
        "logging.getLogger('alone').propagate = False\n"
        "logging.getLogger('off').disabled = True\n",
    )

    assert "alone (does not propagate), off (disabled)" in found["text"]


def test_a_program_without_a_handler_is_told_what_to_call(tmp_path):
    found = warning("handlers", tmp_path, "import logging\nlogging.basicConfig()\n")

    assert "telesink.install_logging()" in found["next_step"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"raise RuntimeError('no password={CANARY} here')", "RuntimeError: no password="),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def", "SyntaxError"),
        (None, "ModuleNotFoundError"),
    ],
)
def test_a_program_that_fails_is_a_finding(path, tmp_path, text, expected):
    if text is not None:
        program(tmp_path, text)

    code, found = doctor(path, "--app", "shop", folder=tmp_path)

    assert (code, status(found, "program")[0]) == (1, "failed")
    assert expected in found["program"]["text"]
    assert CANARY not in json.dumps(found)
    assert status(found, "write")[0] == "ok"


def test_a_handler_that_keeps_its_dsn_to_itself_is_told(tmp_path):
    program(
        tmp_path, "import logging, telesink\nlogging.getLogger().addHandler(telesink.LogHandler('null://'))\n"
    )

    _, found = doctor("--app", "shop", folder=tmp_path)

    assert status(found, "connection")[0] == "skipped"


def test_what_is_no_module_is_a_usage_error(tmp_path):
    result = telesink("doctor", "--app", "shop.py:", folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert "module:callable" in result.stderr


def test_forks_are_described(path):
    _, found = doctor(path)

    facts = found["forks"]["facts"]
    assert facts["start_method"] in {"fork", "forkserver", "spawn"}
    assert facts["has_fork_hooks"] is hasattr(os, "register_at_fork")


# --- a program that goes on -------------------------------------------------------------------------------


def report_of(folder, text, *options):
    """Run it on a program, and answer the exit code, the report, and what stands on standard error."""
    program(folder, text)
    result = telesink("doctor", "memory://", "--app", "shop", "--json", *options, folder=folder)
    return result.returncode, json.loads(result.stdout), result.stderr


def test_a_program_with_a_thread_of_its_own_does_not_keep_the_command(path, tmp_path):
    code, _, _ = report_of(
        tmp_path,
        "import logging, threading, telesink\n"
        f"telesink.install_logging('sqlite:///{path}')\n"
        "logging.getLogger('shop').warning('from the program')\n"
        "threading.Thread(target=threading.Event().wait).start()\n",
    )

    assert code == 0
    assert execute(path, "SELECT count(*) FROM telesink_logs WHERE body = 'from the program'") == [(1,)]


def test_what_the_program_prints_later_does_not_stand_in_the_report(tmp_path):
    code, report, said = report_of(
        tmp_path,
        "import atexit, os, threading\n"
        "print('at once')\n"
        "os.system('echo of a child')\n"
        "threading.Thread(target=lambda: [os.write(1, b'of a thread ') for _ in range(100)]).start()\n"
        "atexit.register(lambda: print('at the end'))\n",
    )

    assert (code, report["exit_code"]) == (0, 0)
    assert "at once" in said
    assert "of a child" in said


def test_an_exit_hook_prints_behind_no_report(tmp_path):
    _, _, said = report_of(tmp_path, "import atexit; atexit.register(lambda: print('at the end'))")

    assert "at the end" in said


@pytest.mark.parametrize(
    "text",
    [
        "import sys; sys.stdout.close()",
        "import sys; sys.stdout = None",
        "import sys; sys.stdout = object()",
        "import os; os.close(1)",
    ],
)
def test_a_program_may_close_standard_output(tmp_path, text):
    code, report, said = report_of(tmp_path, text)

    assert (code, report["exit_code"]) == (0, 0)
    assert "Traceback" not in said


def test_an_error_without_a_text_is_a_finding(tmp_path):
    code, report, _ = report_of(
        tmp_path,
        "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd\n",
    )

    [told] = [one for one in report["checks"] if one["check"] == "program"]
    assert code == 1
    assert told["text"] == "shop failed: Odd: its text cannot be had: ValueError"
