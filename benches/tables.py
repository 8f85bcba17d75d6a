"""The markdown tables, for the terminal and for the page."""

from __future__ import annotations

import statistics
from typing import Any

from benches.registry import CONTESTANTS
from benches.runner import median

# Stands where there is no figure.
NONE = "-"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table; all columns but the first are numbers, and stand on the right."""
    align = ["---", *("---:" for _ in head[1:])]
    return "".join("| " + " | ".join(row) + " |\n" for row in (head, align, *rows))


def number(value: float | None, digits: int = 0) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def hot_path_tables(found: dict[str, Any]) -> str:
    """Cost to the caller, then what became of the records."""
    results = found["results"]
    names = [name for name in CONTESTANTS if any(result["contestant"] == name for result in results)]
    return (
        "Nanoseconds a call, flood of one thread (`ratio` = against NullHandler; paced: 20,000 records/s)\n\n"
        f"{_one_thread(results, names)}\n"
        "Four threads, plain message, nanoseconds\n\n"
        f"{_four_threads(results, names)}\n"
        "What became of the records, all runs of the plain flood of one thread together\n\n"
        f"{_outcomes(results, names)}\n"
    )


def _of(results: list[dict[str, Any]], name: str, *case: object) -> list[dict[str, Any]]:
    """The runs of one contestant in one case: scenario, mode, threads."""
    return [
        result
        for result in results
        if result["contestant"] == name and (result["scenario"], result["mode"], result["threads"]) == case
    ]


def _one_thread(results: list[dict[str, Any]], names: list[str]) -> str:
    null = median(_of(results, "null", "plain", "flood", 1), "ns_per_call")
    rows = []
    for name in names:
        plain = _of(results, name, "plain", "flood", 1)
        cost = median(plain, "ns_per_call")
        paced = _of(results, name, "plain", "paced", 1)
        rows.append(
            [
                _title(name),
                number(cost),
                number(cost / null if cost and null else None, 2),
                number(median(plain, "p50")),
                number(median(plain, "p99")),
                number(median(plain, "p999")),
                number(median(_of(results, name, "extra", "flood", 1), "ns_per_call")),
                number(median(_of(results, name, "exception", "flood", 1), "ns_per_call")),
                number(median(paced, "p50")),
                number(median(paced, "p99")),
            ]
        )
    head = ["", "plain", "ratio", "p50", "p99", "p99.9", "extra", "exception", "paced p50", "paced p99"]
    return markdown(head, rows)


def _four_threads(results: list[dict[str, Any]], names: list[str]) -> str:
    rows = []
    for name in names:
        flood = _of(results, name, "plain", "flood", 4)
        paced = _of(results, name, "plain", "paced", 4)
        if flood or paced:
            rows.append(
                [
                    _title(name),
                    number(median(flood, "wall_ns_per_call")),
                    *(number(median(flood, key)) for key in ("p50", "p99", "p999")),
                    *(number(median(paced, key)) for key in ("p50", "p99", "p999")),
                ]
            )
    head = ["", "flood, wall", "p50", "p99", "p99.9", "paced p50", "p99", "p99.9"]
    return markdown(head, rows)


def _outcomes(results: list[dict[str, Any]], names: list[str]) -> str:
    rows = []
    for name in names:
        runs = _of(results, name, "plain", "flood", 1)
        done = [run for run in runs if "error" not in run]
        if name in {"noop", "null"} or not runs:  # they deliver nothing anywhere
            continue
        counts = [
            sum(run[key] for run in done) for key in ("offered", "accepted", "delivered", "dropped", "failed")
        ]
        row = [_title(name), *(number(count) for count in counts)]
        row += [number(median(done, "stored_per_second")), number(median(done, "processor_us_per_record"), 1)]
        rows.append([*row, _remarks(name, results)])
    head = [
        "",
        "offered",
        "accepted",
        "delivered",
        "dropped",
        "failed",
        "records/s stored",
        "CPU µs/record",
        "remarks",
    ]
    return markdown(head, rows)


def _remarks(name: str, results: list[dict[str, Any]]) -> str:
    """The note on the contestant, what its records lack, and how runs failed."""
    mine = [result for result in results if result["contestant"] == name]
    lacks = sorted({f"no {thing} in the record" for result in mine for thing in result.get("lacks", ())})
    errors = sorted({result["error"] for result in mine if "error" in result})
    return "; ".join([part for part in (CONTESTANTS[name].note, *lacks, *errors) if part])


def _title(name: str) -> str:
    title = CONTESTANTS[name].title
    return f"**{title}**" if name == "telesink" else title


def disturbance_table(found: dict[str, Any]) -> str:
    """Shares of a busy thread's speed."""
    results = found["results"]
    null = {result["run"]: result.get("share") for result in results if result["contestant"] == "null"}
    rows = []
    for name in CONTESTANTS:
        runs = [result for result in results if result["contestant"] == name]
        if not runs:
            continue
        done = [run for run in runs if "error" not in run]
        against = [{"ratio": run["share"] / null[run["run"]]} for run in done if null.get(run["run"])]
        share, ratio = median(done, "share"), median(against, "ratio")
        rows.append(
            [
                _title(name),
                number(share and 100 * share, 1),
                number(ratio, 3),
                number(median(done, "records_per_second")),
                *(
                    number(sum(run[key] for run in done))
                    for key in ("offered", "accepted", "delivered", "dropped", "failed")
                ),
                "; ".join(sorted({run["error"] for run in runs if "error" in run})),
            ]
        )
    head = [
        "",
        "% of its speed alone",
        "/ NullHandler",
        "records/s",
        "offered",
        "accepted",
        "delivered",
        "dropped",
    ]
    return markdown([*head, "failed", "remarks"], rows)


