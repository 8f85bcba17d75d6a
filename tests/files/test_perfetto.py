"""Traces for the Perfetto UI, read by Perfetto's own messages."""

import logging
import os
import stat
import subprocess
import sys
from collections import Counter

import pytest
from files.reading import mode_of
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent
from reliability.small_fs import can_mount, on_small_disk

import telesink
import telesink.opentelemetry

BEGIN, END, INSTANT = TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END, TrackEvent.TYPE_INSTANT


class Read:
    """A trace file with its texts in place of their numbers."""

    def __init__(self, path):
        self.packets = Trace.FromString(path.read_bytes()).packet
        self.tracks, self.events = {}, []
        names, keys, categories = {}, {}, {}
        for packet in self.packets:
            assert packet.trusted_packet_sequence_id == 1
            if packet.sequence_flags & 1:
                names, keys, categories = {}, {}, {}
            for known, told in (
                (names, packet.interned_data.event_names),
                (keys, packet.interned_data.debug_annotation_names),
                (categories, packet.interned_data.event_categories),
            ):
                known.update({text.iid: text.name for text in told})
            if packet.HasField("track_descriptor"):
                self.tracks[packet.track_descriptor.uuid] = packet.track_descriptor
            if packet.HasField("track_event"):
                event = packet.track_event
                values = {
                    keys[annotation.name_iid]: getattr(annotation, annotation.WhichOneof("value"))
                    for annotation in event.debug_annotations
                }
                self.events.append(
                    (
                        packet.timestamp,
                        event.type,
                        event.track_uuid,
                        names[event.name_iid] if event.name_iid else None,
                        [categories[iid] for iid in event.category_iids],
                        values,
                    )
                )

    def slices(self):
        """Name, begin, end and values of each slice; fails where they are not nested."""
        found = []
        by_track = {}
        for event in self.events:
            if event[1] != INSTANT:
                by_track.setdefault(event[2], []).append(event)
        for track, events in by_track.items():
            assert track in self.tracks
            # Readers sort by time; of one moment the order in the file counts.
            stack = []
            for at, kind, _, name, _, values in sorted(events, key=lambda event: event[0]):
                if kind == BEGIN:
                    stack.append((name, at, values))
                else:
                    begun, begin, told = stack.pop()
                    found.append((begun, begin, at, told))
            assert stack == []
        return found


def only_file(root):
    [path] = root.glob("executions/*/*.pftrace")
    return path


def test_S3_26_spans_are_slices_with_their_attributes_and_log_records_are_instants(tmp_path):
    root = tmp_path / "traces"
    processor = telesink.opentelemetry.SpanProcessor(f"perfetto://{root}")
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("orders")
    with tracer.start_as_current_span(
        "outer", attributes={"n": 3, "f": 0.5, "ok": True, "list": [1]}
    ) as outer:
        outer.add_event("began", {"why": "because"})
        with tracer.start_as_current_span("inner"):
            pass
        with tracer.start_as_current_span("inner"):
            pass
    assert processor.force_flush(10_000)

    read = Read(only_file(root))
    names = Counter(name for name, *_ in read.slices())
    [(_, begin, end, values)] = [found for found in read.slices() if found[0] == "outer"]
    assert names == {"outer": 1, "inner": 2}
    assert (begin, end) == (outer.start_time, outer.end_time)
    assert values == {"n": 3, "f": 0.5, "ok": True, "list": "[1]"}
    [began] = [event for event in read.events if event[1] == INSTANT]
    assert began[3:] == ("began", ["orders"], {"why": "because"})
    assert {packet.timestamp_clock_id for packet in read.packets if packet.timestamp} == {1}


