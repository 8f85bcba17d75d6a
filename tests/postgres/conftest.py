"""Real Postgres servers for the tests here. Not on Windows, which lacks the signals of the rig."""

import contextlib
import os
import sys

import pytest

#: Whether the shared server stands behind PgBouncer. Read here: tests do not see variables of the project.
IS_POOLED = "TELESINK_TEST_PGBOUNCER" in os.environ

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
else:
    from postgres import servers
    from postgres.bouncer import Bounced, Bouncer
    from postgres.database import Database

    @pytest.fixture(scope="session")
    def workshops():
        """Makes clusters of every build; see `servers.Workshop`."""
        made = {}

        def of(major):
            if major not in made:
                made[major] = servers.Workshop(major)
            return made[major]

        yield of
        for workshop in made.values():
            workshop.close()

    @pytest.fixture(scope="session")
    def running(workshops):
        """One running server for each build, shared by all tests that do not harm it."""
        started = {}

        def of(major):
            if major not in started:
                started[major] = workshops(major).cluster().start()
            return started[major]

        yield of
        for server in started.values():
            server.close()

    @pytest.fixture
    def server(running):
        """The newest server; shared, so leave it as it is."""
        return running(servers.newest())

    @pytest.fixture
    def direct_database(server):
        """A fresh database on the shared server, never behind PgBouncer."""
        return Database(server, server.create_database())

    @pytest.fixture
    def database(request):
        """A fresh database on the shared server; behind PgBouncer if the environment says so."""
        return request.getfixturevalue("bounced" if IS_POOLED else "direct_database")

    @pytest.fixture
    def writer(direct_database):
        """A database, and a role that may log in and no more."""
        role = f"writer_{direct_database.name}"
        direct_database.sql(f"CREATE ROLE {role} LOGIN")
        # Up to Postgres 14 everybody may make tables.
        direct_database.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        return direct_database, role

    @pytest.fixture
    def bouncer(server):
        """PgBouncer in transaction mode with two connections for each database."""
        with contextlib.closing(Bouncer(server)) as started:
            yield started.start()

    @pytest.fixture
    def bounced(bouncer):
        """A fresh database behind it."""
        return Bounced(bouncer, bouncer.server.create_database())

    @pytest.fixture(params=[*sorted(servers.builds()), "pgbouncer"])
    def each_database(running, request):
        """A fresh database on a server of every build, and one behind PgBouncer."""
        if request.param == "pgbouncer":
            return request.getfixturevalue("bounced")
        server = running(request.param)
        return Database(server, server.create_database())

    @pytest.fixture
    def make_server(workshops):
        """Make servers of a test's own, which it may kill; settings are keywords."""
        made = []

        def make(major=None, **settings):
            server = workshops(major or servers.newest()).cluster(**settings)
            made.append(server)
            return server.start()

        yield make
        for server in made:
            server.close()

    @pytest.fixture
    def make_standby(workshops):
        """Make a standby of a running server."""
        made = []

        def make(primary, **settings):
            server = workshops(servers.newest()).standby_of(primary, **settings)
            made.append(server)
            return server.start()

        yield make
        for server in made:
            server.close()