def sqlite_table(found: dict[str, Any]) -> str:
    """Rows a second, and the ratios that matter."""
    from benches.sqlite_ingest import TITLES

    results = found["results"]
    rates = {
        name: median([result for result in results if result["contestant"] == name], "rows_per_second")
        for name in TITLES
    }
    rows = []
    for name, title in TITLES.items():
        runs = [result for result in results if result["contestant"] == name]
        if not runs:
            continue
        done = [run for run in runs if "error" not in run]
        offered, delivered, dropped = (
            sum(run.get(key, 0) for run in done) for key in ("offered", "delivered", "dropped")
        )
        accepted = sum(run.get("accepted", run["offered"]) for run in done)
        seconds = [{"cpu": run["processor_seconds"] / run["offered"] * 1e6} for run in done]
        rows.append(
            [
                f"**{title}**" if name.startswith("telesink") else title,
                number(rates[name]),
                *(_ratio(rates[name], rates.get(other)) for other in ("uuid_key_1000", "our_table_1000")),
                number(median(seconds, "cpu"), 1),
                number(median(done, "bytes_per_row")),
                *(
                    number(count)
                    for count in (offered, accepted, delivered, dropped, offered - delivered - dropped)
                ),
                "; ".join(sorted({run["error"] for run in runs if "error" in run})),
            ]
        )
    head = ["", "rows/s", "/ UUID key", "/ telesink's table", "CPU s/M rows", "bytes/row"]
    return markdown([*head, "offered", "accepted", "delivered", "dropped", "failed", "remarks"], rows)


def _ratio(value: float | None, other: float | None) -> str:
    return number(value / other, 2) if value and other else NONE


def import_tables(found: dict[str, Any]) -> str:
    """Import time, then what an open pipeline does with its time."""
    results = found["results"]
    logging_runs = [result for result in results if not {"module", "idle_seconds"} & set(result)]
    rows = [["`import logging` itself", number(median(logging_runs, "milliseconds"), 1), NONE, NONE, NONE]]
    for module in dict.fromkeys(result["module"] for result in results if "module" in result):
        runs = [result for result in results if result.get("module") == module]
        memory = median(runs, "memory_kib")
        rows.append(
            [
                f"`import {module}`",
                number(median(runs, "milliseconds"), 1),
                number(median(runs, "modules")),
                number(memory and memory / 1024, 1),
                number(median(runs, "threads")),
            ]
        )
    idle = [result for result in results if "idle_seconds" in result]
    shown = [
        ["threads started by `install_logging`", number(median(idle, "threads_opened"))],
        ["threads after the first record", number(median(idle, "threads_running"))],
        ["seconds of rest", number(median(idle, "idle_seconds"))],
        ["processor time of the whole process in it, ms", number(median(idle, "idle_processor_ms"), 2)],
        ["context switches of it", number(median(idle, "idle_switches"))],
    ]
    head = ["", "ms over `logging`", "modules", "MiB", "threads"]
    return markdown(head, rows) + "\n" + markdown(["an open, idle pipeline", "median"], shown)


