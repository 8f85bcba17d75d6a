"""A native telemetry pipeline inside a Python process.

>>> import logging, telesink
>>> handler = telesink.install_logging("memory://")
>>> logging.getLogger("shop").warning("low stock", extra={"sku": "A7", "left": 2})
>>> bool(telesink.flush())
True

Importing starts no thread, opens nothing and imports no optional dependency.
"""

from telesink._context import bind, context, current_context, system_context, unbind
from telesink._execution import child_environment
from telesink._handler import LogHandler
from telesink._ingest import Ingest
from telesink._lifecycle import aflush, enqueue, flush, recent, stats
from telesink._logging import install_logging, shutdown
from telesink._native import IS_DEBUG_BUILD as _IS_DEBUG_BUILD
from telesink._native import VERSION
from telesink._pipeline import Pipeline
from telesink._redaction import Redaction
from telesink._settings import Settings
from telesink._signals import install_signal_flush
from telesink._span import current_span_id, current_trace_id, span
from telesink._stats import Receipt, Stats
from telesink._table_map import Column, TableMap
from telesink._traced import traced
from telesink.exceptions import AuthError, ConfigError, ConnectError, SchemaError, TelesinkError

__all__ = [
    "AuthError",
    "Column",
    "ConfigError",
    "ConnectError",
    "Ingest",
    "LogHandler",
    "Pipeline",
    "Receipt",
    "Redaction",
    "SchemaError",
    "Settings",
    "Stats",
    "TableMap",
    "TelesinkError",
    "__version__",
    "aflush",
    "bind",
    "child_environment",
    "context",
    "current_context",
    "current_span_id",
    "current_trace_id",
    "enqueue",
    "flush",
    "install_logging",
    "install_signal_flush",
    "recent",
    "shutdown",
    "span",
    "stats",
    "system_context",
    "traced",
    "unbind",
]

#: The version of the wheel.
__version__: str = VERSION
del VERSION


def __getattr__(name: str) -> object:
    """Import parts that not every program needs when they are first asked for."""
    if name in ("events", "files", "metrics", "opentelemetry", "reading", "testing"):
        from importlib import import_module

        return import_module(f"telesink.{name}")
    message = f"module 'telesink' has no attribute {name!r}"
    raise AttributeError(message)


if _IS_DEBUG_BUILD:
    import warnings

    warnings.warn(
        "this is a debug build of telesink: do not measure with it (build with --release)", stacklevel=2
    )
