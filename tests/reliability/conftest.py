"""Tests named by the hazard they rule out, with real processes, servers and networks. Not on Windows."""

import subprocess
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

    @pytest.fixture
    def compiled(tmp_path):
        """Compiles C into a library to be loaded in front of all others, and answers its path."""

        def compile_text(text):
            source, library = tmp_path / "shim.c", tmp_path / "shim.so"
            source.write_text(text)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            return library

        return compile_text
