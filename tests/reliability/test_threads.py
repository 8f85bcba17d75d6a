"""Native threads beside the threads of the program (NAT7)."""

import json
import sys

import pytest

#: Sets up every sink that has a thread, makes each do something, and tells what Linux says of the threads.
THREADS = """
import json, pathlib, telesink

sinks = ["sqlite:///app.db", "memory://", "console://stdout", "null://", "postgresql://app@127.0.0.1:1/app"]
before = {task.name for task in pathlib.Path("/proc/self/task").iterdir()}
telesink.install_logging(sinks, exit_timeout_seconds=0.1)
telesink.enqueue({"body": "x"})
telesink.flush(0.3)
found = {}
for task in pathlib.Path("/proc/self/task").iterdir():
    if task.name not in before:
        status = dict(line.split(":\\t", 1) for line in (task / "status").read_text().splitlines())
        found[status["Name"]] = int(status["SigBlk"], 16)
pathlib.Path("found.json").write_text(json.dumps(found))
"""

#: Cannot be blocked: SIGKILL and SIGSTOP. The C library keeps 32 and 33 for itself.
NEVER_BLOCKED = {9, 19, 32, 33}


@pytest.mark.skipif(sys.platform != "linux", reason="the list of threads is Linux's")
def test_native_threads_take_no_signal_and_have_a_name(run_python, tmp_path):
    run_python(THREADS)

    found = json.loads((tmp_path / "found.json").read_text())
    # The kernel keeps fifteen letters.
    assert {
        "telesink-sqlite",
        "telesink-memory",
        "telesink-consol",
        "telesink-null",
        "telesink-postgr",
    } <= set(found)
    for name, blocked in found.items():
        assert name.startswith("telesink-")
        free = {number for number in range(1, 65) if not blocked >> (number - 1) & 1}
        assert free <= NEVER_BLOCKED, name
