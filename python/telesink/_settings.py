"""How records are handled: the one home of defaults, read from arguments, the environment and a TOML file."""

from __future__ import annotations

import os
from types import MappingProxyType

from telesink import _native
from telesink._frozen import Frozen
from telesink._redaction import Redaction
from telesink._secret import Hidden, is_dsn, shown_path
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self, TypeVar

    _Kind = TypeVar("_Kind", bound="Settings")

MIB = 1024 * 1024

# The defaults, and by their type how words are read. Sources of the numbers: design decisions, each measured
# or argued in DESIGN.md ("Why these defaults?").
_DEFAULTS: dict[str, Any] = {
    "queue_records_max": 65_536,
    "queue_bytes_max": 64 * MIB,
    "record_bytes_max": 1 * MIB,
    "batch_records_max": 8_192,
    "batch_bytes_max": 8 * MIB,
    "linger_seconds": None,
    "urgent_level": "ERROR",
    "when_full": "drop_newest",
    "block_timeout_seconds": 1.0,
    "retry_initial_seconds": 0.1,
    "retry_max_seconds": 30.0,
    "max_age_seconds": None,
    "connect_timeout_seconds": 5.0,
    "write_timeout_seconds": 15.0,
    "exit_timeout_seconds": 5.0,
    "dead_letter": None,
    "dead_letter_bytes_max": 64 * MIB,
    "redact": True,
    "resource": {},
}

_PYTHON_ONLY = ("redact", "resource")

#: Names of the environment variables that are no setting.
_OTHER_VARIABLES = ("TELESINK_DSN", "TELESINK_EXECUTION_ID", "TELESINK_SETTINGS_FILE")


class _Unset:
    """Tells an argument that was not given from None, which is a value."""

    def __repr__(self) -> str:
        return "<from the environment, the settings file, or the default>"


_UNSET: Any = _Unset()


