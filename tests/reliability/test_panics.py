"""A panic at the edge between Python and Rust is an error of telesink's own, or a count; it ends no thread.

Every entry is made to panic in a module of its own, built with the feature `failpoints`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import telesink
from telesink import _native

PROJECT = Path(__file__).parents[2]
SOURCES = PROJECT / "rust" / "telesink-python" / "src"

#: A function that Python can call, with what stands before it and in it.
FUNCTION = re.compile(r"\n    fn (\w+).*?\n    }\n", re.DOTALL)
FREE_FUNCTION = re.compile(r"#\[pyfunction\]\n(?:#\[[^\n]*\]\n)*pub\(crate\) fn (\w+).*?\n}\n", re.DOTALL)
METHODS = re.compile(r"#\[pymethods\]\nimpl (\w+) \{\n.*?\n}\n", re.DOTALL)


def entries():
    """Every function of the binding that Python can call, with its source."""
    for path in sorted(SOURCES.rglob("*.rs")):
        text = path.read_text("utf-8")
        if path.name == "edge.rs":
            continue
        for methods in METHODS.finditer(text):
            for function in FUNCTION.finditer(methods[0]):
                name = methods[1] if function[1] == "new" else f"{methods[1]}.{function[1]}"
                yield name, function[0]
        for function in FREE_FUNCTION.finditer(text):
            yield function[1], function[0]


def test_I2_every_function_that_python_can_call_has_an_edge_that_stops_panics():
    found = dict(entries())

    bare = [
        name
        for name, text in found.items()
        if f'edge("{name}", ' not in text and f'reach("{name}")' not in text
    ]
    assert bare == []
    assert found.keys() >= {
        "Pipeline.handle",
        "Pipeline.stats",
        "FlushTicket.wait",
        "ContextFields",
        "parse_level",
    }
    assert len(found) >= 45


def test_I2_the_module_that_is_installed_cannot_be_made_to_panic():
    assert not hasattr(_native, "arm_failpoint")


@pytest.fixture(scope="module")
def clumsy(tmp_path_factory):
    """A copy of the package whose native module panics on demand; answers the folder it lies in."""
    # What it depends on is that of the installed one; to optimise the whole once more would take minutes.
    command = ["cargo", "rustc", "--locked", "--release", "-p", "telesink-python", "--features", "failpoints"]
    command += ["--message-format", "json", "--", "-C", "opt-level=0"]
    options = {"cwd": PROJECT, "env": {**os.environ, "PYO3_PYTHON": sys.executable}}
    built = subprocess.run(command, **options, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2_000:]
    messages = map(json.loads, built.stdout.splitlines())
    [library] = [
        name
        for message in messages
        if message.get("target", {}).get("name") == "_native"
        for name in message.get("filenames", ())
        if Path(name).suffix in {".so", ".dylib"}
    ]
    folder = tmp_path_factory.mktemp("clumsy")
    leave_out = shutil.ignore_patterns("_native*.so", "__pycache__")
    shutil.copytree(Path(telesink.__file__).parent, folder / "telesink", ignore=leave_out)
    shutil.copy(library, folder / "telesink" / "_native.abi3.so")
    return folder


PANICS = """
import json, logging, os, sys, threading
import telesink
from telesink import _native, _pipeline

log = logging.getLogger("shop")
telesink.install_logging("memory://")
pipeline = telesink.Pipeline("memory://")
source = _pipeline.sink_source("null://", {}, telesink.Settings())
fields = _native.ContextFields({"a": 1})
redaction = _native.RedactionSet([], [], [], [], True)
with telesink.Pipeline("sqlite:///app.db") as stored:
    stored.enqueue({"body": "stored"})
