"""Tests named by the hazard they rule out, with real processes, servers and networks. Not on Windows."""

import contextlib
import subprocess
import sys

import pytest

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
else:
    import trustme
    from delivery.harness import Subjects
    from postgres.conftest import make_server, running, server, workshops
    from postgres.database import Database
    from postgres.servers import newest_with_tls
    from reliability.resolver import SOURCE, SlowResolver

    # The servers of tests/postgres.
    __all__ = ["make_server", "running", "server", "workshops"]

    @pytest.fixture
    def subjects(tmp_path):
        """Starts programs under test; afterwards both identities are checked and nothing is left running."""
        with Subjects(tmp_path) as started:
            yield started

    @pytest.fixture
    def database(server):
        """A fresh database on the shared server."""
        return Database(server, server.create_database())

    @pytest.fixture(scope="session")
    def encrypting(workshops):
        """A running server with TLS; shared, so leave it as it is."""
        server = workshops(newest_with_tls()).cluster().start()
        with contextlib.closing(server):
            server.encrypt(trustme.CA(), "127.0.0.1")
            yield server

    @pytest.fixture
    def compiled(tmp_path):
        """Compiles C into a library to be loaded in front of all others, and answers its path."""

        def compile_text(text):
            source, library = tmp_path / "shim.c", tmp_path / "shim.so"
            source.write_text(text)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            return library

        return compile_text

    @pytest.fixture
    def resolver(tmp_path, compiled):
        """A resolver that does not answer."""
        return SlowResolver(tmp_path, compiled(SOURCE.read_text()))
