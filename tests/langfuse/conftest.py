"""A Langfuse server and an `Ingest` that sends to it."""

import contextlib

import pytest
from langfuse_server import KEYS, LangfuseServer

import telesink


@pytest.fixture
def make_server():
    """Make servers that are gone after the test."""
    with contextlib.ExitStack() as stack:

        def make(**options):
            server = LangfuseServer(**options)
            stack.callback(server.close)
            return server

        yield make


@pytest.fixture
def server(make_server):
    """A server that takes everything."""
    return make_server()


@pytest.fixture
def make_ingest(server):
    """Make an `Ingest`, to the server unless told otherwise, that retries soon; closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(host=None, **options):
            options = {"retry_initial_seconds": 0.01, "retry_max_seconds": 0.05, **options}
            ingest = telesink.Ingest(host or server.url, KEYS, **options)
            stack.callback(ingest.close, 0.5)
            return ingest

        yield make


@pytest.fixture
def ingest(make_ingest):
    """An `Ingest` as it is without options."""
    return make_ingest()
