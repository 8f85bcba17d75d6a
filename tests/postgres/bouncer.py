"""PgBouncer in front of a server of the rig: many clients, two connections to the server."""

import os
import shutil
import subprocess
import time

import psycopg
from postgres.database import Database
from postgres.servers import START_SECONDS_MAX, SUPERUSER, free_port

#: In transaction mode the server's connection is somebody else's after COMMIT.
CONFIGURATION = """
[databases]
* = host={folder} port={server_port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = {user}
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
server_round_robin = 1
# A server connection that broke while it was made is tried again at once, not after 15 seconds.
server_login_retry = 0.1
log_connections = 0
log_disconnections = 0
"""


def program():
    """Where PgBouncer is; Debian puts it where only root looks."""
    found = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    assert found, "no PgBouncer: install Debian's package pgbouncer"
    return found


class Bouncer:
    """One PgBouncer; `close` ends it."""

    def __init__(self, server, *, mode="transaction", size=2):
        self.server = server
        self.port = free_port()
        self._configuration = server.folder / f"bouncer{self.port}.ini"
        self._log = server.folder / f"bouncer{self.port}.log"
        places = {"folder": server.folder, "server_port": server.port, "port": self.port}
        self._configuration.write_text(CONFIGURATION.format(user=SUPERUSER, mode=mode, size=size, **places))
        self._configuration.chmod(0o644)
        self._process = None

    def start(self):
        """Start it, and answer when it takes connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program(), self._configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.server.folder,
                user=self.server.workshop.user,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.console("SHOW VERSION")
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log()[-1000:]
                assert time.monotonic() < deadline, self.log()[-1000:]
                time.sleep(0.02)
            else:
                return self

    def dsn(self, database, **options):
        """How clients reach a database through it."""
        return self.server.dsn(database, **{"port": self.port} | options)

    def log(self):
        """What it has said."""
        return self._log.read_text(errors="replace")

    def console(self, command):
        """Give its console a command, in the simple protocol, which is all that it speaks."""
        with self._connect("pgbouncer", cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute(command)

    def sql(self, database, statement):
        """All rows that a statement answers with, on a connection of the pool."""
        with self._connect(database, prepare_threshold=None) as connection:
            return connection.execute(statement).fetchall()

    def _connect(self, database, **options):
        where = {"host": "127.0.0.1", "port": self.port, "user": SUPERUSER, "dbname": database}
        return psycopg.connect(**where, autocommit=True, **options)

    def close(self):
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(START_SECONDS_MAX)


class Bounced(Database):
    """A database as clients see it through PgBouncer; the oracle asks the server itself."""

    def __init__(self, bouncer, name):
        super().__init__(bouncer.server, name)
        self.bouncer = bouncer

    @property
    def port(self):
        return self.bouncer.port

    def dsn(self, **options):
        return self.bouncer.dsn(self.name, **options)

    def left_behind(self):
        """What the connections of the pool still know of those who had them."""
        statement = (
            "SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements), "
            "(SELECT count(*) FROM pg_cursors), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), "
            "current_setting('synchronous_commit'), current_setting('statement_timeout'), "
            "(SELECT count(*) FROM pg_class WHERE relpersistence = 't')"
        )
        # One connection after the other.
        return {self.bouncer.sql(self.name, statement)[0] for _ in range(10)}
