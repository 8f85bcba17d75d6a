"""The tables of `postgres_ingest`, and where somebody else is faster."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benches.runner import median
from benches.tables import NONE, markdown, number

if TYPE_CHECKING:
    from collections.abc import Callable

# Name -> title, in the order of the table.
TITLES = {
    "telesink_sink_handle": "telesink, the sink alone (ready `LogRecord`s, queued while it was locked)",
    "telesink_sink_enqueue": "telesink, the sink alone, ready mappings, queued likewise",
    "telesink_handle": "telesink, ready `LogRecord`s through the handler, one thread",
    "telesink_enqueue": "telesink, ready mappings through `Pipeline.enqueue_many`, one thread",
    "telesink_logging": "telesink, `logger.info`, one thread",
    "limit_rust": "the limit: ready bytes, telesink's transaction, tokio-postgres",
    "limit_psycopg": "the limit: the same by psycopg",
    "pgpq": "pgpq, ready Arrow batches, binary COPY by psycopg",
    "asyncpg": "asyncpg, `copy_records_to_table`, ready rows",
    "psycopg_text": "psycopg, COPY as text, `write_row`, ready rows",
    "psycopg_binary": "psycopg, COPY as binary, `set_types` and `write_row`, ready rows",
    "insert_100": "asyncpg, one INSERT for each row, 100 a transaction, ready rows",
}

_LIMITS = ("limit_rust", "limit_psycopg")
_INSERTS = "insert_100"

# What the sink alone has to reach: a share of the limit, processor seconds for a million rows, and a multiple
# of one INSERT for each row.
LIMIT_SHARE_MIN = 0.95
PROCESSOR_SECONDS_MAX = 1.2
INSERTS_RATIO_MIN = 15


def postgres_table(found: dict[str, Any]) -> str:
    """Rows a second, what they cost on both sides, and what became of all records."""
    results = found["results"]
    limit = _limit(results)
    limit_rate, inserts_rate = (median(_done(results, name), "rows_per_second") for name in (limit, _INSERTS))
    rows = []
    for name, title in TITLES.items():
        if not (runs := [run for run in results if run["contestant"] == name]):
            continue
        done = _done(results, name)
        rate = median(done, "rows_per_second")
        offered, delivered, dropped = (
            sum(run.get(key, 0) for run in done) for key in ("offered", "delivered", "dropped")
        )
        accepted = sum(run.get("accepted", run["offered"]) for run in done)
        rows.append(
            [
                f"**{title}**" if name.startswith("telesink") else title,
                number(rate),
                _ratio(rate, limit_rate, 2),
                _ratio(rate, inserts_rate, 1),
                *(number(_per_million(done, key), 2) for key in _SECONDS),
                number(median(done, "bytes_per_row")),
                *(
                    number(count)
                    for count in (offered, accepted, delivered, dropped, offered - delivered - dropped)
                ),
                "; ".join(sorted({run["error"] for run in runs if "error" in run})),
            ]
        )
    head = ["", "rows/s", "/ the limit", "/ INSERT", *_SECONDS.values(), "bytes/row"]
    table = markdown([*head, "offered", "accepted", "delivered", "dropped", "failed", "remarks"], rows)
    return f"{table}\nServer: {found['server']}.\n"


# Key -> title of the column, in seconds for a million rows.
_SECONDS = {
    "processor_seconds": "client CPU s/M rows",
    "threads_seconds": "of it telesink's threads",
    "server_seconds": "server CPU s/M rows",
}


def _done(results: list[dict[str, Any]], name: str | None) -> list[dict[str, Any]]:
    return [run for run in results if run["contestant"] == name and "error" not in run]


def _limit(results: list[dict[str, Any]]) -> str | None:
    """The faster of the two clients that only send."""
    rates = {name: median(_done(results, name), "rows_per_second") for name in _LIMITS}
    known = {name: rate for name, rate in rates.items() if rate is not None}
    return max(known, key=lambda name: known[name], default=None)


def _per_million(runs: list[dict[str, Any]], key: str) -> float | None:
    return median([{key: run[key] / run["offered"] * 1e6} for run in runs if key in run], key)


def _ratio(value: float | None, other: float | None, digits: int) -> str:
    return number(value / other, digits) if value and other else NONE


def postgres_targets(found: dict[str, Any]) -> str:
    """The sink alone beside what it has to reach, run by run."""
    results = found["results"]
    limit = _limit(results)
    lines = []
    for name in ("telesink_sink_handle", "telesink_sink_enqueue"):
        ours = _done(results, name)
        rate = _by_run(results, limit, "rows_per_second")
        shares = [run["rows_per_second"] / rate[run["run"]] for run in ours if run["run"] in rate]
        lines += _line(f"{name}, rows/s / the limit", shares, 3, f"≥ {LIMIT_SHARE_MIN}")
        seconds = [run["threads_seconds"] / run["offered"] * 1e6 for run in ours]
        lines += _line(f"{name}, CPU s/M rows", seconds, 2, f"≤ {PROCESSOR_SECONDS_MAX}")
        rate = _by_run(results, _INSERTS, "rows_per_second")
        ratios = [run["rows_per_second"] / rate[run["run"]] for run in ours if run["run"] in rate]
        lines += _line(f"{name}, rows/s / one INSERT for each row", ratios, 1, f"≥ {INSERTS_RATIO_MIN}")
    return markdown(["", "median", "range over runs", "target"], lines)


def _by_run(results: list[dict[str, Any]], name: str | None, key: str) -> dict[int, float]:
    return {run["run"]: run[key] for run in _done(results, name)}


def _line(name: str, values: list[float], digits: int, target: str) -> list[list[str]]:
    if not values:
        return []
    span = f"{min(values):.{digits}f} … {max(values):.{digits}f}"
    return [[name, f"{statistics.median(values):.{digits}f}", span, target]]


def slower(found: dict[str, Any], line: Callable[[str, float, dict[str, float]], list[str]]) -> list[str]:
    """A line for each of telesink's rows that somebody else outruns."""
    rates = {
        name: rate
        for name in TITLES
        if (rate := median(_done(found["results"], name), "rows_per_second")) is not None
    }
    lines = []
    for name in ("telesink_sink_handle", "telesink_logging"):
        better = {
            TITLES[other]: rate
            for other, rate in rates.items()
            if not other.startswith("telesink") and name in rates and rate > rates[name]
        }
        lines += line(f"rows/s, {TITLES[name]}", rates.get(name, 0.0), better)
    return lines
