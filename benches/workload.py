"""What every contestant is asked to log, so that no two of them do different work."""

from __future__ import annotations

from typing import NoReturn

LOGGER_NAME = "shop.payments"
INVOICE = "invoice-4711"
CUSTOMER = "customer-17"

# The same sentence in the three ways in which the libraries take arguments.
PERCENT_MESSAGE = "paid %s for %s in %d ms"
BRACE_MESSAGE = "paid {} for {} in {} ms"

# Stands in each stored record exactly once, and in no source line that a traceback could quote.
MARKER = f"paid {INVOICE} for "

EXTRA: dict[str, object] = {
    "tenant": "acme",
    "order_id": 8_812_345,
    "amount": 129.95,
    "currency": "EUR",
    "is_retry": False,
}

# `exception_info` is the same exception at level INFO, to see what the level itself costs.
SCENARIOS = ("plain", "extra", "exception")
ALL_SCENARIOS = (*SCENARIOS, "exception_info")


class PaymentError(Exception):
    """Raised only to be logged."""


def fail() -> NoReturn:
    """Raises three frames deep; with the frame that catches it, the traceback has four."""
    _settle()


def _settle() -> NoReturn:
    _charge()


def _charge() -> NoReturn:
    message = "card declined"
    raise PaymentError(message)


def has_exception(scenario: str) -> bool:
    return scenario.startswith("exception")
