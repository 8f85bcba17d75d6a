"""What files there are, and deleting them beside a program that writes."""

import gzip
import os
import threading
from datetime import UTC, datetime

import pytest
from files.reading import lines_in
from waiting import wait_until

import telesink
from telesink import files


@pytest.fixture
def root(tmp_path):
    """A folder with files of two services."""
    root = tmp_path / "telemetry"
    for service in ("zeta", "github"):
        (root / service).mkdir(parents=True)
    return root


def put(root, name, size, *, age_days=0.0):
    path = root / name
    path.write_bytes(b"x" * size)
    moment = datetime.now(UTC).timestamp() - age_days * 86_400
    os.utime(path, (moment, moment))
    return path


def test_S4_22_one_entry_a_signal_with_the_sums_of_its_files(root):
    put(root, "github/logs.jsonl", 100)
    put(root, "github/logs-2026-01-31T12-00-00.000.jsonl", 200, age_days=2)
    put(root, "github/logs-2026-01-30T12-00-00.000.jsonl.gz", 50, age_days=3)

    [found] = files.inventory(root)

    assert (found.service, found.signal, found.size_bytes, found.file_count) == ("github", "logs", 350, 3)
    assert found.path == str(root / "github" / "logs.jsonl")
    assert 2.9 < (found.newest_time - found.oldest_time).total_seconds() / 86_400 < 3.1
    assert list(found.as_dict()) == [
        "server",
        "signal",
        "path",
        "sizeBytes",
        "oldestTime",
        "newestTime",
        "fileCount",
    ]


def test_S4_22_entries_are_sorted_by_service_and_then_logs_traces_metrics(root):
    for name in ("zeta/logs.jsonl", "github/metrics.jsonl", "github/traces.jsonl", "github/logs.jsonl"):
        put(root, name, 1)

    found = [(entry.service, entry.signal) for entry in files.inventory(root)]

    assert found == [("github", "logs"), ("github", "traces"), ("github", "metrics"), ("zeta", "logs")]
    assert files.inventory(root, "zeta") == files.inventory(root)[3:]
    assert files.inventory(root, "") == files.inventory(root)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("logs.jsonl", True),
        ("logs-2026-01-31T12-00-00.123.jsonl", True),
        ("logs-2026-01-31T12-00-00.123.jsonl.gz", True),
        ("logs-backup.jsonl", False),
        ("logs-2026-01-31T12-00-00.jsonl", False),
        ("logs-2026-13-31T12-00-00.123.jsonl", False),
        ("logs-2026-01-31T12-00-00.123.jsonl.zst", False),
        ("xlogs-2026-01-31T12-00-00.123.jsonl", False),
        ("logs.jsonl.bak", False),
        ("logs-٢٠٢٦-01-31T12-00-00.123.jsonl", False),
    ],
)
def test_S4_22_only_exact_names_count_and_S4_23_only_those_are_deleted(root, name, counts):
    path = put(root, f"github/{name}", 10)

    found = files.inventory(root)
    files.wipe(root)

    assert len(found) == counts
    assert path.exists() is not counts


def test_S4_22_a_folder_that_is_missing_or_has_no_name_has_no_files(tmp_path):
    assert files.inventory(tmp_path / "missing") == []
    assert files.inventory("") == []


def test_links_are_followed_nowhere(root, tmp_path):
    (tmp_path / "outside").mkdir()
    put(tmp_path, "outside/logs.jsonl", 10)
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "github" / "logs.jsonl").symlink_to(tmp_path / "outside" / "logs.jsonl")

    found = files.inventory(root)
    files.wipe(root)

    assert found == []
    assert (tmp_path / "outside" / "logs.jsonl").exists()


def test_a_service_with_any_name_is_found_by_it(folder):
    logger, pipeline = folder.logger()
    names = ["a/b", "über", "x" * 300, ".hidden"]
    for name in names:
        logger.info("hello", extra={"component": name})
    assert pipeline.flush(10)

    assert [files.inventory(folder.path, name)[0].service for name in names] == names
    assert {"a/b", "über", ".hidden"} < {entry.service for entry in files.inventory(folder.path)}


