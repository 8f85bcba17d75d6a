"""The part of `telesink doctor` that looks at a destination."""

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import telesink
from telesink import _native
from telesink._pipeline import option_texts, sink_source
from telesink._secret import shown_path
from telesink.cli import output
from telesink.cli.doctor_dead_letter import dead_letter_file
from telesink.cli.doctor_write import WriteFailedError, write_one
from telesink.cli.findings import Finding, Status

#: Destinations with tables.
STORES = ("sqlite", "postgresql")

#: Clocks that are further apart put records into the wrong order, and rows into the wrong day.
SKEW_SECONDS_MAX = 1.0

#: What a role needs to write, in the words of `missing_rights`; the others serve reading and `prune`.
NEEDED = (
    "INSERT on telesink_logs",
    "SELECT on telesink_ledger",
    "INSERT on telesink_ledger",
    "UPDATE on telesink_ledger",
    "DELETE on telesink_ledger",
    "SELECT on telesink_resources",
    "INSERT on telesink_resources",
    "SELECT on telesink_meta",
)

#: What programs need that write spans and metrics.
NEEDED_BY_SIGNALS = ("INSERT on telesink_spans", "INSERT on telesink_metrics")

CREATE = "CREATE in the schema"

READ_VERSION = "SELECT on telesink_meta"

#: Where a DSN names the schema of the tables: as an option of a URI, or as a keyword.
SCHEMA = re.compile(r"[?&]schema=([^&#]*)|(?:^|\s)schema\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s']+))")


@dataclass(frozen=True, slots=True)
class Sink:
    """A destination as a program has it: its DSN, options beside it, and settings."""

    dsn: str
    options: Mapping[str, Any]
    settings: telesink.Settings

    def source(self, settings: telesink.Settings | None = None) -> dict[str, Any]:
        """What the native side makes a sink of."""
        return sink_source(self.dsn, self.options, settings or self.settings)

    def described(self) -> dict[str, Any]:
        """What it would be.

        Raises:
            ConfigError: the DSN or an option is wrong.
        """
        return _native.describe_sink(self.source())


def look_at(sink: Sink, *, writes: bool, is_stdout_taken: bool) -> Iterator[Finding]:
    """Look at one destination, from the outside in.

    Raises:
        ConfigError: the DSN or an option is wrong.
    """
    plan = sink.described()
    target = plan["target"]
    if plan["from_dsn"]:
        told = {
            name: shown_path(value) if name == "dead_letter" else value
            for name, value in plan["from_dsn"].items()
        }
        text = ", ".join(f"{name}={value}" for name, value in told.items())
        yield Finding("sink_settings", Status.OK, f"from its DSN: {text}", target=target, facts=told)
    inspection: _native.Inspection | None = None
    facts: dict[str, Any] = {}
    if plan["kind"] in STORES:
        try:
            inspection = _native.Inspection(sink.dsn, option_texts(sink.options), str(Path.cwd()))
            facts = inspection.facts()
        except telesink.TelesinkError as error:
            yield Finding("connection", Status.FAILED, error.message, error.hint, target=target)
            yield Finding(
                "write", Status.SKIPPED, "nothing can be written without a connection", target=target
            )
            yield dead_letter_file(plan)
            return
        if plan["kind"] == "sqlite":
            yield from _about_file(target, facts)
        else:
            yield from _about_server(target, facts, schema_of(sink.dsn, sink.options))
    elif plan["kind"] == "console":
        yield _console(target, sink.dsn)
    yield _write(sink, plan, inspection, facts, writes=writes, is_stdout_taken=is_stdout_taken)
    yield dead_letter_file(plan)


def _about_file(target: str, facts: dict[str, Any]) -> Iterator[Finding]:
    path = Path(facts["path"])
    if facts["exists"]:
        journal = facts["journal_mode"]
        text = f"{path} holds {facts['bytes'] / 1_000_000:,.1f} MB, journal mode {journal}"
        yield Finding("connection", Status.OK, text, target=target, facts=facts)
    elif path.parent.is_dir():
        yield Finding("connection", Status.OK, f"{path} is not there yet", target=target, facts=facts)
    else:
        step = f"create the folder: mkdir -p {shlex.quote(str(path.parent))}"
        yield Finding(
            "connection", Status.FAILED, f"there is no folder {path.parent}", step, target=target, facts=facts
        )
    yield _rights_of_file(target, path, is_there=facts["exists"])
    yield _tables(target, facts, "sqlite")
    text = "the file has no clock of its own"
    yield Finding("clock", Status.OK, text, target=target)


