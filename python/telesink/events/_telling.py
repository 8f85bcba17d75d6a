"""Runs, steps and calls as blocks of code: context managers and decorators, plain and asynchronous."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from functools import wraps
from typing import NamedTuple
from uuid import UUID, uuid4

from telesink._context import code_flags, context
from telesink._lifecycle import enqueue
from telesink.events._model import Call, RunStart, RunUpdate, StepEnd, StepError, StepStart

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


class _Place(NamedTuple):
    """Where the code that runs now stands."""

    run_id: str
    step_id: str | None
    to: Destination | None


_place: ContextVar[_Place | None] = ContextVar("telesink_place", default=None)

# Flags of code objects (documented in `inspect`, which takes long to import).
_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80, 0x20, 0x200


def current_run_id() -> str | None:
    """The id of the run that this code belongs to.

    >>> from telesink import events
    >>> events.current_run_id() is None
    True
    """
    place = _place.get()
    return None if place is None else place.run_id


def current_step_id() -> str | None:
    """The id of the step that this code belongs to.

    >>> from telesink import events
    >>> events.current_step_id() is None
    True
    """
    place = _place.get()
    return None if place is None else place.step_id


class _Block:
    """A block of code that is told of: its start, its end, and how it ended."""

    def __init__(self, name: str | None, to: Destination | None) -> None:
        self.name = name
        self._to = to
        self._token: Token[_Place | None] | None = None
        self._context: context | None = None

    def _send(self, event: Mapping[str, Any]) -> None:
        if self._to is None:
            enqueue(event)
        else:
            self._to.enqueue(event)

    def _stand(self, run_id: str, step_id: str | None) -> None:
        """Be where code inside of the block stands; log records inside carry the ids."""
        self._token = _place.set(_Place(run_id, step_id, self._to))
        ids = {"run_id": run_id} if step_id is None else {"run_id": run_id, "step_id": step_id}
        self._context = context(**ids)
        self._context.__enter__()

    def _leave(self) -> None:
        if self._context is not None:
            self._context.__exit__(None, None, None)
            self._context = None
        token, self._token = self._token, None
        if token is None:
            return
        try:
            _place.reset(token)
        except ValueError:
            # Left in another context than entered, as by a generator that another task finishes.
            _place.set(None if token.old_value is Token.MISSING else token.old_value)

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


def _failure(error: BaseException) -> dict[str, str]:
    """An error as it is stored: type and text."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error's own text may be anything
        text = "<no text>"
    return {"type": f"{module}{kind.__qualname__}", "message": text}


