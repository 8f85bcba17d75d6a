"""What `opentelemetry-instrument` finds here: a distribution and a configurator.

Both are found in every program that has telesink installed, so nothing is imported or changed unless the
program names telesink. When it names nobody, the tool takes whatever it finds first: if that is us, we
hand it the one that it would have found without us.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NAME = "telesink"

#: The variables that name exporters, by signal.
_EXPORTERS = {
    "traces": "OTEL_TRACES_EXPORTER",
    "logs": "OTEL_LOGS_EXPORTER",
    "metrics": "OTEL_METRICS_EXPORTER",
}


def distro() -> Any:
    """Answer the distribution: ours if ``OTEL_PYTHON_DISTRO`` names it, else the next one."""
    # Has no types that could be checked.
    from opentelemetry.instrumentation import distro as theirs

    base: Any = theirs.BaseDistro  # type: ignore[attr-defined]

    class Distro(base):  # type: ignore[misc]
        """All signals to telesink, captured directly, unless the variables say otherwise."""

        def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002 - of the interface
            for variable in (*_EXPORTERS.values(), "OTEL_PYTHON_CONFIGURATOR"):
                os.environ.setdefault(variable, _NAME)

    if os.environ.get("OTEL_PYTHON_DISTRO") == _NAME:
        return Distro()
    other = _other("opentelemetry_distro")
    return theirs.DefaultDistro() if other is None else other()  # type: ignore[attr-defined]


def configurator() -> Any:
    """Answer the configurator: ours if ``OTEL_PYTHON_CONFIGURATOR`` names it, else the next one."""
    if os.environ.get("OTEL_PYTHON_CONFIGURATOR") == _NAME:
        return _Direct()
    other = _other("opentelemetry_configurator")
    if other is not None:
        return other()
    return _Plain() if any(_names(variable) for variable in _EXPORTERS.values()) else _Nothing()


class _Nothing:
    """Without a configurator nothing is configured, and without telesink there was none."""

    def configure(self, **kwargs: Any) -> None:
        """Leave everything as it is."""


class _Plain:
    """What the SDK does by itself."""

    def configure(self, **kwargs: Any) -> None:
        """Set the SDK up as its variables say."""
        from opentelemetry.sdk._configuration import _OTelSDKConfigurator

        base: Any = _OTelSDKConfigurator
        # Its class is to be derived from, says its docstring.
        type("Configurator", (base,), {})().configure(**kwargs)


class _Direct(_Plain):
    """The same with processors that capture on the spot, in the place of telesink's exporters."""

    def configure(self, **kwargs: Any) -> None:
        """Set the SDK up as its variables say, then add the processors."""
        if os.environ.get("OTEL_CONFIG_FILE"):
            # The file says everything; there exporters stand behind the SDK's batch processors.
            super().configure(**kwargs)
            return
        with _left_out(_EXPORTERS["traces"]) as has_traces, _left_out(_EXPORTERS["logs"]) as has_logs:
            super().configure(**kwargs)
        from telesink.opentelemetry import LogRecordProcessor, SpanProcessor
        from telesink.opentelemetry import _compatibility as otel

        tracer_provider, logger_provider = otel.get_tracer_provider(), otel.get_logger_provider()
        if has_traces and isinstance(tracer_provider, otel.TracerProvider):
            tracer_provider.add_span_processor(SpanProcessor())
        if has_logs and isinstance(logger_provider, otel.LoggerProvider):
            logger_provider.add_log_record_processor(LogRecordProcessor())


def _names(variable: str) -> bool:
    return _NAME in [name.strip() for name in os.environ.get(variable, "").split(",")]


@contextmanager
def _left_out(variable: str) -> Iterator[bool]:
    """Take telesink out of a list of exporters for a moment; tell whether it stood there."""
    before = os.environ.get(variable)
    if before is None or not _names(variable):
        yield False
        return
    others = [name.strip() for name in before.split(",") if name.strip() != _NAME]
    os.environ[variable] = ",".join(others) or "none"
    try:
        yield True
    finally:
        os.environ[variable] = before


def _other(group: str) -> Any:
    """The first entry point of a group that is not ours, loaded; None if there is none."""
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=group):
        if entry_point.name != _NAME:
            return entry_point.load()
    return None
