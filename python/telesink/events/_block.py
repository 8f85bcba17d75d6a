"""A block of code that is told of: where it stands, how it is left, and how a function is made one."""

from __future__ import annotations

from contextvars import ContextVar, Token
from functools import wraps
from typing import NamedTuple

from telesink._context import code_flags, context
from telesink._lifecycle import enqueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Protocol, Self, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

    class Destination(Protocol):
        """Whatever takes events: a pipeline, or a feed of one."""

        def enqueue(self, record: Mapping[str, Any], /) -> bool:
            """Take an event."""
            ...


class Place(NamedTuple):
    """Where the code that runs now stands."""

    run_id: str
    step_id: str | None
    to: Destination | None


current_place: ContextVar[Place | None] = ContextVar("telesink_place", default=None)

# Flags of code objects (documented in `inspect`, which takes long to import).
_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80, 0x20, 0x200


def current_run_id() -> str | None:
    """The id of the run that this code belongs to.

    >>> from telesink import events
    >>> events.current_run_id() is None
    True
    """
    place = current_place.get()
    return None if place is None else place.run_id


def current_step_id() -> str | None:
    """The id of the step that this code belongs to.

    >>> from telesink import events
    >>> events.current_step_id() is None
    True
    """
    place = current_place.get()
    return None if place is None else place.step_id


class Block:
    """A block of code that is told of: its start, its end, and how it ended."""

    def __init__(self, name: str | None, to: Destination | None) -> None:
        self.name = name
        self._to = to
        #: What was bound when a block began; a block may stand inside of itself.
        self._bound: list[tuple[Token[Place | None], context]] = []

    def _send(self, event: Mapping[str, Any]) -> None:
        if self._to is None:
            enqueue(event)
        else:
            self._to.enqueue(event)

    def _send_last(self, event: Mapping[str, Any], error: BaseException | None) -> None:
        """Send, but never in place of an error that is on its way."""
        try:
            self._send(event)
        except Exception:
            if error is None:
                raise

    def _stand(self, run_id: str, step_id: str | None) -> None:
        """Be where code inside of the block stands; log records inside carry the ids."""
        token = current_place.set(Place(run_id, step_id, self._to))
        ids = {"run_id": run_id} if step_id is None else {"run_id": run_id, "step_id": step_id}
        fields = context(**ids)
        fields.__enter__()
        self._bound.append((token, fields))

    def _leave(self) -> None:
        token, fields = self._bound.pop()
        fields.__exit__(None, None, None)
        try:
            current_place.reset(token)
        except ValueError:
            # Left in another context than entered, as by a generator that another task finishes.
            current_place.set(None if token.old_value is Token.MISSING else token.old_value)

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def _again(self) -> Self:
        """A block like this one, for one call of a function."""
        raise NotImplementedError

    def __call__(self, function: Function) -> Function:
        """Tell of each call of a function, plain or asynchronous."""
        if isinstance(function, type):
            message = (
                f"{type(self).__name__} cannot decorate the class {function.__name__}; decorate its methods"
            )
            raise TypeError(message)
        flags = code_flags(function)
        label = getattr(function, "__name__", None) or type(function).__name__
        if flags & (_GENERATOR | _ASYNC_GENERATOR):
            message = (
                f"{type(self).__name__} cannot decorate the generator {label}; use a with-block inside it"
            )
            raise TypeError(message)
        wrapper: Any
        if flags & _COROUTINE:

            @wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self._named(label) as block:
                    return block.returned(await function(*args, **kwargs))
        else:

            @wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self._named(label) as block:
                    return block.returned(function(*args, **kwargs))

        return wrapper  # type: ignore[no-any-return]

    def _named(self, label: str) -> Self:
        block = self._again()
        block.name = block.name or label
        return block

    def returned(self, value: Any) -> Any:
        """What a decorated function returns; the block's output, if that has none yet."""
        return value


def listed(tags: Sequence[str]) -> list[str] | None:
    """Tags as a list; None if there are none."""
    if isinstance(tags, str):
        message = f"tags is the text {tags!r}; expected a list of texts"
        raise TypeError(message)
    return list(tags) or None


def failure(error: BaseException) -> dict[str, str]:
    """An error as it is stored: type and text."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error's own text may be anything
        text = "<no text>"
    return {"type": f"{module}{kind.__qualname__}", "message": text}
