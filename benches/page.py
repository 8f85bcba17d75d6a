"""
Writes the tables into `docs/benchmarks.md`, from the raw results of the last complete runs.

The page has pairs of comments, `<!-- begin NAME -->` and `<!-- end NAME -->`; what stands between them is
made here, and everything else is written by hand.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import loss, postgres_tables, runner, slower, tables, targets

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

_TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "hot_path": tables.hot_path_tables,
    "disturbance": tables.disturbance_table,
    "sqlite_ingest": tables.sqlite_table,
    "postgres_ingest": postgres_tables.postgres_table,
    "file_rotation": tables.file_table,
    "otel_export": tables.otel_tables,
    "langfuse_ingest": tables.langfuse_table,
    "loss": loss.loss_table,
    "import_time": tables.import_tables,
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benches page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    found = {name: _load(name) for name in _TABLES}
    parts = {name: _part(name, results) for name, results in found.items()}
    parts["machine"] = _machine(found)
    parts["slower"] = slower.text(found)
    hot_path = found["hot_path"]
    parts["targets"] = targets.table(hot_path["results"]) if hot_path else _not_yet()
    postgres = found["postgres_ingest"]
    parts["postgres_targets"] = postgres_tables.postgres_targets(postgres) if postgres else _not_yet()
    PAGE.write_text(_filled(PAGE.read_text(), parts))


def _load(name: str) -> dict[str, Any] | None:
    path = runner.RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _part(name: str, found: dict[str, Any] | None) -> str:
    if found is None:
        return _not_yet()
    settings = ", ".join(f"{key.replace('_', ' ')}: {value:,}" for key, value in found["settings"].items())
    return f"{_TABLES[name](found)}\nMeasured on {found['machine']['date']}; {settings}.\n"


def _not_yet() -> str:
    return "*Not measured yet.*\n"


def _machine(found: dict[str, dict[str, Any] | None]) -> str:
    """One line for each fact, from the first benchmark that has been run."""
    described = next((results["machine"] for results in found.values() if results), None)
    if described is None:
        return _not_yet()
    cores = f"{described['cores']} cores, governor {described['governor']}"
    facts = {
        "processor": f"{described['processor']}, {cores}",
        "memory": f"{described['memory_gib']} GiB",
        "system": f"{described['system']}, file system {described['file_system']}",
        "interpreter": described["python"]
        + (" (optimised)" if described["python_optimised_build"] else " (no PGO)"),
        "SQLite of the interpreter": described["sqlite_of_python"],
        **{
            package: version
            for package, version in described["versions"].items()
            if version != "not installed"
        },
    }
    return "".join(f"- {name}: {fact}\n" for name, fact in facts.items())


def _filled(page: str, parts: dict[str, str]) -> str:
    """The page with every part between its comments; a part without a place is an error."""
    for name, part in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, has_begin, rest = page.partition(begin)
        _, has_end, after = rest.partition(end)
        if not (has_begin and has_end):
            raise SystemExit(f"error: {PAGE.name} has no comments `begin {name}` and `end {name}`")
        page = f"{before}{begin}\n{part}\n{end}{after}"
    return page