def test_S3_26_a_log_record_is_an_instant_on_the_track_of_its_thread(tmp_path):
    telesink.install_logging(f"perfetto://{tmp_path}/traces", level="DEBUG")
    logging.getLogger("cart").info("paid %d", 7, extra={"amount": 12.5})
    logging.getLogger("cart").debug("too low")
    assert telesink.flush(10)

    read = Read(only_file(tmp_path / "traces"))
    [(at, kind, track, name, categories, values)] = read.events
    assert (kind, name, categories) == (INSTANT, "paid 7", ["cart"])
    assert (values["amount"], values["level"]) == (12.5, "INFO")
    assert read.tracks[track].thread.thread_name == "MainThread"
    assert read.tracks[track].thread.pid == os.getpid()
    assert at > 1_700_000_000_000_000_000


def test_S3_26_modes_are_user_dev_and_off(tmp_path, monkeypatch):
    def kept(options):
        root = tmp_path / f"t{len(list(tmp_path.iterdir()))}"
        with telesink.Pipeline(f"perfetto://{root}{options}") as pipeline:
            pipeline.enqueue({"body": "low", "level": "DEBUG"})
            pipeline.enqueue({"body": "high", "level": "INFO"})
        return [event[3] for path in root.glob("executions/*/*.pftrace") for event in Read(path).events]

    assert kept("") == kept("?mode=user") == ["high"]
    assert kept("?mode=dev") == ["low", "high"]
    assert kept("?mode=off") == []
    monkeypatch.setenv("PERFETTO_TRACE_MODE", "debug")
    assert kept("") == ["low", "high"]
    monkeypatch.setenv("PERFETTO_TRACE_MODE", "0")
    assert kept("") == []
    monkeypatch.setenv("PERFETTO_TRACE_MODE", "maybe")
    with pytest.raises(telesink.ConfigError, match="PERFETTO_TRACE_MODE"):
        kept("")


def test_S3_26_each_process_of_an_execution_has_a_file_and_latest_leads_to_the_last_execution(
    run_python, tmp_path
):
    code = (
        "import logging, telesink\n"
        "telesink.install_logging('perfetto:traces')\n"
        "logging.warning('hello')\n"
        "telesink.shutdown()\n"
    )
    for execution in ("one", "one", "two/../x"):
        run_python(code, TELESINK_EXECUTION_ID=execution)

    root = tmp_path / "traces"
    executions = {path.name: len(list(path.iterdir())) for path in (root / "executions").iterdir()}
    assert executions == {"one": 2, "two%2F..%2Fx": 1}
    assert str((root / "latest").readlink()) == "executions/two%2F..%2Fx"
    assert {mode_of(path) for path in root.glob("executions/*/*")} == {"0o600"}
    assert stat.S_ISLNK((root / "latest").lstat().st_mode)


def test_spans_that_run_at_the_same_time_lie_on_tracks_of_their_own_that_are_shown_together(tmp_path):
    processor = telesink.opentelemetry.SpanProcessor(f"perfetto://{tmp_path}/traces")
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("root"):
        running = [tracer.start_span(f"task {number}") for number in range(5)]
        # Each ends while others that began before or after it still run.
        for number in (2, 0, 4, 1, 3):
            running[number].end()
    assert processor.force_flush(10_000)

    read = Read(only_file(tmp_path / "traces"))
    assert len(read.slices()) == 6
    tracks = [track for track in read.tracks.values() if track.name == "spans"]
    assert len(tracks) > 1
    assert {track.parent_uuid for track in tracks} == {1}


def test_spans_that_begin_or_end_at_the_same_moment_keep_their_lengths(tmp_path):
    processor = telesink.opentelemetry.SpanProcessor(f"perfetto://{tmp_path}/traces")
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    at = 1_795_000_000_000_000_000
    lengths = {"same start": (0, 10), "same end": (90, 100), "empty": (50, 50), "next": (10, 20)}
    with tracer.start_as_current_span("outer", start_time=at, end_on_exit=False) as outer:
        for name, (begin, end) in lengths.items():
            tracer.start_span(name, start_time=at + begin).end(at + end)
    outer.end(at + 100)
    assert processor.force_flush(10_000)

    slices = Read(only_file(tmp_path / "traces")).slices()
    found = {name: (begin - at, end - at) for name, begin, end, _ in slices}
    assert found == {**lengths, "outer": (0, 100)}


