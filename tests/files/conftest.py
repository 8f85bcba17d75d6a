"""A folder of files, and a logger that writes into it."""

import contextlib
import logging

import pytest

import telesink
from telesink.metrics import Accumulator, MetricsFlusher


class Folder:
    """A folder that a pipeline writes, with a logger of its own."""

    def __init__(self, path):
        self.path = path
        self._stack = contextlib.ExitStack()

    def open(self, options="service=shop", **settings):
        """A pipeline that writes into the folder."""
        dsn = f"file://{self.path}?{options}" if options else f"file://{self.path}"
        pipeline = telesink.Pipeline(dsn, settings=telesink.Settings(**settings) if settings else None)
        self._stack.callback(pipeline.close)
        return pipeline

    def logger(self, options="service=shop", **settings):
        """A logger that writes into the folder, and the pipeline behind it."""
        handler = telesink.LogHandler(f"file://{self.path}?{options}", **settings)
        self._stack.callback(handler.pipeline.close)
        logger = logging.Logger("cart", level=1)
        logger.addHandler(handler)
        return logger, handler.pipeline

    def close(self):
        self._stack.close()


@pytest.fixture
def folder(tmp_path):
    """A folder that is not there yet."""
    with contextlib.closing(Folder(tmp_path / "telemetry")) as folder:
        yield folder


@pytest.fixture
def usage():
    """Counters of one's own."""
    return Accumulator()


@pytest.fixture
def make(folder, usage):
    """Makes flushers that write into the folder, and stops them."""
    made = []

    def make(source=usage, **options):
        made.append(MetricsFlusher(source, dsn=f"file://{folder.path}", **options))
        return made[-1]

    yield make
    for flusher in made:
        flusher.stop()
