"""Which execution a process belongs to: an id shared with its children, and the trace it was started in."""

from __future__ import annotations

import os
import re
import sys

from telesink import _native

#: Holds the id of the execution; set for child processes by whoever finds none.
_EXECUTION = "TELESINK_EXECUTION_ID"

#: How a parent hands its span to a child process, in the W3C's form; OpenTelemetry uses the same variable.
_TRACE = "TRACEPARENT"

#: Version, trace id, span id, flags. Later versions may say more behind a dash; `ff` is none.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")

_SURROGATE = re.compile("[\ud800-\udfff]")

#: Longer ids are cut: they stand with every process and are there to be read.
_ID_CHARACTERS_MAX = 128


def execution_id() -> str:
    """Answer the id that this process shares with its parents and children.

    That of ``$TELESINK_EXECUTION_ID``, else a new one, ``<user>_<UTC time>_<random>``, which is put there: so
    the rows of a job and of all processes that it starts can be found together, whatever starts them.
    """
    known = without_surrogates(os.environ.get(_EXECUTION, "").strip()[:_ID_CHARACTERS_MAX])
    if not known:
        known = _new_id()
        os.environ[_EXECUTION] = known
    return known


def without_surrogates(text: str) -> str:
    """Replace what is no text: Python shows bytes so that are not UTF-8, in variables and names of files."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _new_id() -> str:
    # `datetime` would take longer to import than telesink, `getpass` too.
    from time import gmtime, strftime

    user = os.environ.get("USER") or os.environ.get("LOGNAME") or os.environ.get("USERNAME") or "unknown"
    safe = re.sub(r"[^A-Za-z0-9.-]", "-", user)[:32]
    return f"{safe}_{strftime('%Y%m%dT%H%M%SZ', gmtime())}_{os.urandom(4).hex()}"


def adopt_trace() -> None:
    """Let records that belong to no span of this process belong to the one in ``$TRACEPARENT``."""
    found = _TRACEPARENT.fullmatch(os.environ.get(_TRACE, "").strip())
    if found is not None:
        _native.set_inherited_span(bytes.fromhex(found[1]), bytes.fromhex(found[2]))


def child_environment() -> dict[str, str]:
    """Variables that let a child process continue this execution and the current trace.

    The execution's id is in ``os.environ`` already, once telesink writes somewhere; the current OpenTelemetry
    span is not, since it changes. Give both to a child that is to be a part of it:

    >>> import os, subprocess, sys, telesink
    >>> environment = os.environ | telesink.child_environment()
    >>> subprocess.run([sys.executable, "-c", "pass"], env=environment).returncode
    0

    The child's records then carry the trace and span ids, unless a span of its own is current there.
    """
    execution_id()
    # As it stands: what is mended in the rows need not be expressible in the system's encoding.
    variables = {_EXECUTION: os.environ[_EXECUTION]}
    ids = _native.current_ids()
    if ids[16:] != bytes(8):
        variables[_TRACE] = f"00-{ids[:16].hex()}-{ids[16:].hex()}-{_flags(ids):02x}"
    elif _TRACE in os.environ:
        variables[_TRACE] = os.environ[_TRACE]
    return variables


def _flags(ids: bytes) -> int:
    """The W3C flags of the current span: what OpenTelemetry says of its own; others are sampled."""
    trace = sys.modules.get("opentelemetry.trace")
    span = trace.get_current_span().get_span_context() if trace is not None else None
    if span is not None and span.is_valid and span.span_id.to_bytes(8, "big") == ids[16:]:
        return int(span.trace_flags)
    inherited = os.environ.get(_TRACE, "").strip()
    return int(inherited[53:55], 16) if _is_inherited(inherited, ids) else 1


def _is_inherited(found: str, ids: bytes) -> bool:
    return _TRACEPARENT.fullmatch(found) is not None and found[36:52] == ids[16:].hex()
