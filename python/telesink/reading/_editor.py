"""Log records mended and deleted, one by one.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from telesink.exceptions import ConfigError
from telesink.reading._logs import OWN_IN_POSTGRES, SEVERITIES, STORED, SYSTEMPROMPT
from telesink.reading._reader import Reader
from telesink.reading._sql import aware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telesink.retention import Pruned

#: Ids in one statement.
_AT_ONCE = 1_000


class _Unchanged:
    """What stands for "leave it as it is", where None means something."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged()


class Editor(Reader):
    """Reads what was stored, and can change and delete log records.

    Each change is a transaction of its own, which waits for locks no longer than `write_timeout_seconds` (15)
    of the DSN. What is older than some age is better deleted by `telesink.retention`.

    :param dsn: where, as the program writes it: ``sqlite://`` or ``postgresql://``, with its ``preset``.
    :param preset: which tables, if the DSN names none.
    :raises ConfigError: the DSN is wrong, or names a sink that cannot be read.
    :raises TelesinkError: the database is not to be had.

    >>> import telesink
    >>> from telesink.reading import Editor
    >>> with telesink.Pipeline("sqlite:///app.db") as pipeline:
    ...     _ = pipeline.enqueue({"body": "card 4111 1111 1111 1111 refused", "logger": "shop"})
    >>> editor = Editor("sqlite:///app.db")
    >>> editor.update(editor.logs()[0].id, body="card refused")
    True
    >>> editor.logs()[0].body
    'card refused'
    >>> editor.delete(editor.logs()[0].id), editor.logs().total
    (True, 0)
    """

    _to_change = True

    def __init__(self, dsn: str, *, preset: str | None = None) -> None:
        super().__init__(dsn, preset=preset)
        self._dsn = dsn
        self._folder = os.getcwd()
        self._preset = preset

    def update(
        self,
        id: str,  # noqa: A002 - the column's name
        *,
        level: str | None = None,
        logger: str | None = None,
        body: str | None = None,
        attributes: Any = UNCHANGED,
    ) -> bool:
        """Change a log record; what is not given stays as it is.

        :param level: a level's name.
        :param attributes: all of them, anew: a mapping; with ``preset=systemprompt`` also a list, a text or
            None.
        :returns: whether there is a record of that id.
        :raises ConfigError: nothing is given, or something that no record can have.
        """
        logs = self._logs()
        values: dict[str, str] = {}
        literal = self._dialect.literal
        if level is not None:
            name = self._level(level)
            values["level"] = literal(name)
            if logs is not SYSTEMPROMPT:
                values["severity"] = str(SEVERITIES[name])
        for column, name, value in ((logs.logger, "logger", logger), (logs.body, "body", body)):
            if value is not None:
                values[column] = literal(validated_text(name, value))
        if not isinstance(attributes, _Unchanged):
            values[logs.attributes] = self._attributes(attributes)
        if not values:
            message = "there is nothing to change"
            raise ConfigError(message, "give level, logger, body or attributes")
        changes = ", ".join(f"{column} = {value}" for column, value in values.items())
        return self._change(f"UPDATE {self._table} SET {changes} WHERE {self._is_id(id)}") > 0

    def delete(self, id: str) -> bool:  # noqa: A002 - the column's name
        """Delete a log record; answer whether there was one of that id."""
        return self._change(f"DELETE FROM {self._table} WHERE {self._is_id(id)}") > 0

    def delete_many(self, ids: Iterable[str]) -> int:
        """Delete the log records of these ids, a thousand in one transaction; answer how many there were."""
        if isinstance(ids, str):
            message = "delete_many takes ids, and was given one text"
            raise ConfigError(message, f"write delete_many([{ids!r}]), or delete({ids!r})")
        wanted, count = list(ids), 0
        is_uuid = self._logs() is OWN_IN_POSTGRES
        for start in range(0, len(wanted), _AT_ONCE):
            any_of = self._dialect.is_any_id("id", wanted[start : start + _AT_ONCE], is_uuid=is_uuid)
            count += self._change(f"DELETE FROM {self._table} WHERE {any_of}")
        return count

    def delete_older_than(self, moment: datetime) -> Pruned:
        """Delete all log records that are older than that, in small transactions.

        How many it would be says ``logs(until=moment).total``.

        :param moment: without a zone it is local time.
        """
        since_epoch = aware(moment, "moment") - datetime(1970, 1, 1, tzinfo=UTC)
        return self._prune(since_epoch // timedelta(microseconds=1) * 1_000)

    def delete_all(self) -> Pruned:
        """Delete all log records that there are, in small transactions; those from the future stay."""
        return self._prune(time.time_ns())

    def _prune(self, before_unix_nano: int) -> Pruned:
        from telesink.retention import Policy, Retention

        self._logs()
        policies = [Policy(timedelta(0), table="logs")]
        before = max(before_unix_nano, 0)
        return Retention(
            self._dsn, policies, preset=self._preset, folder=self._folder, clock=lambda: before
        ).run()

    @property
    def _table(self) -> str:
        return f"{self._prefix}{self._logs().table}"

    def _is_id(self, id: str) -> str:  # noqa: A002 - the column's name
        return self._dialect.is_id("id", str(id), is_uuid=self._logs() is OWN_IN_POSTGRES)

    def _change(self, sql: str) -> int:
        return self._native.change(sql)

    def _level(self, level: str) -> str:
        name = STORED.get(str(level).upper(), str(level).upper())
        if self._logs() is SYSTEMPROMPT:
            # It has five.
            name = name.replace("FATAL", "ERROR")
        if name not in SEVERITIES:
            message = f"`{level}` is no level"
            raise ConfigError(message, f"use one of {', '.join(SEVERITIES)}")
        return name

    def _attributes(self, attributes: Any) -> str:
        value = validated_attributes(attributes)
        if self._logs() is SYSTEMPROMPT:
            return "NULL" if value is None else self._dialect.literal(_json(value))
        if value is not None and not isinstance(value, dict):
            message = f"attributes are a {type(value).__name__}; expected a mapping"
            raise ConfigError(message, 'give it a name: {"items": [...]}')
        return self._dialect.literal(_json(value or {}))


def _json(value: Any) -> str:
    """Answer JSON that every database takes: a NUL becomes what the writers make of it."""
    text = json.dumps(value, ensure_ascii=False)
    # An even number of backslashes in front of it escapes others.
    return re.sub(r"(?<!\\)((?:\\\\)*)\\u0000", "\\1\u2400", text)


def validated_text(name: str, value: object) -> str:
    """A logger or message as it may be changed to: some text.

    :raises ConfigError: it is empty, or no text.
    """
    if not isinstance(value, str) or not value.strip():
        message = f"`{name}` is {value!r}; expected some text"
        raise ConfigError(message, f"leave `{name}` out to let it be as it is")
    return value


def validated_attributes(value: Any) -> Any:
    """Attributes as they may be changed to: an object, a list, a text or None, as JSON has them.

    :raises ConfigError: it is a bare number or boolean, or nothing that JSON can say.
    """
    if value is not None and not isinstance(value, dict | list | str):
        if isinstance(value, bool | int | float):
            message = f"attributes are {value!r}, a bare value"
            raise ConfigError(message, 'give it a name: {"count": 7}')
        try:
            value = dict(value)
        except (TypeError, ValueError) as error:
            message = f"attributes are a {type(value).__name__}; expected a mapping"
            raise ConfigError(message, 'for example {"count": 7}') from error
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"attributes cannot be said in JSON: {error}"
        raise ConfigError(message, "give texts, numbers, booleans, lists and mappings of these") from error
    return value
