"""`import telesink` costs next to nothing: no thread, no file, no optional package."""

import json

import pytest

LOOK = """
import json, pathlib, sys, threading

def look():
    return {
        "threads": threading.active_count(),
        "native_threads": sum(1 for _ in pathlib.Path("/proc/self/task").glob("*")),
        "descriptors": sum(1 for _ in pathlib.Path("/proc/self/fd").glob("*")),
    }

before = look()
modules = set(sys.modules)
import telesink
{code}
print(json.dumps([before, look(), sorted(set(sys.modules) - modules)]))
"""

HEAVY = [
    *(
        "asyncio",
        "concurrent.futures",
        "dataclasses",
        "difflib",
        "enum",
        "inspect",
        "json",
        "multiprocessing",
    ),
    *("pathlib", "queue", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "tomllib", "typing", "uuid"),
    *("opentelemetry", "typer", "rich", "click", "pydantic", "numpy", "pytest"),
]


@pytest.fixture
def looked(run_python, tmp_path):
    def look(code=""):
        finished = run_python(LOOK.replace("{code}", code))
        assert finished.stderr == ""
        assert list(tmp_path.iterdir()) == []
        return json.loads(finished.stdout)

    return look


def test_F18_importing_starts_no_thread_and_opens_nothing(looked):
    """F18"""
    before, after, _modules = looked()

    assert after == before


def test_F18_installing_starts_no_thread_and_opens_nothing(looked):
    """F18"""
    before, after, _modules = looked('telesink.install_logging("sqlite:///app.db")')

    assert after == before


def test_importing_loads_no_module_that_takes_long(run_python):
    # In isolated mode without site, because site-packages may load anything at start.
    code = (
        "import sys\n"
        "sys.path.append(sys.argv[1])\n"
        "import telesink\n"
        "print([name for name in sys.argv[2:] if name in sys.modules])\n"
    )
    import telesink

    folder = telesink.__path__[0].rpartition("telesink")[0]
    baseline = run_python("import sys, logging\nprint([n for n in sys.argv[1:] if n in sys.modules])", *HEAVY)

    finished = run_python(code, folder, *HEAVY)

    assert finished.stdout == baseline.stdout


def test_importing_brings_in_nothing_beyond_the_standard_library(looked):
    import sys

    _before, _after, modules = looked()

    foreign = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert foreign == {"telesink"}


def test_importing_installs_nothing(run_python):
    finished = run_python(
        "import logging\n"
        "import telesink\n"
        "print(logging.getLogger().handlers, logging.getLogger().level, telesink.stats())"
    )

    assert finished.stdout == "[] 30 {}\n"


def test_importing_gives_no_warning_in_a_release_build(run_python):
    from telesink import _native

    finished = run_python(
        "import warnings; warnings.simplefilter('error')\nimport telesink", check=not _native.IS_DEBUG_BUILD
    )

    assert finished.stderr == "" or _native.IS_DEBUG_BUILD


def test_wrong_variables_of_the_environment_do_not_stop_the_import(run_python):
    finished = run_python("import telesink; print('imported')", TELESINK_QUEUE_RECORDS_MAX="0")

    assert finished.stdout == "imported\n"


IN_A_SUBINTERPRETER = """
try:
    import _interpreters as interpreters
    new = interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    new = interpreters.create(isolated=False)
attempt = "try: import telesink\\nexcept ImportError as error: print(error, flush=True)"
interpreters.run_string(new, attempt)
import telesink
telesink.bind(order=7)
interpreters.run_string(new, attempt)
interpreters.destroy(new)
telesink.install_logging("memory://")
telesink.enqueue({"body": "main"})
print(telesink.flush().complete, telesink.recent()[0]["attributes"])
"""


def test_a_subinterpreter_is_told_that_it_cannot_import_and_the_main_one_can(run_python):
    first, second, last = run_python(IN_A_SUBINTERPRETER).stdout.splitlines()

    assert "main interpreter of a process only" in first
    assert "WSGIApplicationGroup %{GLOBAL}" in first
    assert second == first
    assert last == "True {'order': 7}"
