"""Texts that may hold a password, on their way through our own frames."""

from __future__ import annotations

from telesink._settings import is_setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Hidden(str):
    """A text whose repr does not show it: reporters of errors show the repr of all that a frame holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def hidden(dsn: object) -> Any:
    """A DSN, or several, as texts that hide; anything else as it is."""
    if isinstance(dsn, str):
        return Hidden(dsn)
    if isinstance(dsn, (list, tuple)):
        return [hidden(one) for one in dsn]
    return dsn


def hidden_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a sink, of which `password` is one, as texts that hide; settings as they are."""
    return {name: value if is_setting(name) else hidden(value) for name, value in options.items()}
