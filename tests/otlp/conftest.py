"""A receiver for each test."""

import os

import pytest
from otlp.receiver import receiving


@pytest.fixture
def receiver(monkeypatch):
    """An OTLP receiver; no proxy stands in between."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with receiving() as receiver:
        yield receiver
