"""Context fields: bound once, stored with every record of a request, task or block."""

from __future__ import annotations

from contextvars import ContextVar, Token
from functools import wraps

from telesink import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

_fields: ContextVar[_native.ContextFields | None] = ContextVar("telesink_context", default=None)
_native.set_context_getter(_fields.get)

# An empty text for one of these means "not known here": the value from further out stays.
_KEPT_WHEN_EMPTY = ("task_id", "context_id", "client_id")

# Flags of code objects (documented in `inspect`, which takes long to import).
_COROUTINE, _ASYNC_GENERATOR, _GENERATOR = 0x80, 0x200, 0x20


def _merged(fields: dict[str, Any]) -> _native.ContextFields:
    known = {
        name: value for name, value in fields.items() if name not in _KEPT_WHEN_EMPTY or not _is_empty(value)
    }
    return _native.ContextFields(known, _fields.get())


def _is_empty(value: object) -> bool:
    # Not compared: an array answers with an array, and a class of the program's own with anything.
    return type(value) is str and not value


class context:  # noqa: N801 - used like a function
    """Store fields with every record logged inside: a context manager and a decorator.

    Fields of an inner block win over those of an outer one, and ``extra`` of a call wins over both. They
    follow the task through ``asyncio``, not into other threads. They are encoded once, not per record.

    >>> import telesink
    >>> with telesink.context(user_id="u-7", request_id="r-1"):
    ...     telesink.current_context()
    {'user_id': 'u-7', 'request_id': 'r-1'}
    """

    def __init__(self, /, **fields: Any) -> None:
        self._new = fields
        self._tokens: list[Token[_native.ContextFields | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(_fields.set(_merged(self._new)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token = self._tokens.pop()
        try:
            _fields.reset(token)
        except ValueError:
            # Left in another context than entered, as by a generator that another task finishes.
            _fields.set(None if token.old_value is Token.MISSING else token.old_value)

    def __call__(self, function: Function) -> Function:
        """Run the function inside the context, each call in its own."""
        if isinstance(function, type):
            message = f"context cannot decorate the class {function.__name__}; decorate its methods"
            raise TypeError(message)
        fields = self._new
        flags = code_flags(function)
        wrapper: Any
        if flags & _COROUTINE:

            @wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with context(**fields):
                    return await function(*args, **kwargs)
        elif flags & (_GENERATOR | _ASYNC_GENERATOR):
            message = f"context cannot decorate the generator {_name(function)}; use a with-block inside it"
            raise TypeError(message)
        else:

            @wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with context(**fields):
                    return function(*args, **kwargs)

        return wrapper  # type: ignore[no-any-return]


def code_flags(function: object) -> int:
    """The flags of the code behind a callable: of what a partial calls, of an object's ``__call__``."""
    while hasattr(function, "func") and not hasattr(function, "__code__"):
        function = function.func
    if not hasattr(function, "__code__"):
        function = vars(type(function)).get("__call__")
    flags: int = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return flags


def _name(function: object) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def bind(**fields: Any) -> None:
    """Add fields to the current context until it ends, with the values that they have now.

    >>> import telesink
    >>> with telesink.context(user_id="u-7"):
    ...     telesink.bind(plan="gold")
    ...     telesink.current_context()
    {'user_id': 'u-7', 'plan': 'gold'}
    """
    _fields.set(_merged(fields))


def system_context(component: str | None = None) -> context:
    """Attribute work that no user has caused to the system: a context with an actor of its own.

    Binds ``user_id`` and ``session_id`` to ``system``, a fresh ``trace_id``, and, with a component,
    ``client_id`` to ``system:<component>``. Fields bound inside of it win, as always.

    :param component: the part of the program that works.

    >>> import telesink
    >>> with telesink.system_context("scheduler"):
    ...     sorted(telesink.current_context().items())[:2]
    [('client_id', 'system:scheduler'), ('session_id', 'system')]
    """
    fields = {"user_id": "system", "session_id": "system", "trace_id": new_trace_id()}
    if component:
        fields["client_id"] = f"system:{component}"
    return context(**fields)


def new_trace_id() -> str:
    """A trace id that nobody else has, as 32 hexadecimal digits."""
    return _native.new_span_ids()[:16].hex()


def unbind(*names: str) -> None:
    """Take fields out of the current context; names that are not bound are ignored.

    >>> import telesink
    >>> with telesink.context(user_id="u-7", plan="gold"):
    ...     telesink.unbind("plan")
    ...     telesink.current_context()
    {'user_id': 'u-7'}
    """
    current = _fields.get()
    if current is not None:
        kept = _native.ContextFields({}, current, names)
        _fields.set(kept if kept.as_dict() else None)


def current_context() -> dict[str, Any]:
    """The fields bound here, as a new dict.

    >>> import telesink
    >>> telesink.current_context()
    {}
    """
    current = _fields.get()
    return {} if current is None else current.as_dict()
