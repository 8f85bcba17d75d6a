"""Context fields: bound once, stored with every record of a request, task or block."""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps

from telesink import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
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
    current = _fields.get()
    merged = {} if current is None else current.as_dict()
    for name, value in fields.items():
        if value != "" or name not in _KEPT_WHEN_EMPTY:
            merged[name] = value
    return _native.ContextFields(merged)


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
        _fields.reset(self._tokens.pop())

    def __call__(self, function: Function) -> Function:
        """Run the function inside the context, each call in its own."""
        fields = self._new
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        wrapper: Any
        if flags & _COROUTINE:

            @wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with context(**fields):
                    return await function(*args, **kwargs)
        elif flags & (_GENERATOR | _ASYNC_GENERATOR):
            message = f"context cannot decorate the generator {function.__name__}; use a with-block inside it"
            raise TypeError(message)
        else:

            @wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with context(**fields):
                    return function(*args, **kwargs)

        return wrapper  # type: ignore[no-any-return]


def bind(**fields: Any) -> None:
    """Add fields to the current context until it ends.

    >>> import telesink
    >>> with telesink.context(user_id="u-7"):
    ...     telesink.bind(plan="gold")
    ...     telesink.current_context()
    {'user_id': 'u-7', 'plan': 'gold'}
    """
    _fields.set(_merged(fields))


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
        kept = {name: value for name, value in current.as_dict().items() if name not in names}
        _fields.set(_native.ContextFields(kept) if kept else None)


def current_context() -> dict[str, Any]:
    """The fields bound here, as a new dict.

    >>> import telesink
    >>> telesink.current_context()
    {}
    """
    current = _fields.get()
    return {} if current is None else current.as_dict()