class Settings(Frozen):
    """How records are queued, batched, retried and hidden. Frozen; all arguments are keywords.

    A value comes from the argument, else from the variable ``TELESINK_<NAME>``, else from the TOML file named
    by ``TELESINK_SETTINGS_FILE`` (top level, or a table ``[telesink]``), else it is the default. Sizes and
    durations take words: ``"64 MiB"``, ``"100 MB"``, ``"200 ms"``, ``"2 min"``.

    ========================== ============ ==================================================================
    name                       default      meaning
    ========================== ============ ==================================================================
    queue_records_max          65 536       most records in a sink's memory: queue, batch and in flight
    queue_bytes_max            64 MiB       most bytes of them
    record_bytes_max           1 MiB        longest record; longer texts are cut at a character and marked
    batch_records_max          8 192        most records written at once
    batch_bytes_max            8 MiB        most bytes written at once
    linger_seconds             None         longest wait for a fuller batch; None: the sink's own
    urgent_level               ERROR        from this level on a batch is written without waiting
    when_full                  drop_newest  ``drop_newest`` (10 % kept for ERROR), ``drop_oldest``, ``block``
    block_timeout_seconds      1.0          longest wait of a call under ``block``
    retry_initial_seconds      0.1          first delay after a failure; doubles, with full jitter
    retry_max_seconds          30           longest delay
    max_age_seconds            None         older records are given up and counted; None: never
    connect_timeout_seconds    5            longest wait for a connection
    write_timeout_seconds      15           longest wait for one write
    exit_timeout_seconds       5            longest delay of the program's end
    dead_letter                None         file for records that a destination refuses (NDJSON, mode 0600)
    dead_letter_bytes_max      64 MiB       largest size of that file
    redact                     True         True, False or a :class:`Redaction`
    resource                   {}           attributes of the program, such as ``{"cloud.region": "eu"}``
    ========================== ============ ==================================================================

    :raises ConfigError: a name or value is not allowed; the message says which, and where it came from.

    >>> import telesink
    >>> telesink.Settings(queue_bytes_max="32 MiB").queue_bytes_max
    33554432
    >>> telesink.Settings(queue_records_max=0)
    Traceback (most recent call last):
        ...
    telesink.exceptions.ConfigError: setting `queue_records_max` is 0 (from the argument ...
    """

    __slots__ = ("_origins", *_DEFAULTS)

    _origins: dict[str, str]

    queue_records_max: int
    queue_bytes_max: int
    record_bytes_max: int
    batch_records_max: int
    batch_bytes_max: int
    linger_seconds: float | None
    urgent_level: int | str
    when_full: str
    block_timeout_seconds: float
    retry_initial_seconds: float
    retry_max_seconds: float
    max_age_seconds: float | None
    connect_timeout_seconds: float
    write_timeout_seconds: float
    exit_timeout_seconds: float
    dead_letter: str | None
    dead_letter_bytes_max: int
    redact: bool | Redaction
    resource: Mapping[str, str]

    def __init__(  # noqa: PLR0913 - one argument per setting, each documented above
        self,
        *,
        queue_records_max: int = _UNSET,
        queue_bytes_max: int | str = _UNSET,
        record_bytes_max: int | str = _UNSET,
        batch_records_max: int = _UNSET,
        batch_bytes_max: int | str = _UNSET,
        linger_seconds: float | str | None = _UNSET,
        urgent_level: int | str = _UNSET,
        when_full: str = _UNSET,
        block_timeout_seconds: float | str = _UNSET,
        retry_initial_seconds: float | str = _UNSET,
        retry_max_seconds: float | str = _UNSET,
        max_age_seconds: float | str | None = _UNSET,
        connect_timeout_seconds: float | str = _UNSET,
        write_timeout_seconds: float | str = _UNSET,
        exit_timeout_seconds: float | str = _UNSET,
        dead_letter: str | os.PathLike[str] | None = _UNSET,
        dead_letter_bytes_max: int | str = _UNSET,
        redact: bool | Redaction = _UNSET,
        resource: Mapping[str, str] = _UNSET,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _DEFAULTS and value is not _UNSET}
        sources: list[tuple[Mapping[str, Any], Callable[[str], str]]] = [
            (given, lambda name: f"the argument `{name}`"),
            (_from_environment(), lambda name: f"the environment variable TELESINK_{name.upper()}"),
            _from_file(),
        ]
        origins: dict[str, str] = {}
        for name, default in _DEFAULTS.items():
            value, origin = default, "the default"
            for values, origin_of in sources:
                if name in values:
                    value, origin = values[name], origin_of(name)
                    break
            origins[name] = origin
            object.__setattr__(self, name, _typed(name, value, origin))
        object.__setattr__(self, "_origins", origins)
        _native.check_settings(self._native())

    def __setattr__(self, name: str, value: object) -> None:
        message = f"settings are frozen; use settings.replace({name}=...)"
        raise AttributeError(message)

    def replace(self, **changes: Any) -> Self:
        """Make a copy with other values.

        >>> import telesink
        >>> telesink.Settings().replace(when_full="block").when_full
        'block'
        """
        values, origins = self.as_dict(), dict(self._origins)
        for name, value in changes.items():
            if name not in _DEFAULTS:
                raise unknown_name(name, "argument")
            origins[name] = f"the argument `{name}`"
            values[name] = _typed(name, value, origins[name])
        settings = _remade(type(self), values, origins)
        _native.check_settings(settings._native())  # noqa: SLF001 - the same class
        return settings

    def origin(self, name: str) -> str:
        """Say where a value came from, in words.

        :raises ConfigError: there is no setting of that name.

        >>> import telesink
        >>> telesink.Settings().origin("when_full")
        'the default'
        """
        if name not in self._origins:
            raise unknown_name(name, "argument")
        return self._origins[name]

    def as_dict(self) -> dict[str, Any]:
        """All settings by name.

        >>> import telesink
        >>> telesink.Settings().as_dict()["batch_records_max"]
        8192
        """
        return {**{name: getattr(self, name) for name in _DEFAULTS}, "resource": dict(self.resource)}

    def __repr__(self) -> str:
        if not hasattr(self, "_origins"):
            # Asked for by who reports an error of the constructor, with all that its frame holds.
            return "<telesink.Settings, not made>"
        changed = ((name, value) for name, value in self.as_dict().items() if value != _DEFAULTS[name])
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in changed)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        values = {**self.as_dict(), "resource": frozenset(self.resource.items())}
        return hash(tuple(values.values()))

    def __reduce__(self) -> tuple[object, tuple[type[Self], dict[str, Any], dict[str, str]]]:
        return _remade, (type(self), self.as_dict(), self._origins)

    def _native(self) -> list[tuple[str, str, str]]:
        """The settings that the native side takes, as name, text and origin."""
        return [
            (name, _text(getattr(self, name)), self._origins[name])
            for name in _DEFAULTS
            if name not in _PYTHON_ONLY
        ]


def _remade(kind: type[_Kind], values: dict[str, Any], origins: dict[str, str]) -> _Kind:
    """Make a copy as it was, whatever the environment says by now."""
    settings = object.__new__(kind)
    resource = MappingProxyType(dict(values["resource"]))
    for name, value in {**values, "resource": resource, "_origins": origins}.items():
        object.__setattr__(settings, name, value)
    return settings


def is_setting(name: str) -> bool:
    """Whether a keyword names a setting rather than an option of a sink."""
    return name in _DEFAULTS


