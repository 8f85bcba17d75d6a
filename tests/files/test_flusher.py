"""When the flusher of counters writes, what stops it, and what it leaves alone."""

import threading

from files.reading import lines_in
from waiting import wait_until

from telesink.files import change_settings
from telesink.metrics import MetricsFlusher


def lines_of(folder, server="github"):
    return lines_in(folder.path / server, "metrics")


def test_a_child_of_a_fork_writes_nothing_that_its_parent_has_counted(run_python, tmp_path):
    run_python(
        "import os\n"
        "from telesink.metrics import *\n"
        "usage = Accumulator()\n"
        "flusher = MetricsFlusher(usage, dsn='file:t')\n"
        "flusher.start()\n"
        "usage.add('github', input_tokens=100)\n"
        "if os.fork() == 0:\n"
        "    raise SystemExit\n"
        "os.wait()\n"
    )

    assert len(lines_in(tmp_path / "t" / "github", "metrics")) == 2


def test_the_flusher_deletes_nothing_but_its_own_old_files(folder, usage, make):
    shop = folder.path / "shop"
    shop.mkdir(parents=True)
    folder.path.chmod(0o700)
    names = [f"logs-2020-01-{day:02}T00-00-00.000.jsonl" for day in range(1, 20)]
    for name in [*names, "metrics-2020-01-01T00-00-00.000.jsonl"]:
        (shop / name).write_text("{}\n")

    usage.add("shop", input_tokens=1)
    make().flush()
    wait_until(lambda: not list(shop.glob("metrics-*")), "old files of counters are deleted")

    assert sorted(path.name for path in shop.glob("logs-*")) == names


def test_what_is_used_while_metrics_are_switched_off_is_in_the_first_line_afterwards(folder, usage, tmp_path):
    settings = tmp_path / "settings.json"
    flusher = MetricsFlusher(usage, dsn=f"file://{folder.path}?settings={settings}")
    usage.add("github", input_tokens=1)
    change_settings(settings, {"persist": {"metrics": False}})
    nothing = flusher.flush()
    usage.add("github", input_tokens=10)
    change_settings(settings, {"persist": {"metrics": True}})

    assert (nothing, flusher.flush()) == (0, 2)
    assert lines_of(folder)[-1]["diff"]["input_tokens"] == 11


def test_a_source_that_fails_costs_a_turn_and_no_more(usage, folder):
    class Failing:
        fails = True

        def snapshot(self):
            if self.fails:
                raise OSError("not now")
            return usage.snapshot()

        def restored(self):
            return {}

    source = Failing()
    flusher = MetricsFlusher(source, 0.005, dsn=f"file://{folder.path}")
    usage.add("github", input_tokens=1)
    flusher.start()
    wait_until(lambda: flusher.failures > 1, "it has failed and goes on")
    source.fails = False
    wait_until((folder.path / "github" / "metrics.jsonl").exists, "it has written")
    flusher.stop()

    assert flusher.last_error == "not now"
    assert len(lines_of(folder)) == 2


def test_S4_14_start_and_stop_are_harmless_when_repeated_and_the_last_flush_happens_once(folder, usage, make):
    flusher = make(interval_seconds=3600)
    usage.add("github", input_tokens=5)
    for _ in range(3):
        flusher.start()
    threads = [threading.Thread(target=flusher.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        # Whoever has stopped it finds the last lines written.
    assert len(lines_of(folder)) == 2

    usage.add("github", input_tokens=5)
    flusher.start()
    assert "telesink-metrics" not in {thread.name for thread in threading.enumerate()}
    assert len(lines_of(folder)) == 2


def test_S4_14_it_writes_every_interval(folder, usage, make):
    flusher = make(interval_seconds=0.01)
    flusher.start()
    for number in range(3):
        usage.add("github", input_tokens=1)
        wait_until(
            lambda number=number: (folder.path / "github").exists() and len(lines_of(folder)) == number + 2,
            "a line was written",
        )


def test_a_source_that_stops_its_flusher_keeps_nothing_waiting(folder):
    class Stopping:
        flusher = None

        def snapshot(self):
            self.flusher.stop()
            return {}

        def restored(self):
            return {}

    source = Stopping()
    source.flusher = MetricsFlusher(source, 0.01, dsn=f"file://{folder.path}")
    source.flusher.start()
    wait_until(
        lambda: "telesink-metrics" not in {thread.name for thread in threading.enumerate()}, "it has ended"
    )

    source.flusher.stop()


def test_stop_without_start_writes_and_closes(folder, usage, make):
    """Weakness 12."""
    usage.add("github", input_tokens=5)

    make().stop()

    assert len(lines_of(folder)) == 2


def test_what_was_not_written_yet_is_written_when_the_program_ends(run_python, tmp_path):
    run_python(
        "from telesink.metrics import *\n"
        "usage = Accumulator()\n"
        "MetricsFlusher(usage, dsn='file:t').start()\n"
        "usage.add('github', input_tokens=5)\n"
    )

    assert len(lines_in(tmp_path / "t" / "github", "metrics")) == 2
