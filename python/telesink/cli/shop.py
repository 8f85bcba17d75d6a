"""Made-up traffic: requests to a small shop with an assistant that calls a language model.

All that is random comes from one seed, so that the same seed makes the same records. Nothing waits for
anything: the latencies are invented, the exceptions are raised for real.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

import telesink

web = logging.getLogger("shop.web")
cart = logging.getLogger("shop.cart")
payment = logging.getLogger("shop.payment")
stock = logging.getLogger("shop.stock")
assistant = logging.getLogger("shop.assistant")

ARTICLES = ("kettle", "teapot", "green tea", "oolong", "filter papers", "mug", "honey", "scale")
QUESTIONS = ("which tea for the evening?", "does the kettle keep 80 degrees?", "where is my parcel?")
PROVIDERS = ("card", "transfer", "invoice")

#: Models with their provider, in OpenTelemetry's words, and their invented price in dollars for a million
#: tokens.
MODELS = (("made-up-large", "example", 3.0), ("made-up-small", "example", 0.25))

#: HTTP's status from which on the server is at fault.
SERVER_ERROR = 500

#: How often a provider is asked before an order counts as not paid.
ATTEMPTS_MAX = 3

#: After so many orders that were not paid a provider is switched off.
UNPAID_MAX = 2

#: The model is given up after so long without a token.
PATIENCE_SECONDS = 10.0

#: Calls whose duration is kept: enough for a median, and a bound on memory.
SAMPLES_MAX = 100_000


class PaymentError(Exception):
    """An order could not be paid."""


class AssistantError(Exception):
    """A question could not be answered."""


class Shop:
    """The shop as one thread serves it.

    Args:
        seed: decides about all that happens.
        trouble: how likely a provider fails, from 0 to 1.
    """

    def __init__(self, seed: str, trouble: float) -> None:
        self.records = 0
        self.samples: list[int] = []
        self._trouble = trouble
        self._unpaid = 0
        self._random = random.Random(seed)  # noqa: S311 - made-up traffic has to repeat, and protects nothing
        self._routes: tuple[tuple[str, Callable[[], int]], ...] = (
            ("GET /articles", self._browse),
            ("POST /cart", self._fill),
            ("POST /orders", self._check_out),
            ("POST /questions", self._ask),
        )
        self._trace: dict[str, Any] = {}
        self._trace_id = ""

    def serve(self) -> None:
        """Serve one request, which makes about seven records."""
        self._trace_id = f"{self._random.getrandbits(128):032x}"
        # The names under which OpenTelemetry's instrumentation of `logging` hands ids over.
        self._trace = {"otelTraceID": self._trace_id, "otelSpanID": f"{self._random.getrandbits(64):016x}"}
        visitor = self._random.randrange(200)
        with telesink.context(
            request_id=f"r-{self._random.getrandbits(32):08x}",
            user_id=f"u-{visitor:03}",
            session_id=f"s-{visitor:03}",
        ):
            route, action = self._random.choices(self._routes, (40, 25, 20, 15))[0]
            self._log(web.debug, "%s begins", route)
            status = action()
            answer = web.info if status < SERVER_ERROR else web.error
            self._log(answer, "%s %d", route, status, status=status, duration_ms=self._latency(40))

    def _log(self, call: Callable[..., None], message: str, *arguments: object, **fields: object) -> None:
        started = time.perf_counter_ns()
        # Level 2 is the caller of this method: there the record is said to come from.
        call(message, *arguments, extra={**self._trace, **fields}, stacklevel=2)
        self._count(time.perf_counter_ns() - started)

    def _count(self, duration_nano: int) -> None:
        self.records += 1
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(duration_nano)

    def _latency(self, usual_ms: float) -> float:
        slow = 20 if self._is_trouble() else 1
        return round(self._random.lognormvariate(0, 0.4) * usual_ms * slow, 2)

    def _happens(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def _is_trouble(self) -> bool:
        return self._happens(self._trouble)

    def _article(self) -> str:
        return self._random.choice(ARTICLES)

    def _browse(self) -> int:
        for _ in range(self._random.randint(2, 4)):
            article = self._article()
            self._log(stock.debug, "looked up %s", article, article=article, hit=self._happens(0.9))
        return 200

    def _fill(self) -> int:
        article, pieces = self._article(), self._random.randint(1, 3)
        left = self._random.randint(0, 60)
        self._log(cart.info, "added %d x %s", pieces, article, article=article, pieces=pieces)
        self._log(stock.debug, "reserved %s", article, article=article, left=left)
        if left < pieces * 2:
            self._log(stock.warning, "%s runs low, %d left", article, left, article=article, left=left)
        return 200

    def _check_out(self) -> int:
        order, total = f"o-{self._random.randrange(10**6):06}", round(self._random.uniform(4, 180), 2)
        self._log(cart.info, "order %s placed", order, order_id=order, total=total, currency="EUR")
        provider = self._random.choice(PROVIDERS)
        # The key is there to be hidden: look for it in the database.
        self._log(payment.debug, "charging %s", provider, order_id=order, api_key="sk-not-for-the-log")
        try:
            self._charge(provider)
        except PaymentError:
            self._log(payment.exception, "order %s was not paid", order, order_id=order, provider=provider)
            self._unpaid += 1
            if self._unpaid % UNPAID_MAX == 0:
                self._log(
                    payment.critical, "%s has failed too often, switched off", provider, provider=provider
                )
            return 502
        self._log(payment.info, "order %s paid", order, order_id=order, provider=provider, total=total)
        self._log(
            stock.info, "order %s is being packed", order, order_id=order, parcels=self._random.randint(1, 2)
        )
        return 201

    def _charge(self, provider: str) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                self._connect(provider)
            except ConnectionError as error:
                if attempt == ATTEMPTS_MAX:
                    raise PaymentError(f"{provider} did not answer in {attempt} attempts") from error
                self._log(payment.warning, "%s did not answer, trying again", provider, attempt=attempt)
            else:
                return

    def _connect(self, provider: str) -> None:
        if self._is_trouble():
            raise ConnectionResetError(104, f"connection reset by {provider}")

    def _ask(self) -> int:
        question = self._random.choice(QUESTIONS)
        self._log(assistant.debug, "retrieved %d passages", self._random.randint(2, 8), question=question)
        model, provider, price = self._random.choices(MODELS, (30, 70))[0]
        try:
            self._complete(model, provider, price)
        except AssistantError:
            self._log(assistant.exception, "no answer from %s", model, question=question)
            return 504
        self._log(assistant.info, "answered", question=question, helpful=self._happens(0.8))
        return 200

    def _complete(self, model: str, provider: str, price: float) -> None:
        tokens_in, tokens_out = self._random.randint(300, 4_000), self._random.randint(20, 900)
        seconds = self._latency(900) / 1_000
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": tokens_in,
            "gen_ai.usage.output_tokens": tokens_out,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.time_to_first_chunk": round(seconds / 4, 3),
            "duration_seconds": round(seconds, 3),
            "cost_usd": round((tokens_in + 4 * tokens_out) * price / 1_000_000, 6),
        }
        try:
            self._stream(seconds)
        except TimeoutError as error:
            attributes |= {"error.type": "TimeoutError", "gen_ai.response.finish_reasons": ["error"]}
            raise AssistantError(f"{model} was too slow") from error
        finally:
            self._enqueue_model_call(model, attributes)

    def _enqueue_model_call(self, model: str, attributes: dict[str, Any]) -> None:
        started = time.perf_counter_ns()
        telesink.enqueue(
            {
                "body": f"chat {model}",
                "level": "WARNING" if "error.type" in attributes else "INFO",
                "logger": assistant.name,
                "event_name": "gen_ai.client.inference.operation.details",
                "trace_id": self._trace_id,
                "attributes": attributes,
            }
        )
        self._count(time.perf_counter_ns() - started)

    @staticmethod
    def _stream(seconds: float) -> None:
        if seconds > PATIENCE_SECONDS:
            raise TimeoutError(f"no token for {seconds:.0f} seconds")