class run(_Block):  # noqa: N801 - used like a function
    """A run: ``run:start`` when the block begins, ``run:update`` when it ends, ``finished`` or ``error``.

    :param name: what it is called; of a decorated function, its name.
    :param to: a pipeline, or anything else with ``enqueue``; the process-wide pipeline without one. Steps and
        calls inside go the same way.
    :param id: its id; a new one without.
    :param info: whatever belongs to it. ``run.info`` can be added to until the end.

    What :func:`telesink.context` holds is kept with the run where the run does not say it itself.
    The attributes ``output``, ``status`` and ``info`` are read when the block ends.

    >>> import telesink
    >>> from telesink import events
    >>> @events.run(to=telesink.Pipeline("null://"))
    ... def answer(question):
    ...     return events.current_run_id() is not None
    >>> answer("why?")
    True
    """

    def __init__(  # noqa: PLR0913 - the fields of the event, by name
        self,
        name: str | None = None,
        *,
        to: Destination | None = None,
        id: UUID | str | None = None,  # noqa: A002 - the field's name
        description: str | None = None,
        application: str | None = None,
        environment: str | None = None,
        input: Any = None,  # noqa: A002 - the field's name
        tags: Sequence[str] = (),
        info: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
    ) -> None:
        super().__init__(name, to)
        self.id = str(id or uuid4())
        self.output: Any = None
        self.status: str | None = None
        self.info: dict[str, Any] = {}
        self._given_id = id
        self._start: dict[str, Any] = {
            "description": description,
            "application": application,
            "environment": environment,
            "input": input,
            "tags": list(tags) or None,
            "info": dict(info) if info else None,
            "trace_id": trace_id,
            "span_id": span_id,
        }

    def _again(self) -> Self:
        return type(self)(
            self.name, to=self._to, id=self._given_id, **self._start | {"tags": self._start["tags"] or ()}
        )

    def __enter__(self) -> Self:
        place = _place.get()
        self._to = self._to or (place and place.to)
        self._send(RunStart(id=self.id, name=self.name or "run", **self._start).as_event())
        self._stand(self.id, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        status, info = self.status, dict(self.info)
        if error is not None:
            status = status or "error"
            info.setdefault("error", _failure(error))
        update = RunUpdate(id=self.id, status=status or "finished", output=self.output, info=info or None)
        self._send(update.as_event())


class step(_Block):  # noqa: N801 - used like a function
    """A step of a run: ``step:start``, then ``step:end`` or ``step:error``.

    A step inside of another names it as its parent; one outside of any run makes a run of its own, with its
    name. ``step.output`` and ``step.info`` are read when the block ends.

    :param name: what it is called; of a decorated function, its name.
    :param type: what kind of step it is.

    >>> import telesink
    >>> from telesink import events
    >>> with events.step("search", type="tool", to=telesink.Pipeline("null://")) as step:
    ...     step.output = 3
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        type: str = "step",  # noqa: A002 - the field's name
        to: Destination | None = None,
        id: UUID | str | None = None,  # noqa: A002 - the field's name
        input: Any = None,  # noqa: A002 - the field's name
        tags: Sequence[str] = (),
        info: Mapping[str, Any] | None = None,
        span_id: str | None = None,
    ) -> None:
        super().__init__(name, to)
        self.id = str(id or uuid4())
        self.type = type
        self.output: Any = None
        self.info: dict[str, Any] = {}
        self._given_id = id
        self._start: dict[str, Any] = {
            "input": input,
            "tags": list(tags) or None,
            "info": dict(info) if info else None,
            "span_id": span_id,
        }
        self._run: run | None = None
        self.run_id = ""

    def _again(self) -> Self:
        start = self._start | {"tags": self._start["tags"] or ()}
        return self.__class__(self.name, type=self.type, to=self._to, id=self._given_id, **start)

    def __enter__(self) -> Self:
        place = _place.get()
        if place is None:
            self._run = run(self.name, to=self._to).__enter__()
            place = _Place(self._run.id, None, self._to)
        self._to = self._to or place.to
        self.run_id = place.run_id
        start = StepStart(
            step_id=self.id,
            run_id=self.run_id,
            kind=self.type,
            name=self.name,
            parent_step=place.step_id,
            **self._start,
        )
        self._send(start.as_event())
        self._stand(self.run_id, self.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        ids = {"step_id": self.id, "run_id": self.run_id}
        if error is None:
            self._send(StepEnd(**ids, output=self.output, info=self.info or None).as_event())
        else:
            self._send(StepError(**ids, error=_failure(error)).as_event())
        own, self._run = self._run, None
        if own is not None:
            own.output = self.output
            own.__exit__(kind, error, traceback)

    def returned(self, value: Any) -> Any:
        if self.output is None:
            self.output = value
        return value


class llm_call(_Block):  # noqa: N801 - used like a function
    """A call of a model, told once, when the block ends: what went in, what came out, and how long it took.

    :param provider: who.
    :param model: which.
    :param request: what the provider is sent.
    :param name: the event's type.

    ``call.response`` is read when the block ends, as are ``retries``, ``rate_limited``, ``latency_ms`` (of
    the last attempt; without it the time of the block) and ``meta``. :meth:`usage` takes tokens and costs.

    >>> import telesink
    >>> from telesink import events
    >>> with events.llm_call(provider="acme", model="m-1", to=telesink.Pipeline("null://")) as call:
    ...     call.response = {"text": "yes"}
    """

    def __init__(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        request: Any = None,
        name: str = "llm:call",
        to: Destination | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, to)
        self.provider = provider
        self.model = model
        self.request = request
        self.response: Any = None
        self.retries: int | None = None
        self.rate_limited: bool | None = None
        self.latency_ms: float | None = None
        self.meta: dict[str, Any] = dict(meta or {})
        self._usage: dict[str, Any] = {}
        self._begun = 0.0

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        total_tokens: int | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """Say what the call has used. What is None stays as it was."""
        said = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": total_tokens,
            "cost_usd": cost_usd,
        }
        self._usage.update({name: value for name, value in said.items() if value is not None})

    def _again(self) -> Self:
        return type(self)(
            provider=self.provider,
            model=self.model,
            request=self.request,
            name=self.name or "llm:call",
            to=self._to,
            meta=self.meta,
        )

    def __enter__(self) -> Self:
        place = _place.get()
        self._to = self._to or (place and place.to)
        self._begun = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        passed = round((time.perf_counter() - self._begun) * 1_000)
        place = _place.get()
        call = Call(
            name=self.name or "llm:call",
            run_id=place and place.run_id,
            step_id=place and place.step_id,
            request=self.request,
            response=self.response,
            provider=self.provider,
            model=self.model,
            latency_ms=passed if self.latency_ms is None else self.latency_ms,
            total_latency_ms=passed,
            retries=self.retries,
            rate_limited=self.rate_limited,
            error=None if error is None else _failure(error),
            meta=self.meta or None,
            **self._usage,
        )
        self._send(call.as_event())

    def returned(self, value: Any) -> Any:
        if self.response is None:
            self.response = value
        return value
