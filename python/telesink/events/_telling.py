"""Runs, steps and calls as blocks of code: context managers and decorators, plain and asynchronous."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

from telesink.events._block import Block, Place, current_place, failure, listed
from telesink.events._model import Call, RunStart, RunUpdate, StepEnd, StepError, StepStart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    from telesink.events._block import Destination


class run(Block):  # noqa: N801 - used like a function
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
            "tags": listed(tags),
            "info": dict(info) if info else None,
            "trace_id": trace_id,
            "span_id": span_id,
        }

    def _again(self) -> Self:
        return type(self)(
            self.name, to=self._to, id=self._given_id, **self._start | {"tags": self._start["tags"] or ()}
        )

    def __enter__(self) -> Self:
        place = current_place.get()
        if self._to is None and place is not None:
            self._to = place.to
        self._send(RunStart(id=self.id, name=self.name or "run", **self._start).as_event())
        self._stand(self.id, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        status = self.status
        # The program's own by now, and anything.
        given: object = self.info
        info = dict(given) if isinstance(given, dict) else {}
        if error is not None:
            status = status or "error"
            info.setdefault("error", failure(error))
        update = RunUpdate(id=self.id, status=status or "finished", output=self.output, info=info or None)
        self._send_last(update.as_event(), error)


class step(Block):  # noqa: N801 - used like a function
    """A step of a run: ``step:start``, then ``step:end`` or ``step:error``.

    A step inside of another names it as its parent; one outside of any run makes a run of its own, with its
    name. ``step.output`` and ``step.info`` are read when the block ends well; of one that fails the error is
    the output.

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
            "tags": listed(tags),
            "info": dict(info) if info else None,
            "span_id": span_id,
        }
        #: The runs that were made for this step alone, one for each time that it began.
        self._runs: list[run | None] = []
        self.run_id = ""

    def _again(self) -> Self:
        start = self._start | {"tags": self._start["tags"] or ()}
        return self.__class__(self.name, type=self.type, to=self._to, id=self._given_id, **start)

    def __enter__(self) -> Self:
        place = current_place.get()
        own: run | None = None
        if place is None:
            own = run(self.name, to=self._to).__enter__()
            place = Place(own.id, None, self._to)
        if self._to is None:
            self._to = place.to
        self.run_id = place.run_id
        start = StepStart(
            step_id=self.id,
            run_id=self.run_id,
            kind=self.type,
            name=self.name,
            parent_step=place.step_id,
            **self._start,
        )
        self._runs.append(own)
        try:
            self._send(start.as_event())
        except BaseException as error:
            # The run of its own ends with it.
            self._end_run(error)
            raise
        self._stand(self.run_id, self.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        ids = {"step_id": self.id, "run_id": self.run_id}
        try:
            if error is None:
                self._send(StepEnd(**ids, output=self.output, info=self.info or None).as_event())
            else:
                self._send_last(StepError(**ids, error=failure(error)).as_event(), error)
        finally:
            self._end_run(error)

    def _end_run(self, error: BaseException | None) -> None:
        """End the run that was made for this step alone."""
        own = self._runs.pop()
        if own is not None:
            own.output = self.output
            own.__exit__(None if error is None else type(error), error, None)

    def returned(self, value: Any) -> Any:
        if self.output is None:
            self.output = value
        return value


class llm_call(Block):  # noqa: N801 - used like a function
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
        place = current_place.get()
        if self._to is None and place is not None:
            self._to = place.to
        self._begun = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        passed = round((time.perf_counter() - self._begun) * 1_000)
        place = current_place.get()
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
            error=None if error is None else failure(error),
            meta=self.meta or None,
            **self._usage,
        )
        self._send_last(call.as_event(), error)

    def returned(self, value: Any) -> Any:
        if self.response is None:
            self.response = value
        return value
