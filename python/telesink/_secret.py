"""Texts that may hold a password, on their way through our own frames."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


# Where a DSN begins that stands where a path should. `Path` makes one slash of two; a drive has one letter.
_SCHEME = re.compile(r"(?:^|(?<=[/\\\s]))([A-Za-z][A-Za-z0-9+.-]+):[/\\].*", re.DOTALL)

# A password in libpq's keywords, and `user:password@host` without a scheme.
_KEYWORD = re.compile(r"((?:pass|pwd|secret|token)\w*\s*=).*", re.DOTALL | re.IGNORECASE)
_USER = re.compile(r"[^/\\:]*:.*@", re.DOTALL)

# The password of a DSN that somebody else's message repeats.
_IN_TEXT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:/+[^\s/:@]*):.*@", re.DOTALL)


class Hidden(str):
    """A text whose repr does not show it: reporters of errors show the repr of all that a frame holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def hidden(dsn: object) -> Any:
    """A DSN, or several, as texts that hide. What is none becomes an empty stand-in of its type's name."""
    if dsn is None:
        return None
    if isinstance(dsn, (list, tuple)):
        return [hidden(one) for one in dsn]
    if not isinstance(dsn, str):
        # Refused further down, by its type: bytes, for example, hold the password just the same.
        return _stand_in(type(dsn).__name__)
    if has_surrogate(dsn):
        return _stand_in("text with a lone surrogate")
    return Hidden(dsn)


def has_surrogate(text: str) -> bool:
    """Whether a text holds half of a character, as bytes that are no UTF-8 become: it cannot be passed on."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _stand_in(name: str) -> object:
    return type(name, (), {"__slots__": (), "__repr__": lambda _: "***"})()


def is_dsn(path: str) -> bool:
    """Whether a DSN stands where a path is meant."""
    return _SCHEME.match(path.strip()) is not None


def shown_path(path: object) -> str:
    """A path as a message may show it: what looks like a DSN in its place loses its password."""
    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else type(path).__name__
    text = _SCHEME.sub(r"\1://***", text)
    return _USER.sub("***@", _KEYWORD.sub(r"\1***", text))


def shown_text(text: str) -> str:
    """A message without the password of a DSN that it may repeat."""
    return _IN_TEXT.sub(r"\1:***@", text)


def hidden_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a sink, of which `password` is one, as texts that hide; settings as they are."""
    from telesink._settings import is_setting

    return {name: value if is_setting(name) else _hidden_value(value) for name, value in options.items()}


def _hidden_value(value: object) -> Any:
    if isinstance(value, str):
        return Hidden(value)
    if isinstance(value, (list, tuple)):
        return [_hidden_value(one) for one in value]
    return value
