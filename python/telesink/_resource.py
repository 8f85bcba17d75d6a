"""What the records say about the program they come from."""

from __future__ import annotations

import os
import sys

from telesink._execution import execution_id, without_surrogates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def resource_attributes(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The attributes, in OpenTelemetry's names.

    ``given`` wins over ``OTEL_SERVICE_NAME``, which wins over ``OTEL_RESOURCE_ATTRIBUTES``, which wins over
    what can be seen here.
    """
    attributes = {
        "service.name": _program_name(),
        "process.pid": str(os.getpid()),
        "telesink.execution.id": execution_id(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": ".".join(str(part) for part in sys.version_info[:3]),
        "host.name": _host_name(),
        "telemetry.distro.name": "telesink",
        "telemetry.sdk.language": "python",
    }
    for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, separator, value = pair.partition("=")
        if separator and key.strip():
            attributes[key.strip()] = _percent_decoded(value.strip())
    service = os.environ.get("OTEL_SERVICE_NAME")
    if service:
        attributes["service.name"] = service
    attributes.update(given)
    return [
        (without_surrogates(key), without_surrogates(value)) for key, value in attributes.items() if value
    ]


def _program_name() -> str:
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    if name in ("", "-c", "-m"):
        return "python"
    if name == "__main__.py":
        return os.path.basename(os.path.dirname(sys.argv[0])) or "python"
    return name.removesuffix(".py")


def _host_name() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _percent_decoded(value: str) -> str:
    if "%" not in value:
        return value
    from urllib.parse import unquote

    return unquote(value)
