"""What the demonstration says at its end: the ledger, the speed, and the levels over time."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import telesink
from telesink.cli.render import BANDS, NANO, Band, escaped
from telesink.cli.stored import Bucket, Stored
from telesink.cli.traffic import PhaseResult

#: rich's names for the colours of the levels.
COLORS = {"debug": "cyan", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}

#: Levels that are counted behind their bar.
TROUBLES = ("error", "critical")

#: Cells of the longest bar.
BAR_CHARS_MAX = 50

#: Room for the time in front of a bar and the counts behind it.
BESIDE_BAR_CHARS = 42


@dataclass(frozen=True, slots=True)
class Check:
    """A statement about the run, and whether it holds."""

    text: str
    holds: bool


def checks_of(lanes: Mapping[str, telesink.Stats], stored: Stored | None) -> Iterator[Check]:
    """Yield what has to hold for every record to be delivered and counted."""
    for name, stats in lanes.items():
        rejected, dropped = sum(stats.rejected.values()), sum(stats.dropped.values())
        prefix = f"{name}: " if len(lanes) > 1 else ""
        yield Check(
            f"{prefix}offered {stats.offered:,} = accepted {stats.accepted:,} + rejected {rejected:,}",
            stats.offered == stats.accepted + rejected,
        )
        yield Check(
            f"{prefix}routed {stats.routed:,} = delivered {stats.delivered:,} + dropped {dropped:,} "
            f"+ pending {stats.pending:,}",
            stats.routed == stats.delivered + dropped + stats.pending,
        )
        yield Check(
            f"{prefix}nothing rejected, dropped or pending",
            not rejected and not dropped and not stats.pending,
        )
    if stored is not None:
        delivered = sum(stats.delivered for stats in lanes.values())
        yield Check(
            f"rows at the destination {stored.rows:,} = delivered {delivered:,}", stored.rows == delivered
        )


def ledger(lanes: Mapping[str, telesink.Stats]) -> Table:
    """Return the counters of each sink, with the causes of what was not delivered."""
    table = Table(
        title="ledger", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("")
    for name in lanes:
        table.add_column(escaped(name), justify="right")
    all_stats = list(lanes.values())
    table.add_row("offered", *(f"{stats.offered:,}" for stats in all_stats))
    table.add_row("accepted", *(f"{stats.accepted:,}" for stats in all_stats))
    _add_causes(table, "rejected", [stats.rejected for stats in all_stats])
    table.add_row("delivered", *(f"{stats.delivered:,}" for stats in all_stats))
    _add_causes(table, "dropped", [stats.dropped for stats in all_stats])
    table.add_row("pending", *(f"{stats.pending:,}" for stats in all_stats))
    return table


def _add_causes(table: Table, name: str, counts: Sequence[Mapping[str, int]]) -> None:
    table.add_row(name, *(f"{sum(causes.values()):,}" for causes in counts))
    for cause in sorted({cause for causes in counts for cause in causes}):
        table.add_row(f"  {cause}", *(f"{causes.get(cause, 0):,}" for causes in counts), style="red")


def print_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print each statement with a mark that says whether it holds."""
    is_unicode = not console.options.ascii_only
    for check in checks:
        mark = ("✓" if is_unicode else "ok") if check.holds else ("✗" if is_unicode else "NO")
        console.print(Text.assemble((mark, "green" if check.holds else "bold red"), " ", check.text))


def print_speed(console: Console, results: Sequence[PhaseResult], burst_stored_seconds: float | None) -> None:
    """Print how fast records were taken and stored."""
    samples = [sample for result in results for sample in result.samples]
    if len(samples) > 1:
        median, slow = statistics.median(samples), statistics.quantiles(samples, n=100)[98]
        console.print(
            f"call     {median:,.0f} ns in the median, 99 % within {slow:,.0f} ns, with logging's own part"
        )
    burst = next((result for result in results if result.phase.seconds is None), None)
    if burst is not None and burst_stored_seconds:
        rate = burst.records / burst_stored_seconds
        console.print(
            f"burst    {burst.records:,} records made and stored in {burst_stored_seconds:.2f} s: "
            f"{rate:,.0f} records/s end to end"
        )


def print_chart(console: Console, buckets: Sequence[Bucket]) -> None:
    """Print a bar for each stretch of time; a level that occurs has at least one cell."""
    cells = {band.name: _cell(console, band) for band in BANDS}
    legend = Text("levels over time  ", style="bold")
    for band in BANDS:
        legend.append(f"{cells[band.name]} {band.name}  ", style=f"not bold {COLORS[band.name]}")
    console.print(legend)
    top = max((sum(bucket.counts.values()) for bucket in buckets), default=0)
    room = max(10, min(BAR_CHARS_MAX, console.width - BESIDE_BAR_CHARS))
    for bucket in buckets:
        start = datetime.fromtimestamp(bucket.start_ns / NANO).astimezone()
        line = Text.assemble((f"{start:%H:%M:%S}.{start.microsecond // 10_000:02} ", "dim"))
        for name, count in bucket.counts.items():
            line.append(cells[name] * (max(1, round(count / top * room)) if count else 0), style=COLORS[name])
        line.append(f" {sum(bucket.counts.values()):,}", style="dim")
        for name in TROUBLES:
            # A bar of thousands has no room to tell one error from ten.
            if bucket.counts[name]:
                line.append(f" {bucket.counts[name]:,} {name}", style=COLORS[name])
        console.print(line)


def _cell(console: Console, band: Band) -> str:
    """Return a block where colours tell the levels apart, and the level's symbol elsewhere."""
    if console.options.ascii_only:
        return band.ascii_symbol
    return band.unicode_symbol if console.no_color or console.color_system is None else "█"