FULL = """
import os, pathlib, shutil, sys, telesink

root = sys.argv[1]
quickly = {"retry_initial_seconds": 0.001, "retry_max_seconds": 0.002}
pipeline = telesink.Pipeline(f"perfetto://{root}/traces", **quickly)
ballast = os.open(f"{root}/ballast", os.O_CREAT | os.O_WRONLY)
os.posix_fallocate(ballast, 0, 7 << 20)
number = 0
while pipeline.stats().retries < 1500:
    if number < 2000:
        pipeline.enqueue({"body": f"message {number}", "level": "INFO", "padding": "x" * 1000})
        number += 1
    pipeline.flush(0.01)
os.close(ballast)
os.unlink(f"{root}/ballast")
assert pipeline.close(30), pipeline.stats()
[file] = pathlib.Path(root, "traces").glob("executions/*/*.pftrace")
shutil.copy(file, sys.argv[2])
print(number)
"""


def test_a_full_disk_leaves_one_file_that_goes_on_once_there_is_room(tmp_path):
    if not can_mount():
        pytest.fail("this test mounts a small disk: run it as root on Linux")
    (tmp_path / "disk").mkdir()

    command = [
        *on_small_disk(tmp_path / "disk"),
        sys.executable,
        "-c",
        FULL,
        str(tmp_path / "disk"),
        str(tmp_path / "t"),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert finished.returncode == 0, finished.stderr
    found = [event[3] for event in Read(tmp_path / "t").events]
    assert found == [f"message {number}" for number in range(int(finished.stdout))]


def test_texts_are_written_once_however_often_they_come(tmp_path):
    with telesink.Pipeline(f"perfetto://{tmp_path}/traces") as pipeline:
        for number in range(20_000):
            pipeline.enqueue({"body": f"message {number % 10_000}", "level": "INFO", "key": number})

    read = Read(only_file(tmp_path / "traces"))
    assert [event[3] for event in read.events] == [f"message {number % 10_000}" for number in range(20_000)]
    content = only_file(tmp_path / "traces").read_bytes()
    # All are forgotten at a bound, so that memory has one.
    assert 1 <= content.count(b"message 7777") <= 3
    assert content.count(b"key") < 20


def test_something_in_the_way_of_the_link_leaves_no_files_behind(tmp_path):
    (tmp_path / "traces" / "latest").mkdir(parents=True)
    (tmp_path / "traces").chmod(0o700)
    with telesink.Pipeline(f"perfetto://{tmp_path}/traces", retry_initial_seconds=0.001) as pipeline:
        pipeline.enqueue({"body": "kept", "level": "INFO"})
        assert not pipeline.flush(0.2)
        before = list((tmp_path / "traces").glob("executions/*/*"))
        (tmp_path / "traces" / "latest").rmdir()
        assert pipeline.flush(10)

    assert before == []
    assert [event[3] for event in Read(only_file(tmp_path / "traces")).events] == ["kept"]


def test_a_file_ends_at_its_size_and_the_next_one_begins(tmp_path):
    with telesink.Pipeline(f"perfetto://{tmp_path}/traces?size_max=10 kB") as pipeline:
        for number in range(1_000):
            pipeline.enqueue({"body": f"message {number}", "level": "INFO"})
        assert pipeline.flush(10)
        stats = pipeline.stats()

    paths = sorted((tmp_path / "traces").glob("executions/*/*"), key=lambda path: path.stat().st_mtime_ns)
    assert len(paths) > 3
    assert all(10_000 <= path.stat().st_size < 11_000 for path in paths[:-1])
    found = [event[3] for path in paths for event in Read(path).events]
    assert found == [f"message {number}" for number in range(1_000)]
    assert (stats.delivered, stats.dropped) == (1_000, {})