def otel_tables(found: dict[str, Any]) -> str:
    """Processor time beside that of a processor that drops, and the time of the ending thread."""
    results = found["results"]
    rows = []
    for signal in ("spans", "logs", "handler"):
        of_signal = [result for result in results if result.get("signal") == signal]
        drop = _processor_us(of_signal, "drop")
        sdk = _processor_us(of_signal, "sdk")
        for contestant in ("sdk", "telesink", "telesink_handler"):
            spent = _processor_us(of_signal, contestant)
            if spent is None or drop is None:
                continue
            added = spent - drop
            ratio = (sdk - drop) / added if sdk is not None and added > 0 else None
            runs = [result for result in of_signal if result["contestant"] == contestant]
            rows.append(
                [
                    f"{signal}, {contestant}",
                    number(spent, 2),
                    number(added, 2),
                    number(ratio, 1),
                    number(median(runs, "delivered")),
                    number(median(runs, "failed")),
                ]
            )
    head = ["signal, contestant", "processor µs", "over dropping, µs", "SDK / it", "delivered", "failed"]
    calls = [
        [
            contestant,
            number(median(runs, "on_end_ns")),
            # Virtual processors are not equally fast: this is a run on one that nobody else used.
            number(min(one["on_end_ns"] for one in runs)),
            number(median(runs, "p99_ns")),
        ]
        for contestant in ("sdk", "telesink")
        if (runs := [one for one in results if "on_end_ns" in one and one["contestant"] == contestant])
    ]
    second = (
        f"\n{markdown(['on_end of a span', 'median ns', 'quickest run, ns', 'p99 ns'], calls)}"
        if calls
        else ""
    )
    return f"{markdown(head, rows)}{second}"


def _processor_us(results: list[dict[str, Any]], contestant: str) -> float | None:
    return median((result for result in results if result.get("contestant") == contestant), "processor_us")


def langfuse_table(found: dict[str, Any]) -> str:
    """Processor time and calls of our client beside Langfuse's own; the quickest run, too."""
    results = [one for one in found["results"] if "error" not in one]
    rows = []
    theirs = _processor_us(results, "langfuse")
    for contestant in ("langfuse", "telesink"):
        runs = [one for one in results if one.get("contestant") == contestant and "processor_us" in one]
        if not runs:
            continue
        spent = median(runs, "processor_us")
        rows.append(
            [
                contestant,
                number(spent, 1),
                number(theirs / spent if theirs and spent else None, 1),
                number((median(runs, "call_ns") or 0) / 1e3, 1),
                number(min(one["call_ns"] for one in runs) / 1e3, 1),
                number((median(runs, "p99_ns") or 0) / 1e3, 1),
                number(median(runs, "delivered")),
                number(median(runs, "failed")),
            ]
        )
    head = [
        "client",
        "processor µs",
        "langfuse / it",
        "call µs",
        "quickest run µs",
        "p99 µs",
        "delivered",
        "failed",
    ]
    long = [
        [
            pace,
            number(statistics.median(calls), 1),
            number(min(calls), 1),
            number(max(calls), 1),
        ]
        for pace in ("one by one", "flood")
        if (calls := [one["long_ns"] / 1e3 for one in results if one.get("pace") == pace])
    ]
    head_long = ["enqueue of 100,000 characters", "median µs", "quickest run", "slowest run"]
    last = f"\n{markdown(head_long, long)}" if long else ""
    return f"{markdown(head, rows)}{last}"


def file_table(found: dict[str, Any]) -> str:
    """Lines a second into files, and how many times that ours are."""
    from benches.file_rotation import TITLES

    results = [one for one in found["results"] if "error" not in one]
    of = {name: [one for one in results if one["contestant"] == name] for name in TITLES}
    ours = {
        name: median(of[f"telesink{'_gzip' if name.endswith('_gzip') else ''}"], "lines_per_second")
        for name in TITLES
    }
    rows = []
    for name, title in TITLES.items():
        if not of[name]:
            continue
        rate = median(of[name], "lines_per_second")
        is_peer = not name.startswith(("telesink", "null"))
        ratio = ours[name] / rate if is_peer and rate and ours[name] else None
        rows.append(
            [
                title,
                number(rate),
                number(ratio, 1),
                number(median(of[name], "call_us"), 1),
                number(median(of[name], "processor_us"), 1),
                number(median(of[name], "delivered")),
                number(median(of[name], "failed")),
            ]
        )
    head = ["contestant", "lines/s", "telesink / it", "call µs", "processor µs", "delivered", "failed"]
    return markdown(head, rows)
