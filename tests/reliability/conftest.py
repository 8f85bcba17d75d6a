"""Tests named by the hazard they rule out, with real processes, servers and networks. Not on Windows."""

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