inspection = _native.Inspection("sqlite:///app.db", [], os.getcwd())
selection = _native.Selection("sqlite:///app.db", os.getcwd())
appender = _native.FileAppender("file:lines", [], os.getcwd())
counters = _native.UsageCounters()
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
LINE = {"id": ID, "instance": ID, "seq": 1, "time_unix_nano": 1, "logger": "shop"}
CALLS = {
    "Pipeline": lambda: _native.Pipeline([], redaction),
    "Pipeline.add_sinks": lambda: pipeline._native.add_sinks([source]),
    "Pipeline.remove_sink": lambda: pipeline._native.remove_sink("none", 0.0),
    "Pipeline.set_level": lambda: pipeline.set_level("memory", 10),
    "Pipeline.set_resource": lambda: pipeline._native.set_resource([]),
    "Pipeline.set_redaction": lambda: pipeline.set_redaction(True),
    "Pipeline.level": lambda: pipeline.level,
    "Pipeline.sinks": lambda: pipeline.sinks,
    "Pipeline.begin_flush": lambda: pipeline.flush(),
    "Pipeline.begin_close": lambda: pipeline._native.begin_close(0.0, False),
    "Pipeline.close": lambda: pipeline._native.close(1.0, False),
    "Pipeline.is_closed": lambda: pipeline._native.is_closed,
    "Pipeline.stats": lambda: pipeline.stats(),
    "Pipeline.records": lambda: pipeline.recent(),
    "Pipeline.instance": lambda: pipeline._native.instance,
    "FlushTicket.is_done": lambda: pipeline._native.begin_flush().is_done(),
    "FlushTicket.wait": lambda: pipeline.flush(),
    "FlushTicket.finish": lambda: pipeline.flush(),
    "ContextFields": lambda: telesink.bind(a=1),
    "ContextFields.as_dict": lambda: fields.as_dict(),
    "RedactionSet": lambda: telesink.Redaction(names=["a"]),
    "RedactionSet.off": lambda: _native.RedactionSet.off(),
    "RedactionSet.redact_text": lambda: redaction.redact_text("a"),
    "RedactionSet.hides_name": lambda: redaction.hides_name("a"),
    "Prune": lambda: _native.Prune("sqlite:///none.db", [], os.getcwd(), [(None, None, None, 1.0)], 0),
    "check_retention": lambda: _native.check_retention("sqlite:///none.db", [], os.getcwd(), []),
    "next_moment": lambda: _native.next_moment("0 2 * * *", 0),
    "Selection": lambda: _native.Selection("sqlite:///app.db", os.getcwd()),
    "Selection.target": lambda: selection.target,
    "Selection.layout": lambda: selection.layout,
    "Selection.dialect": lambda: selection.dialect,
    "Selection.prefix": lambda: selection.prefix,
    "Selection.close": lambda: _native.Selection("sqlite:///app.db", os.getcwd()).close(),
    "Selection.notifies": lambda: selection.notifies,
    "Selection.wait": lambda: selection.wait("a", 0.0),
    "Selection.change": lambda: selection.change("DELETE FROM telesink_logs"),
    "Selection.ask": lambda: selection.ask("SELECT 1"),
    "Inspection": lambda: _native.Inspection("sqlite:///app.db", [], os.getcwd()),
    "Inspection.target": lambda: inspection.target,
    "Inspection.doing": lambda: inspection.doing,
    "Inspection.facts": lambda: inspection.facts(),
    "Inspection.count": lambda: inspection.count([], False),
    "Inspection.interrupt": lambda: inspection.interrupt(),
    "Inspection.stored": lambda: inspection.stored([]),
    "Inspection.recent": lambda: inspection.recent(ID, 0),
    "Inspection.forget": lambda: inspection.forget(ID, 0),
    "describe_sink": lambda: _native.describe_sink(source),
    "replay": lambda: _native.replay(pipeline._native, b"", LINE),
    "check_setting": lambda: _native.check_setting("linger_seconds", "1", "here"),
    "check_settings": lambda: _native.check_settings([]),
    "check_sink": lambda: _native.check_sink(source),
    "check_langfuse": lambda: _native.check_langfuse(source),
    "folder_name": lambda: _native.folder_name("shop"),
    "FileAppender": lambda: _native.FileAppender("file:lines", [], os.getcwd()),
    "FileAppender.append": lambda: appender.append("shop", ["{}"]),
    "FileAppender.close": lambda: appender.close(),
    "UsageCounters": lambda: _native.UsageCounters(),
    "UsageCounters.add": lambda: counters.add("shop", (1, 1, 2), (0, 0, 0, 0)),
    "UsageCounters.add_tool_call": lambda: counters.add_tool_call("shop", "search", 0, 0),
    "UsageCounters.reset": lambda: counters.reset(),
    "UsageCounters.reset_cost": lambda: counters.reset_cost(),
    "UsageCounters.remove": lambda: counters.remove("shop"),
    "UsageCounters.restore": lambda: counters.restore("shop", (1, 1, 2), (0, 0, 0, 0), {}, []),
    "UsageCounters.snapshot": lambda: counters.snapshot(),
    "enqueue_many": lambda: _native.enqueue_many(pipeline._native, [{"body": "a"}]),
    "event_problems": lambda: _native.event_problems({"type": "run:start"}),
    "parse_bytes": lambda: _native.parse_bytes("1"),
    "parse_seconds": lambda: _native.parse_seconds("1"),
    "parse_level": lambda: _native.parse_level("INFO"),
    "dsn_identity": lambda: _native.dsn_identity("null://", [], os.getcwd()),
    "table_definitions": lambda: _native.table_definitions("sqlite"),
    "before_fork": lambda: _native.before_fork(),
    "after_fork_in_parent": lambda: _native.after_fork_in_parent(),
    "process_generation": lambda: _native.process_generation(),
    "fork_detection": lambda: _native.fork_detection(),
    "write_line": lambda: _native.write_line("a line"),
    "set_inherited_span": lambda: _native.set_inherited_span(b"1" * 16, b"1" * 8),
    "set_context_getter": lambda: _native.set_context_getter(None),
    "set_span_getter": lambda: _native.set_span_getter(None),
    "current_ids": lambda: _native.current_ids(),
    "new_span_ids": lambda: _native.new_span_ids(),
    "Signals": lambda: _native.Signals(pipeline._native),
    "Signals.reject_closed": lambda: pipeline._signals.reject_closed(0),
    "Signals.capacities": lambda: pipeline._signals.capacities(),
    "Signals.encoded": lambda: pipeline._signals.encoded("memory"),
}
SPAN = {
    "name": "lost", "scope": "shop", "trace_id": b"1" * 16, "span_id": b"1" * 8, "parent_span_id": b"1" * 8,
    "start_unix_nano": 1, "end_unix_nano": 2, "error": None, "attributes": {}, "events": [],
}
RECORDS = {
    "end_span": object(), "export_spans": [object()], "emit_log": object(), "export_logs": [object()],
    "export_metrics": object(), "record_span": SPAN,
}
became = {}

