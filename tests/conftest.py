"""What every test starts from: a process without telesink, and logging as it was before."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import telesink
from telesink import _lifecycle

HERE = Path(__file__).parent

# For a test of the pytest plug-in, which runs pytest inside pytest.
pytest_plugins = ["pytester"]

# The programs under test inherit what is ignored here: a shell that puts something into the background has
# Ctrl-C ignored, and nohup the end of the terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """
    Marks the fast tier: no servers, hosts or command lines; the interpreter, the records and the queue.
    """
    for item in items:
        is_light = item.path.parent == HERE and not item.path.name.startswith("test_cli")
        is_light |= item.name.startswith(("test_I", "test_R", "test_Q"))
        if is_light and not {"slow", "nightly"} & {mark.name for mark in item.iter_markers()}:
            item.add_marker("fast")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    """
    Nothing comes from the environment of whoever runs the tests; the default DSN lies in a folder of its own.
    """
    for name in list(os.environ):
        if name.startswith(("TELESINK_", "OTEL_", "LANGFUSE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _fresh_process():
    """
    After the test nothing is installed, and every logger is what it was.
    """
    before = _logging_state()
    yield
    telesink.shutdown(timeout_seconds=1.0)
    _lifecycle._Process.shared = None
    telesink.unbind(*telesink.current_context())
    _restore_logging(before)


def _loggers():
    existing = logging.Logger.manager.loggerDict.values()
    return [logging.getLogger(), *(one for one in existing if isinstance(one, logging.Logger))]


def _logging_state():
    state = {
        logger: (logger.level, logger.propagate, logger.disabled, list(logger.handlers), list(logger.filters))
        for logger in _loggers()
    }
    return state, logging.getLogRecordFactory(), logging.raiseExceptions, logging.root.manager.disable


def _restore_logging(before):
    state, factory, raises, disabled = before
    for logger in _loggers():
        level, propagate, is_disabled, handlers, filters = state.get(logger, (0, True, False, [], []))
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, is_disabled
        logger.handlers, logger.filters = list(handlers), list(filters)
    logging.setLogRecordFactory(factory)
    logging.raiseExceptions = raises
    logging.disable(disabled)
    logging.captureWarnings(capture=False)


@pytest.fixture
def run_python(tmp_path):
    """
    Run code in a fresh interpreter and answer what became of it; it must end by itself within a minute.
    """

    def run(code, *arguments, check=True, **environment):
        finished = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            check=False,
        )
        if check:
            assert finished.returncode == 0, finished.stderr
        return finished

    return run


@pytest.fixture
def recorder(tmp_path):
    """
    A logger whose records are kept by two sinks, which must agree; see `recording.Recorder`.
    """
    from recording import Recorder

    with contextlib.closing(Recorder(tmp_path / "recorded.db")) as recorder:
        yield recorder