def test_S4_23_a_wipe_needs_a_folder_and_a_signal_that_exists(root):
    with pytest.raises(telesink.ConfigError, match="the folder is required"):
        files.wipe("")
    with pytest.raises(telesink.ConfigError, match=r"'log'.*logs, traces, metrics"):
        files.wipe(root, signal="log")


@pytest.mark.parametrize(
    ("service", "signal", "left"),
    [
        (None, None, set()),
        ("", "", set()),
        ("github", None, {"zeta/logs.jsonl"}),
        (None, "logs", {"github/traces.jsonl"}),
        ("zeta", "traces", {"zeta/logs.jsonl", "github/logs.jsonl", "github/traces.jsonl"}),
    ],
)
def test_S4_23_a_service_or_a_signal_that_is_left_out_means_all(root, service, signal, left):
    for name in ("zeta/logs.jsonl", "github/logs.jsonl", "github/traces.jsonl"):
        put(root, name, 10)

    wiped = files.wipe(root, service, signal)

    assert {path.relative_to(root).as_posix() for path in root.rglob("*.jsonl")} == left
    assert wiped == files.Wiped(3 - len(left), 10 * (3 - len(left)))


def test_S4_23_a_missing_folder_is_no_error_and_other_files_stay(root, tmp_path):
    (root / "github" / "notes.txt").write_text("mine")
    put(root, "github/logs.jsonl", 10)

    assert files.wipe(tmp_path / "missing") == files.Wiped(0, 0)
    files.wipe(root)

    assert [path.name for path in (root / "github").iterdir()] == ["notes.txt"]


def test_S4_23_it_goes_on_past_what_cannot_be_deleted_and_says_what_is_left(root, monkeypatch):
    for name in ("github/logs.jsonl", "github/logs-2026-01-31T12-00-00.123.jsonl", "zeta/logs.jsonl"):
        put(root, name, 10)
    unlink = os.unlink

    def failing(path, **options):
        if str(path).endswith("123.jsonl"):
            raise PermissionError(13, "Permission denied", path)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", failing)
    with pytest.raises(telesink.TelesinkError, match=r"deleted 2 files, but not all: .*123\.jsonl"):
        files.wipe(root)

    assert [path.name for path in root.rglob("*.jsonl")] == ["logs-2026-01-31T12-00-00.123.jsonl"]


def test_S4_23_a_lock_that_is_held_is_waited_for_and_named(root, monkeypatch):
    import fcntl

    put(root, "github/logs.jsonl", 10)
    monkeypatch.setattr("telesink.files._locks.LOCK_SECONDS_MAX", 0.05)
    holder = os.open(root / "github", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(telesink.TelesinkError, match="github is locked"):
        files.wipe(root)
    os.close(holder)

    assert files.wipe(root).files == 1


def test_a_wipe_beside_a_writer_leaves_it_writing_into_files_that_have_a_name(folder):
    """Weakness 3: what is logged after a wipe is there."""
    logger, pipeline = folder.logger("service=shop&rotate=20 kB", linger_seconds=0.001)
    is_over = threading.Event()
    written = []

    def write():
        while not is_over.is_set():
            logger.info("%d", len(written))
            written.append(len(written))

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(20):
        wait_until(lambda: files.inventory(folder.path), "something is there to wipe")
        files.wipe(folder.path)
    is_over.set()
    thread.join()
    assert pipeline.flush(10)
    files.wipe(folder.path)
    logger.info("after")
    assert pipeline.flush(10)

    assert [line["msg"] for line in lines_in(folder.path / "shop")] == ["after"]
    assert pipeline.stats().dropped == {}


def test_a_plain_file_beside_its_compressed_form_counts_once_and_is_deleted_with_it(root):
    put(root, "github/logs-2026-01-31T12-00-00.123.jsonl", 30)
    (root / "github" / "logs-2026-01-31T12-00-00.123.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))

    [found] = files.inventory(root)
    files.wipe(root)

    assert found.file_count == 1
    assert list((root / "github").iterdir()) == []