def unknown_name(name: str, kind: str) -> ConfigError:
    """Make the error for a name that is no setting."""
    from difflib import get_close_matches

    nearest = get_close_matches(name, _DEFAULTS, n=1)
    guess = f"; did you mean `{nearest[0]}`?" if nearest else ""
    return ConfigError(f"unknown setting `{name}` ({kind}){guess}", f"settings are: {', '.join(_DEFAULTS)}")


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _typed(name: str, value: Any, origin: str) -> Any:  # noqa: PLR0911 - one return per kind of setting
    """Check one value and give it its type."""
    if name == "redact":
        return _redact(value, origin)
    if name == "resource":
        return MappingProxyType(dict(_resource(value, origin)))
    _native.check_setting(name, _text(value), origin)
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none")):
        return None
    if name == "dead_letter":
        return _path(value, origin)
    if name in ("urgent_level", "when_full"):
        return str(value) if isinstance(value, str) else value
    if name.endswith("_seconds"):
        return _native.parse_seconds(value) if isinstance(value, str) else float(value)
    return _native.parse_bytes(value) if isinstance(value, str) else int(value)


def _path(value: Any, origin: str) -> str:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(path, str):
        if is_dsn(path):
            message = (
                f"setting `dead_letter` is {shown_path(path)} (from {origin}); expected the path of a file"
            )
            raise ConfigError(message, "a DSN says where records go, and here is meant where refused ones go")
        return os.path.abspath(path)
    found = type(value).__name__
    message = f"setting `dead_letter` is a {found} (from {origin}); expected the path of a file"
    raise ConfigError(message, 'for example dead_letter="refused.ndjson"')


def _redact(value: object, origin: str) -> bool | Redaction:
    if isinstance(value, (bool, Redaction)):
        return value
    words = {
        "true": True,
        "1": True,
        "on": True,
        "yes": True,
        "false": False,
        "0": False,
        "off": False,
        "no": False,
    }
    known = words.get(str(value).strip().lower())
    if known is None:
        # The value itself is not shown: who writes redact=["..."] has put a secret there.
        found = "another text" if isinstance(value, str) else f"a {type(value).__name__}"
        message = f"setting `redact` is {found} (from {origin}); expected true, false or a telesink.Redaction"
        raise ConfigError(message, "use redact=False to switch it off")
    return known


def _resource(value: object, origin: str) -> Mapping[str, str]:
    if isinstance(value, str):
        pairs = [tuple(map(Hidden, pair.partition("="))) for pair in value.split(",") if pair.strip()]
        for number, (key, separator, _) in enumerate(pairs, 1):
            if not separator or not key.strip():
                # What stands there is not shown: whoever writes it in another form may have a secret in it.
                message = (
                    f"setting `resource` has no name and value in its part {number} (from {origin}); "
                    "expected pairs as in a=b,c=d"
                )
                raise ConfigError(message, "for example service.version=1.2,cloud.region=eu")
        return {key.strip(): text.strip() for key, _, text in pairs}
    try:
        return {str(key): str(text) for key, text in dict(value).items()}  # type: ignore[call-overload]
    except (TypeError, ValueError):
        found = type(value).__name__
        message = f"setting `resource` is a {found} (from {origin}); expected a mapping of text to text"
        raise ConfigError(message, 'for example resource={"service.version": "1.2"}') from None


def _from_environment() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for variable in os.environ:
        if variable.startswith("TELESINK_") and variable not in _OTHER_VARIABLES:
            value = Hidden(os.environ[variable])
            name = variable.removeprefix("TELESINK_").lower()
            if name in _DEFAULTS:
                found[name] = value
            else:
                _refuse_near_miss(variable, name)
    return found


def _refuse_near_miss(variable: str, name: str) -> None:
    """Refuse a misspelt variable; others may be anybody's, as Kubernetes' for a service called telesink."""
    from difflib import get_close_matches

    nearest = get_close_matches(name, _DEFAULTS, n=1, cutoff=0.8)
    if nearest:
        right = f"TELESINK_{nearest[0].upper()}"
        raise ConfigError(
            f"unknown environment variable {variable}; did you mean {right}?", "correct it, or unset it"
        )


def _from_file() -> tuple[dict[str, Any], Callable[[str], str]]:
    path = Hidden(os.environ.get("TELESINK_SETTINGS_FILE", ""))
    if not path:
        return {}, str
    shown = shown_path(path)
    import tomllib

    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except (OSError, ValueError) as error:
        # The system's own message names the file again, as it is.
        why = error.strerror if isinstance(error, OSError) else error
        message = f"could not read the settings file {shown!r} (from TELESINK_SETTINGS_FILE): {why}"
        raise ConfigError(message, "mend the file, or unset the variable") from None
    values = values.get("telesink", values)
    if not isinstance(values, dict):
        found = type(values).__name__
        message = f"`telesink` in the settings file {shown!r} is a {found}; expected a table"
        raise ConfigError(message, "write [telesink] above the settings")
    for name in values:
        if name not in _DEFAULTS:
            raise unknown_name(name, f"in the settings file {shown!r}")
    return values, lambda name: f"`{name}` in the settings file {shown}"