def _rights_of_file(target: str, path: Path, *, is_there: bool) -> Finding:
    closed = [str(one) for one in (path.parent, *([path] if is_there else [])) if not os.access(one, os.W_OK)]
    if closed and path.parent.is_dir():
        step = "change owner or mode, or run the program as another user"
        return Finding("rights", Status.FAILED, f"not writable: {', '.join(closed)}", step, target=target)
    if is_there and os.name == "posix" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        mode = f"{stat.S_IMODE(path.stat().st_mode):04o}"
        text = f"others on this machine may read the records (mode {mode})"
        return Finding(
            "rights",
            Status.WARNING,
            text,
            f"chmod 600 {shlex.quote(str(path))}",
            target=target,
            facts={"mode": mode},
        )
    return Finding("rights", Status.OK, "readable and writable for this user", target=target)


def schema_of(dsn: str, options: Mapping[str, Any]) -> str:
    """The schema of the tables as DSN or options name it; empty if the role's search path finds them."""
    found = SCHEMA.search(dsn)
    if found is None:
        return str(options.get("schema") or "")
    if found[1] is not None:
        return unquote(found[1])
    return found[3] or re.sub(r"\\(.)", r"\1", found[2] or "")


def quoted_name(name: str) -> str:
    """A name as a statement takes it, whatever its letters, and if it is a word of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _about_server(target: str, facts: dict[str, Any], schema: str) -> Iterator[Finding]:
    text = f"Postgres {facts['server_version']} at {facts['host']}, as {facts['user']} in {facts['database']}"
    if facts["is_standby"] or facts["is_read_only"]:
        what = "a standby" if facts["is_standby"] else "read-only"
        step = "name the primary; with several hosts, target_session_attrs=read-write finds it"
        yield Finding("connection", Status.FAILED, f"{text}: it is {what}", step, target=target, facts=facts)
    else:
        yield Finding("connection", Status.OK, text, target=target, facts=facts)
    yield encryption_of(target, facts)
    yield _rights_of_role(target, facts, schema)
    yield _tables(target, facts, "postgres")
    yield _clock(target, facts)


def encryption_of(target: str, facts: dict[str, Any]) -> Finding:
    """Who can read what is sent."""
    mode, encryption, is_local = facts["sslmode"], facts["encryption"], facts["is_local"]
    protocol = facts["tls_protocol"] or "TLS"
    told = {name: facts[name] for name in ("sslmode", "encryption", "tls_protocol", "is_local")}
    if encryption == "verified":
        text = f"{protocol}, the server's certificate is verified (sslmode={mode})"
        return Finding("tls", Status.OK, text, target=target, facts=told)
    text = (
        f"{protocol}, but the server is not verified (sslmode={mode})"
        if encryption == "unverified"
        else f"not encrypted (sslmode={mode})"
    )
    if is_local:
        return Finding("tls", Status.OK, f"{text}; nothing leaves this machine", target=target, facts=told)
    step = "write sslmode=verify-full, and sslrootcert=FILE for an authority of your own"
    return Finding("tls", Status.WARNING, text, step, target=target, facts=told)


def _rights_of_role(target: str, facts: dict[str, Any], schema: str) -> Finding:
    missing = facts["missing_rights"]
    needed = [right for right in missing if right in NEEDED]
    told = {"missing": missing, "needed": needed}
    role = facts["user"]
    if needed:
        place = f"{quoted_name(schema)}." if schema else ""
        grants = "; ".join(
            f"GRANT {right.replace(' on ', f' ON {place}')} TO {quoted_name(role)}" for right in needed
        )
        return Finding(
            "rights", Status.FAILED, f"{role} lacks {', '.join(needed)}", grants, target=target, facts=told
        )
    if CREATE in missing and facts["creates_schema"]:
        has_tables = facts["tables_version"] is not None
        text = f"{role} may make no {'partitions: rows go to the default one' if has_tables else 'tables'}"
        grant = f"GRANT CREATE ON SCHEMA {quoted_name(schema)} TO {quoted_name(role)}" if schema else ""
        step = (
            f"{grant or 'GRANT CREATE ON SCHEMA to it'}, or make them with `telesink schema` and say "
            "create_schema=false"
        )
        status = Status.WARNING if has_tables else Status.FAILED
        return Finding("rights", status, text, step, target=target, facts=told)
    more = _unneeded(missing)
    return Finding("rights", Status.OK, f"{role} may write{more}", target=target, facts=told)


def _unneeded(missing: list[str]) -> str:
    """Say which rights are missing that log records get on without."""
    signals = [right for right in missing if right in NEEDED_BY_SIGNALS]
    others = [right for right in missing if right not in NEEDED_BY_SIGNALS]
    text = f"; without {', '.join(signals)}, which only spans and metrics need" if signals else ""
    return text + (f"; without {', '.join(others)}, which writing does not need" if others else "")


def _tables(target: str, facts: dict[str, Any], dialect: str) -> Finding:
    version, known = facts.get("tables_version"), facts.get("tables_version_known")
    told = {"version": version, "known": known}
    if version is not None and known is not None and version > known:
        text = f"the tables have version {version}, this telesink knows {known}"
        return Finding("tables", Status.FAILED, text, "upgrade telesink", target=target, facts=told)
    if version is None and READ_VERSION in facts.get("missing_rights", ()):
        # Rights on tables that are not there are not missing either.
        text = "they are there, and the role may not read their version"
        return Finding("tables", Status.SKIPPED, text, "see rights", target=target, facts=told)
    if version is None and not facts["creates_schema"]:
        step = f"make them: telesink schema --dialect {dialect}"
        text = "the tables are not there, or hold no version, and create_schema=false"
        return Finding("tables", Status.FAILED, text, step, target=target, facts=told)
    if version is None:
        return Finding(
            "tables", Status.OK, "not there yet; the first record makes them", target=target, facts=told
        )
    if known is not None and version < known:
        status, step = Status.OK, ""
        text = f"version {version}; the first record brings them to version {known}"
        if not facts["creates_schema"]:
            status, step = Status.FAILED, f"bring them up to date: telesink schema --dialect {dialect}"
            text = f"the tables have version {version}, not {known}, and create_schema=false"
        return Finding("tables", status, text, step, target=target, facts=told)
    rows = facts.get("rows_about")
    about = f", about {rows:,} rows" if rows else ""
    return Finding("tables", Status.OK, f"version {version}{about}", target=target, facts=told)


def _clock(target: str, facts: dict[str, Any]) -> Finding:
    skew, exact = facts["clock_skew_seconds"], facts["clock_uncertainty_seconds"]
    told = {"skew_seconds": skew, "uncertainty_seconds": exact}
    if skew is None:
        return Finding(
            "clock", Status.SKIPPED, "the server does not tell its time", target=target, facts=told
        )
    way = "ahead of" if skew > 0 else "behind"
    text = f"the server's clock is {abs(skew):.3f} s {way} ours, to within {exact:.3f} s"
    if abs(skew) - exact > SKEW_SECONDS_MAX:
        step = "set both by NTP: records of several machines are out of order otherwise"
        return Finding("clock", Status.WARNING, text, step, target=target, facts=told)
    return Finding("clock", Status.OK, text, target=target, facts=told)


def _console(target: str, dsn: str) -> Finding:
    is_output = "stdout" in dsn
    descriptor = output.stdout_descriptor() if is_output else 2
    try:
        is_terminal = os.isatty(descriptor)
        os.fstat(descriptor)
    except OSError:
        step = "start the program with the stream open, for example 2>/dev/null"
        return Finding("connection", Status.FAILED, "the stream is closed", step, target=target)
    text = f"standard {'output' if is_output else 'error'}, {'a' if is_terminal else 'no'} terminal"
    return Finding("connection", Status.OK, text, target=target, facts={"is_terminal": is_terminal})


def _write(
    sink: Sink,
    plan: dict[str, Any],
    inspection: _native.Inspection | None,
    facts: dict[str, Any],
    *,
    writes: bool,
    is_stdout_taken: bool,
) -> Finding:
    target = plan["target"]
    if not writes:
        return Finding("write", Status.SKIPPED, "not tried (--no-write)", target=target)
    if plan["kind"] == "console" and is_stdout_taken and "stdout" in sink.dsn:
        text = "not tried: standard output is taken by this report"
        return Finding("write", Status.SKIPPED, text, target=target)
    missing = facts.get("missing_rights", [])
    try:
        done = write_one(
            sink.source(sink.settings.replace(dead_letter=None, linger_seconds=0.0, max_age_seconds=None)),
            inspection,
            level=plan["level"],
            can_read="SELECT on telesink_logs" not in missing,
            can_delete="DELETE on telesink_logs" not in missing,
        )
    except WriteFailedError as error:
        status = Status.SKIPPED if error.is_filtered else Status.FAILED
        return Finding("write", status, error.message, error.hint, target=target)
    made = inspection is not None and facts.get("tables_version") is None
    text = done.text + ("; the tables were made for it, and stay" if made else "")
    told = {"seconds": done.seconds, "is_read_back": done.is_read_back, "is_deleted": done.is_deleted}
    if done.is_read_back is False:
        step = "look whether a trigger or a rule changes what is stored"
        return Finding("write", Status.FAILED, text, step, target=target, facts=told)
    return Finding("write", Status.OK, text, target=target, facts=told)
