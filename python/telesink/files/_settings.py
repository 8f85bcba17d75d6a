"""The settings file that ``file:`` DSNs follow: checked, and changed as a whole or not at all."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

from telesink.exceptions import ConfigError, TelesinkError
from telesink.files._locks import locked
from telesink.files._names import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Largest change that is taken, as JSON.
CHANGE_BYTES_MAX = 64 * 1024

#: Retention and its bounds.
BOUNDS = {"max_size_mb": 1 << 20, "max_backups": 1_024, "max_age_days": 3_650}

#: What each has where there is a block without it.
DEFAULTS = {"max_size_mb": 100, "max_backups": 5, "max_age_days": 7}

#: From here on, size times backups is worth a warning, in MiB.
_TOTAL_MB_WARNED = 5 * 1024


class SettingsChanged(TelesinkError):  # noqa: N818 - says what happened
    """The file was changed by somebody else since it was read."""


def read_settings(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return the settings, and a hash that names this state of the file. A missing file has none.

    Raises:
        ConfigError: the file holds no JSON object, or one that `check_settings` refuses.
        OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        content = b"{}"
    settings = _parsed(content, os.fspath(path))
    _refuse(check_settings(settings))
    return settings, hashlib.sha256(content).hexdigest()


def check_settings(settings: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with settings, each with the name of its field; nothing if they are right.

    A total of more than 5 GiB for each signal is warned of, not refused.

    >>> from telesink.files import check_settings
    >>> check_settings({"persist": {"logs": "yes"}})
    ["persist.logs: expected true or false, found 'yes'"]
    """
    problems = _unknown(settings, ("persist", "retention", "services"), "")
    problems += _check_persist(settings.get("persist"), "persist")
    problems += _check_retention(settings.get("retention"))
    services = settings.get("services", {})
    if not isinstance(services, dict):
        return [*problems, f"services: expected an object, found {services!r}"]
    for name, service in services.items():
        field = f"services.{name}"
        if not isinstance(service, dict):
            problems.append(f"{field}: expected an object, found {service!r}")
            continue
        problems += _unknown(service, ("persist",), f"{field}.")
        problems += _check_persist(service.get("persist"), f"{field}.persist")
    return problems


def change_settings(
    path: str | os.PathLike[str],
    changes: Mapping[str, Any],
    *,
    service: str | None = None,
    expected_hash: str | None = None,
) -> tuple[dict[str, Any], str]:
    """Change some settings and return all of them with the hash of the new state.

    The file is replaced as a whole, with mode 0600, and never half written; the order of its keys stays.
    Callers in several processes take turns. Programs that write files follow within their next batch.

    Args:
        path: the settings file; made if it is missing.
        changes: ``persist`` and ``retention``; of a service ``persist`` alone. None takes a value away, so
        that
            a signal inherits what stands for all.
        service: change what stands for this service.
        expected_hash: what `read_settings` has answered; refused if the file is another one by now.

    Raises:
        ConfigError: the changes are empty, change nothing, or are too large; or the result would be wrong.
        SettingsChanged: the file is not the one that was read.
        OSError: it cannot be read or written.
    """
    target = os.path.abspath(os.fspath(path))
    allowed = ("persist",) if service is not None else ("persist", "retention")
    _refuse(_unknown(changes, allowed, "") if changes else ["the changes are empty"])
    if len(json.dumps(changes)) > CHANGE_BYTES_MAX:
        message = f"the changes are longer than {CHANGE_BYTES_MAX} bytes"
        raise ConfigError(message, "change less at once")
    with locked(os.path.realpath(os.path.dirname(target)), os.O_RDONLY | os.O_DIRECTORY):
        settings, found_hash = read_settings(target)
        if expected_hash is not None and expected_hash != found_hash:
            message = f"{target} was changed by somebody else"
            raise SettingsChanged(message, "read it again and repeat the change")
        changed = copy.deepcopy(settings)
        if service is None:
            _merge(changed, changes)
        else:
            _merge(changed.setdefault("services", {}).setdefault(service, {}), changes)
            _tidy(changed, service)
        for name, default in DEFAULTS.items() if changed.get("retention") else ():
            changed["retention"].setdefault(name, default)
        _refuse(check_settings(changed))
        if changed == settings:
            message = "the changes change nothing"
            raise ConfigError(message, "leave them out")
        content = (json.dumps(changed, indent=2, ensure_ascii=False) + "\n").encode()
        _replace(target, content)
    return changed, hashlib.sha256(content).hexdigest()


def _parsed(content: bytes, path: str) -> dict[str, Any]:
    try:
        settings = json.loads(content or b"{}")
    except ValueError as error:
        message = f"{path} holds no JSON: {error}"
        raise ConfigError(message, "mend it by hand, or delete it") from None
    if not isinstance(settings, dict):
        message = f"{path} holds {type(settings).__name__} instead of an object"
        raise ConfigError(message, "mend it by hand, or delete it")
    return settings


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError("; ".join(problems), "correct what is named")


def _unknown(found: Mapping[str, Any], allowed: tuple[str, ...], prefix: str) -> list[str]:
    return [
        f"{prefix}{name}: unknown, expected {', '.join(allowed)}" for name in found if name not in allowed
    ]


def _check_persist(persist: object, field: str) -> list[str]:
    if persist is None:
        return []
    if not isinstance(persist, dict):
        return [f"{field}: expected an object, found {persist!r}"]
    problems = _unknown(persist, SIGNALS, f"{field}.")
    for name in SIGNALS:
        value = persist.get(name)
        if value is not None and not isinstance(value, bool):
            problems.append(f"{field}.{name}: expected true or false, found {value!r}")
    return problems


def _check_retention(retention: object) -> list[str]:
    if retention is None:
        return []
    if not isinstance(retention, dict):
        return [f"retention: expected an object, found {retention!r}"]
    problems = _unknown(retention, tuple(BOUNDS), "retention.")
    for name, bound in BOUNDS.items():
        value = retention.get(name, DEFAULTS[name])
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= bound:
            problems.append(f"retention.{name}: expected 1 to {bound}, found {value!r}")
    if not problems:
        values = {**DEFAULTS, **retention}
        total = values["max_size_mb"] * values["max_backups"]
        if total > _TOTAL_MB_WARNED:
            message = f"retention: {total:,} MB may be kept of each signal of each service"
            warnings.warn(message, stacklevel=3)
    return problems


def _merge(settings: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            settings.pop(name, None)
        elif isinstance(value, dict) and isinstance(settings.get(name, {}), dict):
            _merge(settings.setdefault(name, {}), value)
            if not settings[name]:
                del settings[name]
        else:
            settings[name] = value


def _tidy(settings: dict[str, Any], service: str) -> None:
    if not settings["services"][service]:
        del settings["services"][service]
    if not settings["services"]:
        del settings["services"]


def _replace(path: str, content: bytes) -> None:
    descriptor, part = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".settings-", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
