"""What the variables of Langfuse's own SDKs say, where neither an argument nor a setting of telesink does."""

from __future__ import annotations

import os

from telesink._secret import Hidden, hidden
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from telesink._settings import Settings

#: Where Langfuse's own SDKs send without a host.
CLOUD = "https://cloud.langfuse.com"

# Settings of telesink and what Langfuse's SDKs call them. All of them are numbers there, in seconds or bytes.
_SETTINGS = (
    ("batch_records_max", "LANGFUSE_FLUSH_AT"),
    ("linger_seconds", "LANGFUSE_FLUSH_INTERVAL"),
    ("write_timeout_seconds", "LANGFUSE_TIMEOUT"),
    ("batch_bytes_max", "LANGFUSE_OTEL_MAX_BATCH_SIZE_BYTES"),
)

# Options of the sink, and the variables that are asked for each, in their order.
_OPTIONS = (
    ("environment", ("LANGFUSE_TRACING_ENVIRONMENT",)),
    ("release", ("LANGFUSE_RELEASE",)),
    ("traces_path", ("LANGFUSE_OTEL_TRACES_EXPORT_PATH",)),
    (
        "compression",
        (
            "LANGFUSE_OTEL_COMPRESSION",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
        ),
    ),
)


def variable(*names: str) -> str | None:
    """Read the first of the variables that is set and not blank."""
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return Hidden(value)
    return None


def is_enabled() -> bool:
    """Whether ``LANGFUSE_TRACING_ENABLED`` lets events be sent."""
    return (variable("LANGFUSE_TRACING_ENABLED") or "true").lower() not in ("false", "0", "off", "no")


def sample_rate(given: float | None) -> float:
    """Read the share of traces to keep, from 0 to 1."""
    text = variable("LANGFUSE_SAMPLE_RATE")
    origin = "the argument `sample_rate`" if given is not None else "LANGFUSE_SAMPLE_RATE"
    value: Any = given if given is not None else 1.0 if text is None else str(text)
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        message = f"the sample rate is {value!r} (from {origin}); expected a number from 0 to 1"
        raise ConfigError(message, "0.1 keeps every tenth trace")
    return rate


def completed(options: Mapping[str, Any], dsn: str | None, mode: str) -> dict[str, Any]:
    """Add the mode and what the variables say, where neither the options of the sink nor the DSN do."""
    query = (dsn or "").partition("?")[2]
    given = {piece.partition("=")[0] for piece in query.split("&")} | set(options)
    found = {name: variable(*names) for name, names in _OPTIONS if name not in given}
    if mode != "auto" or "mode" not in given:
        # The default takes nothing back that stands in the DSN.
        found["mode"] = mode
    return {**options, **{name: value for name, value in found.items() if value is not None}}


def with_variables(settings: Settings) -> Settings:
    """Fill settings that nobody has set from the variables of Langfuse's SDKs."""
    changes: dict[str, Any] = {}
    for name, other in _SETTINGS:
        value = variable(other)
        if value is None or settings.origin(name) != "the default":
            continue
        try:
            changes[name] = float(value) if name.endswith("_seconds") else int(value)
        except ValueError:
            message = f"the environment variable {other} is {str(value)!r}; expected a number"
            raise ConfigError(message, "correct it, or unset it") from None
    return settings.replace(**changes) if changes else settings


def dsn_of(host: str | None, keys: tuple[str, str] | None) -> str | None:
    """Make the DSN of a host and two keys; None without keys.

    The host may be an address as in a browser, a name, or a DSN with keys in it.
    """
    given: Any = hidden(host)
    text = given if host is not None else variable("LANGFUSE_BASE_URL", "LANGFUSE_HOST") or CLOUD
    if not isinstance(text, str):
        message = f"`host` is a {type(host).__name__}; expected text"
        raise ConfigError(message, f"for example {CLOUD}")
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "https", scheme
    scheme = scheme.lower()
    schemes = {"https": "langfuses", "http": "langfuse", "langfuse": "langfuse", "langfuses": "langfuses"}
    if scheme not in schemes:
        message = f"the host begins with `{scheme}://`; expected https://, http:// or langfuses://"
        raise ConfigError(message, f"for example {CLOUD}")
    rest = rest.rstrip("/")
    if "@" in rest.split("/", 1)[0]:
        if keys is not None:
            message = "there are keys in the host and beside it"
            raise ConfigError(message, "give them in one place")
        return Hidden(f"{schemes[scheme]}://{rest}")
    pair = _keys(keys)
    if pair is None:
        return None
    from urllib.parse import quote

    public, secret = (Hidden(quote(key, safe="")) for key in pair)
    return Hidden(f"{schemes[scheme]}://{public}:{secret}@{rest}")


def _keys(keys: tuple[str, str] | None) -> tuple[str, str] | None:
    if keys is None:
        found = variable("LANGFUSE_PUBLIC_KEY"), variable("LANGFUSE_SECRET_KEY")
        return None if found[0] is None or found[1] is None else (found[0], found[1])
    given: Any = keys
    is_pair = isinstance(given, (tuple, list)) and len(given) == len(("public", "secret"))
    if not is_pair or not all(isinstance(key, str) for key in given):
        message = f"`keys` is a {type(keys).__name__} that holds no two texts; expected (public, secret)"
        raise ConfigError(message, 'for example keys=("pk-lf-...", "sk-lf-...")')
    if not all(key.strip() for key in keys):
        return None
    return Hidden(keys[0].strip()), Hidden(keys[1].strip())
