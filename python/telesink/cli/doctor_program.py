"""The part of `telesink doctor` that looks at the installation and the process, not at a destination."""

import importlib.metadata
import importlib.util
import mmap
import multiprocessing
import os
import platform
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import telesink
from telesink import _native
from telesink._redaction import native_set
from telesink._secret import shown_path
from telesink._settings import _DEFAULTS
from telesink.cli.findings import Finding, Status
from telesink.cli.reading import SQLITE_VERSION_MIN

#: Linux' number of the advice that memory be zero in the child of a fork; Python has no name for it.
MADV_WIPEONFORK = 18

#: Variables that change what telesink does, beside those of its settings.
VARIABLES = (
    "TELESINK_DSN",
    "TELESINK_SETTINGS_FILE",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "NO_COLOR",
    "FORCE_COLOR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)

#: Those of libpq that hold no secret: its manual's list without PGPASSWORD and PGOPTIONS. Others that begin
#: with PG are anybody's, PGPASS for example, and are not shown.
LIBPQ_VARIABLES = frozenset(
    (
        "PGAPPNAME",
        "PGCHANNELBINDING",
        "PGCLIENTENCODING",
        "PGCONNECT_TIMEOUT",
        "PGDATABASE",
        "PGDATESTYLE",
        "PGGEQO",
        "PGGSSDELEGATION",
        "PGGSSENCMODE",
        "PGGSSLIB",
        "PGHOST",
        "PGHOSTADDR",
        "PGKRBSRVNAME",
        "PGLOADBALANCEHOSTS",
        "PGLOCALEDIR",
        "PGMAXPROTOCOLVERSION",
        "PGMINPROTOCOLVERSION",
        "PGPASSFILE",
        "PGPORT",
        "PGREQUIREAUTH",
        "PGREQUIREPEER",
        "PGREQUIRESSL",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGSSLCERT",
        "PGSSLCERTMODE",
        "PGSSLCOMPRESSION",
        "PGSSLCRL",
        "PGSSLCRLDIR",
        "PGSSLKEY",
        "PGSSLMAXPROTOCOLVERSION",
        "PGSSLMINPROTOCOLVERSION",
        "PGSSLMODE",
        "PGSSLNEGOTIATION",
        "PGSSLROOTCERT",
        "PGSSLSNI",
        "PGSYSCONFDIR",
        "PGTARGETSESSIONATTRS",
        "PGTZ",
        "PGUSER",
    )
)

#: What holds pairs, as in a=b,c=d.
PAIRS = ("TELESINK_RESOURCE", "OTEL_RESOURCE_ATTRIBUTES")

#: Programs and libraries that fork, or that put other threads in the place of Python's.
FORKING = ("gunicorn", "uwsgi", "celery", "gevent", "eventlet", "billiard")

SHOWN = "***"
NOT_SHOWN = f"{SHOWN} (set, not shown)"


def versions() -> Iterator[Finding]:
    """Which telesink, Python and SQLite these are."""
    suffix = Path(_native.__file__ or "").name.partition(".")[2]
    abi = "abi3" if suffix.startswith("abi3") else suffix.removesuffix(".so").removesuffix(".pyd")
    facts = {
        "telesink": telesink.__version__,
        "native": _native.VERSION,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "wheel_abi": abi,
        "wheel_tags": _wheel_tags(),
        "sqlite": _native.SQLITE_VERSION,
        "python_sqlite": sqlite3.sqlite_version,
        "is_debug_build": _native.IS_DEBUG_BUILD,
    }
    text = (
        f"telesink {facts['telesink']} ({abi}), {facts['implementation']} {facts['python']}, "
        f"SQLite {facts['sqlite']} (Python's own {facts['python_sqlite']}), {facts['platform']}"
    )
    if telesink.__version__ != _native.VERSION:
        step = "install it again: pip install --force-reinstall telesink"
        text = f"telesink {telesink.__version__} with a native module of version {_native.VERSION}"
        yield Finding("versions", Status.FAILED, text, step, facts=facts)
    elif _native.IS_DEBUG_BUILD:
        step = "install a release build; do not measure this one"
        yield Finding(
            "versions", Status.WARNING, f"{text}; a debug build, ten times slower", step, facts=facts
        )
    elif sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        step = "use a Python with SQLite 3.37 or newer to read the tables"
        yield Finding("versions", Status.WARNING, text, step, facts=facts)
    else:
        yield Finding("versions", Status.OK, text, facts=facts)


def _wheel_tags() -> list[str]:
    try:
        text = importlib.metadata.distribution("telesink").read_text("WHEEL") or ""
    except importlib.metadata.PackageNotFoundError:
        return []
    return [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Tag:")]


def settings_in_effect(settings: telesink.Settings, where: str) -> Finding:
    """Which settings hold, and where each came from."""
    values = settings.as_dict()
    shown = {name: _shown(name, value) for name, value in values.items()}
    facts = {
        name: {"value": shown[name], "origin": settings.origin(name), "is_default": value == _DEFAULTS[name]}
        for name, value in values.items()
    }
    changed = [
        f"{name}={shown[name]} ({settings.origin(name)})"
        for name, value in values.items()
        if settings.origin(name) != "the default" or value != _DEFAULTS[name]
    ]
    rest = len(values) - len(changed)
    told = [*changed, f"{rest} others are the default" if changed else f"all {rest} are the default"]
    return Finding("settings", Status.OK, f"{where}{'; '.join(told)}", facts=facts)


def _shown(name: str, value: Any) -> Any:
    if name == "redact":
        return value if isinstance(value, bool) else "a telesink.Redaction"
    if name == "resource":
        return {key: _without_secrets(key, text) for key, text in value.items()}
    return shown_path(value) if name == "dead_letter" and value is not None else value


def _without_secrets(name: str, text: str) -> str:
    hidden = native_set(True)
    return SHOWN if hidden.hides_name(name) else hidden.redact_text(text)


def variables(dsn_shown: str | None) -> Finding:
    """Which variables of the environment count, without secrets. `dsn_shown` is $TELESINK_DSN, masked."""
    names = {f"TELESINK_{name.upper()}" for name in _DEFAULTS} | set(VARIABLES)
    found: dict[str, str] = {}
    for name in sorted(os.environ):
        # libpq's are many; all of them begin so.
        if name not in names and not (name.startswith("PG") and name[2:].isupper()):
            continue
        value = os.environ[name]
        if name == "TELESINK_DSN":
            found[name] = dsn_shown or NOT_SHOWN
        else:
            found[name] = _shown_variable(name, value)
    text = ", ".join(f"{name}={value}" for name, value in found.items()) or "none is set"
    return Finding("environment", Status.OK, text, facts=found)


def _shown_variable(name: str, value: str) -> str:
    """The value of a variable. It is looked at as a whole first: a password may hold what separates pairs."""
    whole = native_set(True).redact_text(value)
    if name in PAIRS:
        return ",".join(_shown_pair(pair) for pair in whole.split(","))
    is_foreign = name.startswith("PG") and name not in LIBPQ_VARIABLES
    # What somebody wants hidden may stand where it is said whether to hide.
    is_misplaced = name == "TELESINK_REDACT" and len(value) > len("false")
    if is_foreign or is_misplaced or shown_path(whole) != value:
        return NOT_SHOWN
    return _without_secrets(name, value)


def _shown_pair(pair: str) -> str:
    name, separator, value = pair.partition("=")
    # What is no pair may be anything, the second half of a password for example.
    return f"{name}={_without_secrets(name, value)}" if separator else SHOWN


def forks(*, is_program: bool) -> Iterator[Finding]:
    """How processes are started here, and whether a fork is noticed."""
    method = multiprocessing.get_start_method(allow_none=True)
    has_hooks = hasattr(os, "register_at_fork")
    wipes = _wipes_on_fork()
    running = [name for name in FORKING if name in sys.modules]
    installed = [name for name in FORKING if name not in running and _is_installed(name)]
    patched = [name for name in ("gevent", "eventlet") if _patches_threads(name)]
    default = multiprocessing.get_all_start_methods()[0]
    facts = {
        "start_method": method or default,
        "is_start_method_chosen": method is not None,
        "has_fork": hasattr(os, "fork"),
        "has_fork_hooks": has_hooks,
        "has_wipe_on_fork": wipes,
        "loaded": running,
        "installed": installed,
        "patched_by": patched,
    }
    text = [
        f"multiprocessing starts by {method or default}" + ("" if method else " (its default)"),
        "Python tells of forks"
        if has_hooks
        else "there are no forks"
        if not facts["has_fork"]
        else "no fork hooks",
    ]
    if wipes:
        text.append("memory can be wiped on fork")
    for words, names in (("loaded", running), ("installed", installed), ("threads patched by", patched)):
        if names:
            text.append(f"{words}: {', '.join(names)}")
    if not is_program:
        text.append("the program itself was not looked at (--app)")
    status = Status.WARNING if facts["has_fork"] and not has_hooks else Status.OK
    step = "start processes by spawn" if status is Status.WARNING else ""
    yield Finding("forks", status, "; ".join(text), step, facts=facts)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _patches_threads(name: str) -> bool:
    module = sys.modules.get(f"{name}.monkey") or sys.modules.get(f"{name}.patcher")
    asked = getattr(module, "is_module_patched", None) or getattr(module, "is_monkey_patched", None)
    return bool(asked and asked("threading" if name == "gevent" else "thread"))


def _wipes_on_fork() -> bool:
    if not hasattr(mmap, "MAP_ANONYMOUS") or sys.platform != "linux":
        return False
    with mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        try:
            page.madvise(MADV_WIPEONFORK)
        except (OSError, ValueError):
            return False
    return True