def work():
    for entry, call in CALLS.items():
        _native.arm_failpoint(entry)
        try:
            became[entry] = repr(call())
        except Exception as error:
            became[entry] = type(error).__name__
        _native.arm_failpoint(None)
    _native.arm_failpoint("Pipeline.handle")
    log.info("lost")
    log.info("kept")
    _native.arm_failpoint("Pipeline.enqueue")
    pipeline.enqueue({"body": "lost"})
    pipeline.enqueue({"body": "kept"})
    _native.arm_failpoint("Pipeline.enqueue_event")
    pipeline._native.enqueue_event({"type": "trace-create", "body": {"id": "lost"}}, 1.0)
    _native.arm_failpoint(None)
    for name, record in RECORDS.items():
        _native.arm_failpoint(f"Signals.{name}")
        getattr(pipeline._signals, name)(record)
        _native.arm_failpoint(None)
    became["end"] = "reached"

thread = threading.Thread(target=work)
thread.start()
thread.join()
telesink.flush(), pipeline.flush()
handler = logging.getLogger().handlers[0]
print(json.dumps({
    "became": became,
    "rejected": [dict(handler.stats().rejected), dict(pipeline.stats().rejected)],
    "kept": [[one["body"] for one in kept] for kept in (telesink.recent(), pipeline.recent())],
}))
"""


@pytest.mark.slow
def test_I2_a_panic_at_any_entry_is_an_error_and_for_a_record_a_count_and_the_thread_goes_on(
    clumsy, tmp_path
):
    # A pipe that is full for a moment costs a line; a file takes all of them.
    errors = tmp_path / "stderr.txt"
    with errors.open("w") as stderr:
        finished = subprocess.run(
            [sys.executable, "-c", PANICS],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(clumsy)},
            timeout=60,
            check=False,
        )

    assert finished.returncode == 0, errors.read_text()
    told = json.loads(finished.stdout)
    became = told["became"]
    assert became.pop("end") == "reached"
    assert set(became.values()) == {"TelesinkError"}, became
    unreached = {"Pipeline.handle", "Pipeline.enqueue", "Pipeline.enqueue_event"}
    unreached |= {"Prune.target", "Prune.scope", "Prune.count", "Prune.step"}
    records = ("end_span", "export_spans", "emit_log", "export_logs", "export_metrics", "record_span")
    unreached |= {f"Signals.{name}" for name in records}
    assert became.keys() == {name for name, _ in entries()} - unreached
    assert told["rejected"] == [{"panic": 1}, {"panic": 2 + len(records)}]
    assert told["kept"] == [["kept"], ["kept"]]
    lines = [line for line in errors.read_text().splitlines() if line.startswith("telesink: a panic ")]
    assert len(lines) == len(became) + 2, lines
