"""Values and conditions as SQL text, in both dialects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from telesink.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Dialect:
    """How a database writes what a reader asks for.

    :param name: ``sqlite`` or ``postgres``.
    """

    def __init__(self, name: str) -> None:
        self.is_postgres = name == "postgres"

    def literal(self, text: str) -> str:
        """Text, whatever it holds; no database holds a NUL, and none half a character."""
        whole = text.encode("utf-8", "replace").decode("utf-8")
        doubled = whole.replace("\0", "\u2400").replace("'", "''")
        if self.is_postgres and "\\" in doubled:
            # Whatever `standard_conforming_strings` says.
            return " E'" + doubled.replace("\\", "\\\\") + "'"
        return f"'{doubled}'"

    def contains(self, column: str, text: str) -> str:
        """Whether a column holds a text, in any case; its wildcards are characters like others."""
        if not self.is_postgres:
            # Its own LIKE knows the letters of ASCII only.
            return f"telesink_contains({column}, {self.literal(text)})"
        escaped = "".join(f"!{character}" if character in "!%_" else character for character in text)
        return f"{column} ILIKE {self.literal(f'%{escaped}%')} ESCAPE '!'"

    def micros(self, column: str, form: str) -> str:
        """A time as microseconds since 1970.

        :param form: how SQLite keeps it: ``nanos``, ``seconds`` or ``text``.
        """
        if self.is_postgres:
            # Others may have written that something happens never.
            micros = f"(extract(epoch FROM {column}) * 1000000)::bigint"
            return f"CASE WHEN isfinite({column}) THEN {micros} END"
        if form == "nanos":
            return f"{column} / 1000"
        return column if form == "text" else f"CAST(round({column} * 1000000.0) AS INTEGER)"

    def moment(self, value: datetime, form: str) -> str:
        """A moment to compare such a column with."""
        micros = (value - _EPOCH) // timedelta(microseconds=1)
        if self.is_postgres:
            return f"to_timestamp({micros // 1_000_000}) + interval '{micros % 1_000_000} microseconds'"
        if form == "nanos":
            return str(micros * 1_000)
        if form == "text":
            # As it is stored, so that texts have the order of times.
            return self.literal(value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        return repr(micros / 1_000_000)

    def is_id(self, column: str, id: str, *, is_uuid: bool = True) -> str:  # noqa: A002 - the column's name
        """Whether a column holds an id. In Postgres compared as what it is, so that its index is used."""
        if not self.is_postgres or not is_uuid:
            return f"{column} = {self.literal(id)}"
        found = _uuid_of(id)
        return "false" if found is None else f"{column} = '{found}'::uuid"

    def is_any_id(self, column: str, ids: Iterable[str], *, is_uuid: bool) -> str:
        """Whether a column holds one of several ids."""
        texts = [str(one) for one in ids]
        if self.is_postgres and is_uuid:
            found = [f"'{one}'::uuid" for text in texts if (one := _uuid_of(text)) is not None]
        else:
            found = [self.literal(text) for text in texts]
        return f"{column} IN ({', '.join(found)})" if found else "1 = 0"

    def text(self, column: str) -> str:
        """A column as text."""
        return f"{column}::text" if self.is_postgres else column


def _uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def aware(value: object, name: str = "since") -> datetime:
    """A moment with a zone; one without is local time, as in the standard library."""
    if not isinstance(value, datetime):
        message = f"`{name}` is a {type(value).__name__}; expected a datetime"
        raise ConfigError(message, "for example datetime.now() - timedelta(hours=1)")
    try:
        return value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"`{name}` is {value}, which no other zone knows"
        raise ConfigError(message, "give a moment between the years 2 and 9998") from error


def moment(value: str | None) -> datetime:
    """The moment of a column that is never empty."""
    return moment_of(value) or _EPOCH


def moment_of(value: str | None) -> datetime | None:
    """The moment that a column said: microseconds, or text."""
    if value is None:
        return None
    try:
        if value.lstrip("-").isdigit():
            return _EPOCH + timedelta(microseconds=int(value))
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        # Written by others, and no time.
        return _EPOCH
