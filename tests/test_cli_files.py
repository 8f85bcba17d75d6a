"""`telesink files`."""

import json
import os
import signal
from datetime import UTC, datetime

import pytest
from command_line import in_terminal, running, telesink
from waiting import wait_until

from telesink import files


@pytest.fixture
def root(tmp_path):
    """A folder with files of two services."""
    root = tmp_path / "telemetry"
    for name, size in (
        ("github/logs.jsonl", 1_536),
        ("github/metrics.jsonl", 10),
        ("zeta/traces.jsonl", 5 << 20),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (size - 1) + b"\n")
        moment = datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp()
        os.utime(path, (moment, moment))
    return root


def test_S4_25_status_shows_what_there_is_in_binary_units(root):
    result = telesink("files", "status", root, "--plain")

    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split("\t")[:5] for line in result.stdout.splitlines()] == [
        ["github", "logs", "1.5 KiB", "1", "2026-01-31T12:00:00Z"],
        ["github", "metrics", "10 B", "1", "2026-01-31T12:00:00Z"],
        ["zeta", "traces", "5.0 MiB", "1", "2026-01-31T12:00:00Z"],
    ]


def test_S4_25_status_as_json_is_the_inventory(root):
    result = telesink("files", "status", f"file://{root}?rotate=1 MB", "--json", "--service", "github")

    found = json.loads(result.stdout)
    assert [entry["signal"] for entry in found] == ["logs", "metrics"]
    assert found[0].keys() == {
        "server",
        "signal",
        "path",
        "sizeBytes",
        "oldestTime",
        "newestTime",
        "fileCount",
    }
    assert found[0]["oldestTime"] == "2026-01-31T12:00:00Z"


def test_S4_25_a_folder_without_files_or_that_is_missing_is_no_error(tmp_path):
    empty = telesink("files", "status", tmp_path, "--json")
    missing = telesink("files", "status", tmp_path / "missing", "--plain")

    assert (empty.returncode, empty.stdout) == (0, "[]\n")
    assert (missing.returncode, missing.stdout) == (0, "")


def test_status_in_a_terminal_is_a_table(root):
    code, shown = in_terminal("files", "status", root)

    assert code == 0
    assert "service" in shown
    assert "5.0 MiB" in shown


def test_S4_25_wipe_deletes_what_is_named_once_somebody_is_sure(root):
    asked = telesink("files", "wipe", root, "--service", "github", "--signal", "logs")
    sure = telesink("files", "wipe", root, "--service", "github", "--signal", "logs", "-y")

    assert asked.returncode == 2
    assert "1 file (1.5 KiB) would be deleted" in asked.stderr
    assert "-y" in asked.stderr
    assert (sure.returncode, sure.stdout) == (0, "deleted 1 file (1.5 KiB)\n")
    assert [entry.signal for entry in files.inventory(root)] == ["metrics", "traces"]


def test_S4_24_wipe_as_json_says_that_it_worked_and_what_is_left(root):
    result = telesink("files", "wipe", root, "--signal", "traces", "-y", "--json")

    found = json.loads(result.stdout)
    assert found["success"] is True
    assert [entry["server"] for entry in found["inventory"]] == ["github", "github"]


def test_an_empty_service_is_no_wildcard_on_the_command_line(root):
    result = telesink("files", "wipe", root, "--service", "")

    assert result.returncode == 2
    assert "--service is empty" in result.stderr
    assert len(files.inventory(root)) == 3


def test_wipe_without_anything_to_delete_asks_nobody(tmp_path):
    result = telesink("files", "wipe", tmp_path)

    assert (result.returncode, result.stdout) == (0, "deleted 0 files (0 B)\n")


def test_S4_25_tail_begins_at_the_end_and_goes_on_in_the_next_file(root):
    active = root / "github" / "logs.jsonl"
    with running("files", "tail", root, "github", "--signal", "logs") as tail:
        number = 0

        def is_in_place():
            nonlocal number
            with active.open("a") as file:
                file.write(f'{{"msg": "{number}"}}\n')
            number += 1
            return tail.out

        wait_until(is_in_place, "a line has come through")
        tail.wait_for(f'"{number - 1}"', tail.out)
        active.rename(active.with_name("logs-2026-01-31T12-00-00.000.jsonl"))
        active.write_text('{"msg": "after"}\n{"msg": "torn')
        tail.wait_for("after", tail.out)
        code = tail.interrupt(signal.SIGINT)

    found = [json.loads(line)["msg"] for line in tail.out]
    assert found == [*map(str, range(int(found[0]), number)), "after"]
    assert code == 130


def test_S4_25_tail_needs_a_signal(root):
    result = telesink("files", "tail", root, "github")

    assert result.returncode == 2
    assert "--signal" in result.stderr


def test_tail_to_the_end_of_what_is_there_hides_control_characters(root):
    (root / "github" / "logs.jsonl").write_text('{"msg": "a\x1b[31m"}\n')

    result = telesink("files", "tail", root, "github", "--signal", "logs", "--from-start", "-F")

    assert result.stdout == '{"msg": "a\\u001b[31m"}\n'
