"""A disk that fails once: at the first call, at the second, and so on until a run has none left to fail."""

import errno
import sys

import pytest
from delivery.harness import Rows, check_integrity
from delivery.programs import INSTALL
from reliability.preload import compiled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="calls are exchanged by Linux's loader")

#: How many runs at most; one that ends without a failure is the last.
RUNS_MAX = 2_000

FAIL_AT_EACH_CALL = f"""{INSTALL}
import mmap, struct
from delivery.subject_side import FOLDER, body

with open(os.environ["FAILING_DISK"], "r+b") as file:
    plan = mmap.mmap(file.fileno(), 24)
eager = dict(retry_initial_seconds=0.001, retry_max_seconds=0.01, linger_seconds=0, exit_timeout_seconds=60)
step, runs = 1, 0
while runs < int(sys.argv[2]):
    path = FOLDER / f"run{{runs}}.db"
    plan[:] = struct.pack("=qqq", step, int(sys.argv[1]), 0)
    pipeline = telesink.Pipeline(f"sqlite:///{{path}}", **eager)
    for part in range(3):
        for counter in range(part * 20, part * 20 + 20):
            assert pipeline.enqueue({{"body": body(runs, counter)}})
        # A failure of the disk may look like a fault of the file, which a close would not wait out.
        assert pipeline.flush(60), pipeline.stats()
    assert pipeline.close(60), pipeline.stats()
    assert not pipeline.stats().dropped
    runs, step = runs + 1, step + 1
    if struct.unpack("=qqq", plan[:])[2] == 0:
        break
tell(runs)
"""


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["I/O error", "no space"])
def test_S4_a_disk_that_fails_at_any_call_costs_and_doubles_no_record(subjects, error):
    plan = subjects.folder / "plan"
    plan.write_bytes(bytes(24))
    environment = {"LD_PRELOAD": compiled("failing_disk", subjects.folder), "FAILING_DISK": str(plan)}

    subject = subjects.run(FAIL_AT_EACH_CALL, error, RUNS_MAX, environment=environment, seconds=250)

    runs = subject.hear()
    print(f"{runs - 1} calls failed, one in each run")
    assert 20 < runs < RUNS_MAX
    expected = [(subject.pid, counter) for counter in range(60)]
    for run in range(runs):
        path = subjects.folder / f"run{run}.db"
        rows = Rows(path)
        rows.check_dense()
        assert rows.keys == [(pid, run, counter) for pid, counter in expected]
        check_integrity(path)
