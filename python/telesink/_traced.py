"""The decorator that runs a function inside a span."""

from __future__ import annotations

from functools import wraps

from telesink._context import code_flags
from telesink._span import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from typing import Any, Protocol, TypeVar, overload

    Function = TypeVar("Function", bound=Callable[..., Any])

    class Traced(Protocol):
        """Decorates a function, or makes a decorator."""

        @overload
        def __call__(self, function: Function, /) -> Function: ...
        @overload
        def __call__(
            self, name: str | None = None, /, **attributes: Any
        ) -> Callable[[Function], Function]: ...


# Flags of code objects (documented in `inspect`, which takes long to import).
_COROUTINE, _ASYNC_GENERATOR, _GENERATOR = 0x80, 0x200, 0x20


def _traced(function: Any = None, /, **attributes: Any) -> Any:
    """Run a function inside a :class:`span` of its own: a decorator, with or without a name and attributes.

    The name is the function's, unless another is given. Coroutine functions, generators and asynchronous
    generators are timed from their first step to their last; a generator's span is the current one only while
    its own code runs.

    >>> import telesink
    >>> @telesink.traced
    ... def pay(amount):
    ...     return telesink.current_span_id() is not None
    >>> pay(12)
    True
    >>> @telesink.traced("settle the day", currency="EUR")
    ... async def settle():
    ...     pass
    """
    if isinstance(function, str) or function is None:
        name = function

        def decorate(inner: Function) -> Function:
            return _wrapped(inner, name, attributes)  # type: ignore[no-any-return] # as `wraps` has it

        return decorate
    return _wrapped(function, None, attributes)


#: Importing `typing`, for overloads, would take longer than importing telesink.
traced: Traced = _traced
_traced.__name__ = _traced.__qualname__ = "traced"


def _wrapped(function: Any, name: str | None, attributes: dict[str, Any]) -> Any:
    if isinstance(function, type) or not callable(function):
        message = f"traced cannot decorate {function!r}; decorate a function, or the methods of a class"
        raise TypeError(message)
    label = name or getattr(function, "__qualname__", None) or type(function).__name__
    scope = getattr(function, "__module__", None) or "telesink"

    def new() -> span:
        one = span(label, **attributes)
        one._scope = scope  # noqa: SLF001 - the other half
        return one

    flags = code_flags(function)
    wrapper: Any
    if flags & _COROUTINE:

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with new():
                return await function(*args, **kwargs)
    elif flags & _ASYNC_GENERATOR:

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return _drive_async(new(), function(*args, **kwargs))
    elif flags & _GENERATOR:

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return _drive(new(), function(*args, **kwargs))
    else:

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with new():
                return function(*args, **kwargs)

    return wrapper


def _drive(one: span, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Hand a generator's items on, with the span current while its code runs."""
    one.begin()
    step, argument = generator.send, None
    try:
        while True:
            one.enter()
            try:
                item = step(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                one.leave()
            try:
                step, argument = generator.send, (yield item)
            except GeneratorExit:
                # What it does at its end is done inside of the span, too.
                one.enter()
                try:
                    generator.close()
                finally:
                    one.leave()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in for the generator
                step, argument = generator.throw, error
    except Exception as error:
        one.fail(error)
        raise
    finally:
        one.end()


async def _drive_async(one: span, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """The same for an asynchronous generator."""
    one.begin()
    step, argument = generator.asend, None
    try:
        while True:
            one.enter()
            try:
                item = await step(argument)
            except StopAsyncIteration:
                return
            finally:
                one.leave()
            try:
                step, argument = generator.asend, (yield item)
            except GeneratorExit:
                one.enter()
                try:
                    await generator.aclose()
                finally:
                    one.leave()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in for the generator
                step, argument = generator.athrow, error
    except Exception as error:
        one.fail(error)
        raise
    finally:
        one.end()
