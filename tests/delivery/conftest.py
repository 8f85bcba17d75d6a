"""Fault tests with real files and processes. Not on Windows: the subjects talk through named pipes."""

import sys

import pytest

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
else:
    from delivery.harness import Subjects

    @pytest.fixture
    def subjects(tmp_path):
        """Starts programs under test; afterwards both identities are checked and nothing is left running."""
        with Subjects(tmp_path) as started:
            yield started
