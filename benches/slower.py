"""Where telesink loses, found in the results rather than remembered."""

from __future__ import annotations

from typing import Any

from benches import postgres_tables, sqlite_ingest, tables
from benches.registry import CONTESTANTS
from benches.runner import median

# What is compared, then scenario, mode, threads, and the key of the figure.
_HOT_PATH = (
    ("a plain call, one thread, ns", "plain", "flood", 1, "ns_per_call"),
    ("a call with five extra fields, ns", "extra", "flood", 1, "ns_per_call"),
    ("a call with an exception, ns", "exception", "flood", 1, "ns_per_call"),
    ("p99 of a plain call, one thread, ns", "plain", "flood", 1, "p99"),
    ("p99.9 of a plain call, one thread, ns", "plain", "flood", 1, "p999"),
    ("p99 of a plain call, paced, ns", "plain", "paced", 1, "p99"),
    ("a plain call, four threads, ns of wall time", "plain", "flood", 4, "wall_ns_per_call"),
    ("p99 of a plain call, four threads, ns", "plain", "flood", 4, "p99"),
)

# A contestant that reached less of the 20,000 records/s left the work undone, and is not compared.
_RATE_SHARE_MIN = 0.95


def text(found: dict[str, dict[str, Any] | None]) -> str:
    """A line for each comparison that somebody else wins; peers that store nothing do not take part."""
    lines = [*_hot_path(found["hot_path"]), *_disturbance(found["disturbance"])]
    lines += [*_sqlite(found["sqlite_ingest"]), *_postgres(found["postgres_ingest"])]
    lines += _import(found["import_time"])
    if not any(found.values()):
        return "*Not measured yet.*\n"
    return "".join(f"- {line}\n" for line in lines) or "Nowhere in these tables.\n"


def _line(what: str, ours: float, better: dict[str, float], digits: int = 0) -> list[str]:
    if not better:
        return []
    listed = ", ".join(f"{title} {tables.number(value, digits)}" for title, value in better.items())
    return [f"{what}: {listed}; telesink {tables.number(ours, digits)}"]


def _hot_path(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    lines = []
    for what, scenario, mode, threads, key in _HOT_PATH:
        values = _medians(
            found["results"], key, lambda run, case=(scenario, mode, threads): case == _case(run)
        )
        ours = values.pop("telesink", None)
        if ours is not None:
            lines += _line(
                what, ours, {_title(name): value for name, value in values.items() if value < ours}
            )
    return lines


def _disturbance(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    shares = _medians(found["results"], "share", lambda _run: True)
    rates = _medians(found["results"], "records_per_second", lambda _run: True)
    ours = shares.pop("telesink", None)
    if ours is None:
        return []
    better = {
        _title(name): 100 * share
        for name, share in shares.items()
        if share > ours and rates[name] >= _RATE_SHARE_MIN * 20_000
    }
    return _line("% of its speed that a busy thread keeps", 100 * ours, better, 1)


def _sqlite(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    rates = {
        name: rate
        for name in sqlite_ingest.TITLES
        if (rate := median([run for run in found["results"] if run["contestant"] == name], "rows_per_second"))
    }
    lines = []
    for name in ("telesink_sink", "telesink_logging"):
        better = {
            sqlite_ingest.TITLES[other]: rate
            for other, rate in rates.items()
            if not other.startswith("telesink") and name in rates and rate > rates[name]
        }
        lines += _line(f"rows/s, {sqlite_ingest.TITLES[name]}", rates.get(name, 0.0), better)
    return lines


def _postgres(found: dict[str, Any] | None) -> list[str]:
    return [] if found is None else postgres_tables.slower(found, _line)


def _import(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    modules = {run["module"] for run in found["results"] if "module" in run}
    times = {
        module: time
        for module in sorted(modules)
        if (time := median([run for run in found["results"] if run.get("module") == module], "milliseconds"))
    }
    ours = times.pop("telesink", None)
    if ours is None:
        return []
    return _line("import, ms", ours, {name: time for name, time in times.items() if time < ours}, 1)


def _medians(results: list[dict[str, Any]], key: str, is_wanted: Any) -> dict[str, float]:
    """One figure for telesink and for each peer that stores what it is given."""
    values = {}
    for name, contestant in CONTESTANTS.items():
        runs = [run for run in results if run["contestant"] == name and is_wanted(run)]
        is_other_way = name.startswith("telesink_")
        if contestant.writes and not is_other_way and (value := median(runs, key)) is not None:
            values[name] = value
    return values


def _case(run: dict[str, Any]) -> tuple[str, str, int]:
    return run["scenario"], run["mode"], run["threads"]


def _title(name: str) -> str:
    return CONTESTANTS[name].title
