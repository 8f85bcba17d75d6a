"""S3-36: an execution and its trace reach the processes that it starts."""

import json
import re
import sqlite3
import sys
from contextlib import closing

import pytest

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"

LOG_ONE = """
import logging, sys, telesink
telesink.install_logging("sqlite:///app.db")
logging.error("paid")
"""


def rows_and_resources(folder):
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        found = connection.execute(
            "SELECT log.body, log.trace_id, log.span_id, resource.attributes FROM telesink_logs AS log"
            " JOIN telesink_resources AS resource ON resource.id = log.resource_id ORDER BY log.row_id"
        ).fetchall()
    return [(tuple(one), json.loads(resource)) for *one, resource in found]


def rows(folder):
    """Of all records: body, trace id, span id, execution."""
    return [(*one, resource["telesink.execution.id"]) for one, resource in rows_and_resources(folder)]


def resources(folder):
    return [resource for _, resource in rows_and_resources(folder)]


def test_an_execution_has_an_id_of_user_time_and_chance(run_python, tmp_path):
    for _ in range(2):
        run_python(LOG_ONE, USER="ann b")

    first, second = (execution for *_, execution in rows(tmp_path))
    assert re.fullmatch(r"ann-b_\d{8}T\d{6}Z_[0-9a-f]{8}", first)
    assert first != second


def test_a_given_id_is_kept(run_python, tmp_path):
    run_python(LOG_ONE, TELESINK_EXECUTION_ID="nightly-7")

    assert rows(tmp_path)[0][3] == "nightly-7"


@pytest.mark.skipif(sys.platform == "win32", reason="variables are text there")
@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("TELESINK_EXECUTION_ID", "telesink.execution.id"),
        ("OTEL_SERVICE_NAME", "service.name"),
        ("OTEL_RESOURCE_ATTRIBUTES", "tier"),
    ],
)
def test_bytes_of_a_variable_that_are_no_text_are_replaced(run_python, tmp_path, variable, key):
    value = "a\udcffb"
    run_python(
        LOG_ONE + "import os, subprocess\n"
        "environment = os.environ | telesink.child_environment()\n"
        "subprocess.run([sys.executable, '-c', sys.argv[1]], env=environment, check=True)",
        LOG_ONE,
        **{variable: f"tier={value}" if key == "tier" else value},
    )

    assert [resource[key] for resource in resources(tmp_path)] == ["a\ufffdb"] * 2


def test_bytes_of_the_programs_name_that_are_no_text_are_replaced(run_python, tmp_path):
    run_python("import sys; sys.argv = ['/srv/a\\udcffb.py']\n" + LOG_ONE)

    assert [resource["service.name"] for resource in resources(tmp_path)] == ["a\ufffdb"]


@pytest.mark.parametrize("way", ["program", "fork", "multiprocessing fork", "multiprocessing spawn"])
def test_child_processes_share_the_id(run_python, tmp_path, way):
    (tmp_path / "child.py").write_text(LOG_ONE)
    start = {
        "program": "subprocess.run([sys.executable, 'child.py'], check=True)",
        "fork": "pid = os.fork()\nif pid == 0:\n    import child; sys.exit(0)\nos.waitpid(pid, 0)",
        "multiprocessing fork": "run_in('fork')",
        "multiprocessing spawn": "run_in('spawn')",
    }[way]
    (tmp_path / "parent.py").write_text(
        LOG_ONE
        + "import importlib, multiprocessing, os, subprocess\n"
        + "def run_in(method):\n"
        + "    context = multiprocessing.get_context(method)\n"
        + "    process = context.Process(target=importlib.import_module, args=('child',))\n"
        + "    process.start(); process.join()\n"
        + "if __name__ == '__main__':\n    "
        + start.replace("\n", "\n    ")
        + "\n"
    )

    run_python("import runpy; runpy.run_path('parent.py', run_name='__main__')", PYTHONPATH=".")

    found = rows(tmp_path)
    assert len(found) >= 2
    assert len({execution for *_, execution in found}) == 1


def test_records_belong_to_the_span_that_the_process_was_started_in(run_python, tmp_path):
    run_python(LOG_ONE + "telesink.enqueue({'body': 'enqueued'})", TRACEPARENT=PARENT)

    assert [one[:3] for one in rows(tmp_path)] == [("paid", TRACE, SPAN), ("enqueued", TRACE, SPAN)]


def test_a_span_of_the_process_itself_wins(run_python, tmp_path):
    run_python(
        LOG_ONE
        + "from opentelemetry import trace\n"
        + "with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=False))):\n"
        + "    logging.error('inside')\n",
        TRACEPARENT=PARENT,
    )

    assert [one[:3] for one in rows(tmp_path)] == [
        ("paid", TRACE, SPAN),
        ("inside", f"{7:032x}", f"{8:016x}"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01extra",
        "x" * 100_000,
    ],
)
def test_what_is_no_trace_is_left_alone(run_python, tmp_path, value):
    run_python(LOG_ONE, TRACEPARENT=value)

    assert rows(tmp_path)[0][:3] == ("paid", None, None)


def test_a_child_that_is_given_the_environment_continues_the_current_span(run_python, tmp_path):
    (tmp_path / "child.py").write_text(LOG_ONE)

    run_python(
        "import os, subprocess, sys, telesink\n"
        "from opentelemetry import trace\n"
        f"context = trace.SpanContext({int(TRACE, 16)}, {int(SPAN, 16)}, is_remote=False)\n"
        "with trace.use_span(trace.NonRecordingSpan(context)):\n"
        "    environment = os.environ | telesink.child_environment()\n"
        "subprocess.run([sys.executable, 'child.py'], env=environment, check=True)\n"
    )

    assert rows(tmp_path)[0][:3] == ("paid", TRACE, SPAN)


def test_an_inherited_trace_is_handed_on(run_python):
    program = "import telesink; print(telesink.child_environment()['TRACEPARENT'])"

    finished = run_python(program, TRACEPARENT=PARENT)

    assert finished.stdout == f"{PARENT}\n"


def test_without_a_trace_the_environment_names_the_execution_alone(run_python):
    finished = run_python("import telesink; print(*telesink.child_environment())")

    assert finished.stdout == "TELESINK_EXECUTION_ID\n"


def test_importing_changes_no_variable(run_python):
    program = "import os; before = dict(os.environ); import telesink; print(before == dict(os.environ))"

    assert run_python(program).stdout == "True\n"
