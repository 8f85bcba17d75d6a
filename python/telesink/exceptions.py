"""The errors that telesink raises: at start-up, never from a log call."""

from __future__ import annotations

__all__ = ["AuthError", "ConfigError", "ConnectError", "SchemaError", "TelesinkError"]


class TelesinkError(Exception):
    """The base of all errors that telesink raises.

    ``hint`` says what to do next; it may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(TelesinkError, ValueError):
    """A DSN, an option or a setting is wrong.

    The message names what was found, what is allowed and the nearest valid name.

    >>> import telesink
    >>> telesink.Pipeline("sqlit:///app.db")
    Traceback (most recent call last):
        ...
    telesink.exceptions.ConfigError: unknown scheme `sqlit`; did you mean `sqlite`? ...
    """


class ConnectError(TelesinkError):
    """A destination cannot be reached."""


class AuthError(TelesinkError):
    """A destination refuses the credentials."""


class SchemaError(TelesinkError):
    """A destination's tables are missing, or not of the form that is needed.

    Raised by what reads, prunes or looks at a database. A pipeline raises nothing for it: it holds the
    records and says the same in ``stats().sinks[...].last_error``.
    """
