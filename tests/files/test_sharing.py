"""Several processes in one folder, some of them killed: what was written is there, whole and once."""

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from files.reading import files_in, lines_in, raw_lines

WRITER = str(Path(__file__).with_name("writer.py"))


class Writers:
    """Processes that log until they are killed."""

    def __init__(self, folder, options):
        self._dsn = f"file://{folder}?service=shop&{options}"
        self._begun = 0
        #: By the name of each writer: how many of its lines were delivered.
        self.delivered = {}

    def begin(self, *, lines=50, batches=1_000_000):
        name = f"w{self._begun}"
        self._begun += 1
        arguments = [sys.executable, WRITER, self._dsn, name, str(lines), str(batches)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        process.name = name
        # Once it has written, anything may happen to it.
        self.delivered[name] = int(process.stdout.readline())
        return process

    def end(self, process, *, kill):
        if kill:
            process.send_signal(signal.SIGKILL)
        with process:
            said = process.stdout.read().split()
        if said:
            self.delivered[process.name] = int(said[-1])


@pytest.mark.slow
@pytest.mark.timeout(900)  # 200 programs are started, beside other tests
def test_S12_four_processes_that_are_killed_200_times_tear_lose_and_double_no_line(
    tmp_path,
):
    """F13, S10: what a flush has promised is there; a line that is torn is the last one of its file."""
    writers = Writers(tmp_path / "logs", "rotate=40 kB&keep=all&compress=gzip")
    randomness = random.Random(20261126)
    running = [writers.begin() for _ in range(4)]

    for _ in range(200):
        # A moment in which it does whatever it does then.
        randomness.choice(running).stdout.readline()
        victim = running.pop(randomness.randrange(4))
        writers.end(victim, kill=True)
        running.append(writers.begin())
    for process in running:
        writers.end(process, kill=True)
    last = writers.begin(batches=1)
    writers.end(last, kill=False)

    folder = tmp_path / "logs" / "shop"
    found = Counter((line["writer"], line["number"]) for line in lines_in(folder))
    promised = {(name, number) for name, count in writers.delivered.items() for number in range(count)}
    assert set(found.values()) == {1}
    assert promised <= found.keys()
    assert len(files_in(folder)) > 20
    assert [path.name for path in files_in(folder)[:-1] if raw_lines(path)[1]] == []


def test_F13_spawned_processes_rotate_one_file_without_losing_or_mixing_a_line(tmp_path):
    writers = Writers(tmp_path / "logs", "rotate=100 kB&keep=all&compress=none")

    running = [writers.begin(lines=500, batches=6) for _ in range(4)]
    for process in running:
        writers.end(process, kill=False)

    folder = tmp_path / "logs" / "shop"
    found = Counter((line["writer"], line["number"]) for line in lines_in(folder))
    assert found == Counter((name, number) for name in writers.delivered for number in range(3_000))
    sizes = [path.stat().st_size for path in files_in(folder)]
    assert max(sizes) <= 100_000
