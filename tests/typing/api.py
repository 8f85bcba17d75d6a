"""The types of the public API, as a type checker sees them. Checked by mypy, never run."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, assert_type

from opentelemetry.sdk.trace import TracerProvider

import telesink
import telesink.opentelemetry
from telesink.testing import capture


def installing() -> None:
    """One line, in all its forms."""
    assert_type(telesink.install_logging(), telesink.LogHandler)
    assert_type(telesink.install_logging("sqlite:///app.db"), telesink.LogHandler)
    telesink.install_logging(["memory://", "console://"], level="DEBUG")
    telesink.install_logging(("memory://",), level=10, logger="shop", loggers=["other"], add=True)
    telesink.install_logging("memory://", logger=logging.getLogger("shop"), settings=telesink.Settings())
    telesink.install_logging("sqlite:///app.db", synchronous="full", queue_bytes_max="32 MiB")
    telesink.install_logging(7)  # type: ignore[arg-type]
    telesink.install_logging("memory://", "DEBUG")  # type: ignore[call-arg]
    telesink.install_logging("memory://", level=None)  # type: ignore[arg-type]
    telesink.install_logging("memory://", settings={})  # type: ignore[arg-type]


def handling() -> None:
    """A handler is a handler of the standard library."""
    handler: logging.Handler = telesink.LogHandler("memory://", "INFO", records_max=7)
    logging.getLogger().addHandler(handler)
    own = telesink.LogHandler()
    assert_type(own.pipeline, telesink.Pipeline)
    assert_type(own.stats(), telesink.Stats)
    telesink.LogHandler(level=None)  # type: ignore[arg-type]


def piping() -> None:
    """A pipeline takes any mapping."""
    with telesink.Pipeline("memory://", settings=telesink.Settings(), records_max=7) as pipeline:
        assert_type(pipeline, telesink.Pipeline)
        assert_type(pipeline.enqueue({"body": "paid", "level": 20}), bool)
        assert_type(pipeline.enqueue(MappingProxyType({"body": "paid"})), bool)
        assert_type(pipeline.enqueue_many({"body": str(number)} for number in range(3)), int)
        assert_type(pipeline.add_sink("null://", name="n", level="INFO", include=["a"], exclude={"b"}), str)
        assert_type(pipeline.remove_sink("n", timeout_seconds=1), telesink.Stats)
        assert_type(pipeline.recent(10, level="ERROR", logger="shop"), list[dict[str, Any]])
        assert_type(pipeline.sinks, list[str])
        assert_type(pipeline.level, int)
        pipeline.set_level("memory", "WARNING")
        pipeline.set_redaction(telesink.Redaction(names=["iban"]))
        pipeline.set_redaction(redact=False)
        assert_type(pipeline.close(timeout_seconds=1.5), telesink.Receipt)
    pipeline.enqueue("paid")  # type: ignore[arg-type]
    pipeline.enqueue({7: "paid"})  # type: ignore[dict-item]
    pipeline.sinks = []  # type: ignore[misc]
    telesink.Pipeline("memory://", telesink.Settings())  # type: ignore[call-arg]


def setting() -> None:
    """Settings take words and answer numbers."""
    settings = telesink.Settings(
        queue_records_max=7,
        queue_bytes_max="64 MiB",
        linger_seconds=None,
        urgent_level="WARNING",
        write_timeout_seconds="2 s",
        dead_letter=Path("refused.ndjson"),
        redact=telesink.Redaction(patterns=["x"], secrets=("s",), keep=set(), defaults=False),
        resource={"service.version": "1"},
    )
    assert_type(settings.queue_bytes_max, int)
    assert_type(settings.linger_seconds, float | None)
    assert_type(settings.dead_letter, str | None)
    assert_type(settings.redact, bool | telesink.Redaction)
    assert_type(settings.replace(when_full="block"), telesink.Settings)
    assert_type(settings.origin("redact"), str)
    settings.when_full = "block"  # type: ignore[misc]
    assert_type(settings.as_dict(), dict[str, Any])
    telesink.Settings(7)  # type: ignore[call-arg]
    telesink.Settings(queue_record_max=7)  # type: ignore[call-arg]
    telesink.Settings(queue_records_max=None)  # type: ignore[arg-type]


def counting() -> None:
    """Counters are numbers, by name and by cause."""
    stats = telesink.stats()
    assert_type(stats, dict[str, telesink.Stats])
    one = stats["memory"]
    assert_type(one.delivered, int)
    assert_type(one.rejected, Mapping[str, int])
    assert_type(one.sinks, Mapping[str, telesink.Stats])
    one.offered = 7  # type: ignore[misc]
    assert_type(one.state, str)
    assert_type(one.as_dict(), dict[str, Any])
    receipt = telesink.flush(timeout_seconds=1)
    assert_type(receipt, telesink.Receipt)
    assert_type(receipt.complete, bool)
    assert_type(bool(receipt), bool)
    assert_type(receipt.seconds, float)
    assert_type(telesink.shutdown(), telesink.Receipt)
    assert_type(telesink.enqueue({"body": "paid"}), bool)
    assert_type(telesink.recent(), list[dict[str, Any]])
    assert_type(telesink.__version__, str)


async def waiting(pipeline: telesink.Pipeline) -> None:
    """Both kinds of flush can be awaited."""
    assert_type(await telesink.aflush(), telesink.Receipt)
    assert_type(await pipeline.aflush(1.0), telesink.Receipt)


@telesink.context(job="import")
def decorated(number: int, *, name: str = "") -> list[str]:
    """Keep the signature of a decorated function."""
    return [name] * number


@telesink.context(job="import")
async def decorated_coroutine(number: int) -> str:
    """Keep the signature of a decorated coroutine."""
    return str(number)


def binding() -> None:
    """Context fields have any name and any value."""
    with telesink.context(user_id="u-7", order=7):
        telesink.bind(items=["A7"])
        telesink.unbind("items", "order")
    assert_type(telesink.current_context(), dict[str, Any])
    assert_type(decorated(1, name="a"), list[str])
    assert_type(asyncio.run(decorated_coroutine(1)), str)
    decorated("1")  # type: ignore[arg-type]
    telesink.unbind(7)  # type: ignore[arg-type]


def failing() -> None:
    """Errors carry a hint, and one class catches them all."""
    try:
        telesink.Pipeline("sqlit:///app.db")
    except telesink.ConfigError as error:
        assert_type(error.hint, str)
        value_error: ValueError = error
        telesink_error: telesink.TelesinkError = error
        print(value_error, telesink_error)
    except (telesink.ConnectError, telesink.AuthError, telesink.SchemaError) as error:
        assert_type(error.message, str)


def testing() -> None:
    """What a test sees."""
    with capture(level="INFO", logger="shop") as captured:
        assert_type(captured.bodies, list[str])
        assert_type(captured.records, list[dict[str, Any]])
        assert_type(captured[0], dict[str, Any])
        assert_type(len(captured), int)


@telesink.traced
def traced(number: int) -> list[str]:
    """Keeps its type."""
    return [str(number)]


@telesink.traced("a name", amount=7)
async def traced_coroutine(number: int) -> str:
    """Keeps its type, too."""
    return str(number)


def spans() -> None:
    """Spans without the SDK."""
    with telesink.span("pay", amount=7) as pay:
        pay.set_attribute("currency", "EUR")
        pay.add_event("asked", bank="B")
        assert_type(pay.span_id, str)
    assert_type(telesink.current_span_id(), str | None)
    assert_type(traced(1), list[str])
    assert_type(asyncio.run(traced_coroutine(1)), str)
    traced("1")  # type: ignore[arg-type]


def opentelemetry() -> None:
    """The adapters are what the SDK takes."""
    provider = TracerProvider()
    processor = telesink.opentelemetry.SpanProcessor("null://", linger_seconds=0.1)
    provider.add_span_processor(processor)
    assert_type(processor.force_flush(1_000), bool)
    assert_type(processor.pipeline, telesink.Pipeline)
    installation = telesink.opentelemetry.install(resource={"service.name": "shop"})
    assert_type(installation, telesink.opentelemetry.Installation)
