"""A table of the user's: which field of a record goes into which column."""

from __future__ import annotations

from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Column:
    """What a column is given.

    :param source: where its value comes from: ``time``, ``observed_time``, ``id``, ``level``,
        ``level_of_five`` (TRACE, DEBUG, INFO, WARN, ERROR), ``severity``, ``logger``, ``body``,
        ``event_name``, ``trace_id``, ``span_id``, ``service``, ``attributes`` (those without a column of
        their own, as JSON) or ``attributes.NAME``.
    :param default: the value where a record has none.
    :param required: whether a record without a value is refused (and goes to the dead-letter file).

    >>> import telesink
    >>> telesink.Column("attributes.tenant", default="nobody")
    Column('attributes.tenant', default='nobody')
    """

    __slots__ = ("default", "required", "source")

    def __init__(
        self, source: str | None = None, *, default: str | float | None = None, required: bool = False
    ) -> None:
        self.source = source
        self.default = default
        self.required = required

    def __repr__(self) -> str:
        parts = [] if self.source is None else [repr(self.source)]
        parts += [] if self.default is None else [f"default={self.default!r}"]
        parts += ["required=True"] if self.required else []
        return f"Column({', '.join(parts)})"

    def _form(self) -> dict[str, object]:
        form: dict[str, object] = {"from": self.source, "default": self.default, "required": self.required}
        return {name: value for name, value in form.items() if value is not None and value is not False}


class TableMap:
    """A table that is there already, and what telesink puts into its columns.

    The table is looked at when a connection is made: a column that is missing, or one that must be filled and
    has no place in the map, holds the records and says so. Text is cut to the column, numbers to what it
    holds, a text that is no UUID leaves a nullable column empty; records mended so are counted
    (``stats().mended``). Columns that are not in the map are left to their defaults.

    :param table: the table's name as SQL takes it (``audit.logs``; in SQLite without a schema).
    :param columns: by the name of the column: a source, or a :class:`Column`.
    :raises ConfigError: no columns; what a source can be is checked when the pipeline is opened.

    >>> import telesink
    >>> log = telesink.TableMap("app_log", {"at": "time", "message": "body", "tenant": "attributes.tenant"})
    >>> pipeline = telesink.Pipeline("sqlite:///app.db", table_map=log)
    """

    __slots__ = ("columns", "table")

    def __init__(self, table: str, columns: Mapping[str, str | Column]) -> None:
        if not columns:
            message = f"the map of table {table!r} has no columns"
            raise ConfigError(message, 'for example {"message": "body", "at": "time"}')
        self.table = table
        self.columns = {
            name: column if isinstance(column, Column) else Column(column) for name, column in columns.items()
        }

    def __str__(self) -> str:
        """Answer the map as the option ``table_map`` of a DSN takes it."""
        import json

        columns = {name: column._form() for name, column in self.columns.items()}  # noqa: SLF001 - its half
        return json.dumps({"table": self.table, "columns": columns})

    def __repr__(self) -> str:
        return f"TableMap({self.table!r}, {self.columns!r})"
