"""What was stored is read back: pages of log records, runs as trees; the same from both databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from events.fixture import entries, identifier

import telesink
from telesink import events
from telesink.reading import Reader

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(params=["", "systemprompt"])
def preset(request):
    """The tables that log records stand in."""
    return {"preset": request.param} if request.param else {}


@pytest.fixture
def shop(store, preset):
    """Ten lines of a shop, a minute apart, and a reader."""
    with telesink.Pipeline(store.dsn(**preset)) as pipeline:
        for number in range(10):
            pipeline.enqueue(
                {
                    "body": f"line {number} of 100%" if number % 2 else f"Line {number}",
                    "logger": "shop.orders" if number < 5 else "shopping",
                    "level": "ERROR" if number == 7 else "INFO",
                    "time": NOON + timedelta(minutes=number, microseconds=number),
                    "trace_id": TRACE if number == 3 else None,
                    "user_id": "u-1",
                    "n": number,
                }
            )
        assert pipeline.flush(30).complete
    return Reader(store.dsn(**preset))


def bodies(page):
    return [row.body for row in page]


def test_seed_S0_34_log_records_come_newest_first_in_pages_with_a_total(shop):
    """S0-34."""
    first, last = shop.logs(per_page=4), shop.logs(page=3, per_page=4)

    assert (first.total, first.pages, len(first), len(last)) == (10, 3, 4, 2)
    assert bodies(first)[0] == "line 9 of 100%"
    assert bodies(last) == ["line 1 of 100%", "Line 0"]
    row = last[1]
    assert (row.time, row.level, row.logger) == (NOON, "INFO", "shop.orders")
    assert row.attributes == {"n": 0, "user_id": "u-1"}
    assert shop.log(row.id) == row
    assert first[0].time == NOON + timedelta(minutes=9, microseconds=9)


def test_seed_S0_34_they_are_chosen_by_level_logger_text_time_and_trace(shop):
    """S0-34, S0-42: a logger and those below it; wildcards are characters like others."""
    assert bodies(shop.logs(level="ERROR")) == ["line 7 of 100%"]
    assert shop.logs(logger="shop").total == 5
    assert shop.logs(logger="shop.orders", text="LINE 4").total == 1
    assert shop.logs(text="100%").total == 5
    assert shop.logs(text="1_0").total == 0
    assert shop.logs(since=NOON + timedelta(minutes=8)).total == 2
    assert bodies(shop.logs(trace_id=TRACE)) == ["line 3 of 100%"]
    assert shop.log(identifier(0, 1)) is None


@pytest.mark.parametrize("text", ["'; DROP TABLE logs; --", "back\\slash", "nul\0", "!", "ü'\\'"])
def test_what_is_looked_for_can_be_any_text(shop, text):
    assert shop.logs(text=text, logger=text, level=text, trace_id=text).total == 0
    assert shop.logs().total == 10


def test_pages_below_one_are_refused_with_what_is_allowed(shop):
    """S0-34: page 0 would be a negative offset."""
    for wrong in ({"page": 0}, {"per_page": 0}, {"per_page": 10_001}):
        with pytest.raises(telesink.ConfigError, match="pages begin at 1"):
            shop.logs(**wrong)


def test_a_run_is_a_tree_of_steps_and_calls(store):
    dsn = store.dsn(preset="chronicle")
    with telesink.Pipeline(dsn) as pipeline:
        with events.run("chat", to=pipeline, tags=["a"], input={"q": 1}) as run:
            with (
                events.step("outer", type="agent"),
                events.step("inner", type="tool") as inner,
                events.llm_call(provider="acme", model="m", request={"x": 1}) as call,
            ):
                call.response = {"y": 2}
                call.usage(input_tokens=3, output_tokens=4, cost_usd=0.5)
            with events.llm_call(provider="acme", model="m") as call:
                call.usage(input_tokens=1)
        pipeline.enqueue_many(entries())
        assert pipeline.flush(30).complete
    reader = Reader(dsn)

    found = reader.run(run.id)

    assert (found.name, found.status, found.tags, found.input) == ("chat", "finished", ["a"], {"q": 1})
    (outer,) = found.steps
    assert [(step.name, step.parent_id) for step in outer.steps] == [("inner", outer.id)]
    assert (outer.steps[0].id, outer.status) == (inner.id, "finished")
    (told,) = outer.steps[0].calls
    assert (told.request, told.response, told.usage) == (
        {"x": 1},
        {"y": 2},
        {"input_tokens": 3, "output_tokens": 4},
    )
    assert len(found.calls) == 1
    assert (found.usage(), found.cost_usd()) == ({"input_tokens": 4, "output_tokens": 4}, 0.5)
    assert 0 <= outer.steps[0].seconds <= outer.seconds <= found.seconds + 0.001
    assert [run.name for run in reader.runs()] == ["chat", "test run"]
    assert reader.runs(name="test run")[0].info == {
        "info1": "value1",
        "info2": "new_value",
        "info3": "value3",
    }
    assert reader.runs(status="none").total == 0
    assert reader.runs(since=NOON).total == 1
    assert reader.run(identifier(7, 7)) is None


def test_steps_that_name_one_another_as_parents_are_still_seen(store):
    """Nobody promises that a tree is one."""
    steps = [
        {
            "type": "step:start",
            "step_id": identifier(0, one),
            "run_id": identifier(0, 9),
            "data": {"type": "t", "parent_step": identifier(0, other)},
        }
        for one, other in ((1, 2), (2, 1), (3, 3))
    ]
    dsn = store.dsn(preset="chronicle")
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue_many([{"type": "run:start", "id": identifier(0, 9), "name": "n"}, *steps])
        assert pipeline.flush(30).complete

    assert len(Reader(dsn).run(identifier(0, 9)).steps) == 3


def test_a_reader_that_cannot_be_meant_says_what_to_do(store, tmp_path):
    with telesink.Pipeline(store.dsn(preset="chronicle")) as pipeline:
        pipeline.enqueue({"type": "an_event"})
    with pytest.raises(telesink.ConfigError, match="hold no log records"):
        Reader(store.dsn(preset="chronicle")).logs()
    with pytest.raises(telesink.ConfigError, match="names no tables of runs"):
        Reader(store.dsn()).runs()
    with pytest.raises(telesink.ConfigError, match="stores nothing that could be read"):
        Reader("console://")
    with pytest.raises(telesink.TelesinkError, match="no such file"):
        Reader(f"sqlite:///{tmp_path}/none.db")


def test_tables_that_are_missing_or_of_another_form_are_an_error_of_their_own(store):
    store.script("CREATE TABLE telesink_logs (what TEXT)")
    for dsn in (store.dsn(), store.dsn(preset="systemprompt")):
        with pytest.raises(telesink.SchemaError, match=r"no such|does not exist"):
            Reader(dsn).logs()


def test_reading_changes_nothing(store):
    with telesink.Pipeline(store.dsn()) as pipeline:
        pipeline.enqueue({"body": "a"})
    with pytest.raises(telesink.TelesinkError):
        Reader(store.dsn())._native.ask("DELETE FROM telesink_logs")
    assert Reader(store.dsn()).logs().total == 1


def test_rows_that_others_have_written_are_read_as_far_as_they_can_be(sqlite_store):
    with telesink.Pipeline(sqlite_store.dsn(preset="systemprompt")) as pipeline:
        pipeline.enqueue({"body": "a", "user_id": "u"})
    sqlite_store.script(
        "UPDATE logs SET metadata = '[1]', timestamp = '2026-01-31 12:00:00';"
        "INSERT INTO logs (id, timestamp, level, module, message) VALUES ('X', '1/2/2026', 'WARN', 'm', 'b')"
    )
    reader = Reader(sqlite_store.dsn(preset="systemprompt"))

    rows = {row.body: row for row in reader.logs()}
    assert (rows["a"].time, rows["a"].attributes) == (NOON, {"metadata": [1], "user_id": "u"})
    assert (reader.log("X").body, reader.logs(level="warning").total) == ("b", 1)


def test_a_call_of_others_is_read_as_far_as_it_can_be(store):
    usage = {"input_tokens": 3, "details": {"cached": 1}, "none": None}
    call = {"type": "c", "run_id": identifier(0, 1), "response_meta": {"usage": usage, "cost_usd": "much"}}
    dsn = store.dsn(preset="chronicle")
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue_many([entries()[0], call])
        assert pipeline.flush(30).complete

    run = Reader(dsn).run(identifier(0, 1))
    assert (run.usage(), run.cost_usd()) == ({"input_tokens": 3}, 0.0)


def test_the_preset_is_that_of_the_dsn_however_it_is_written(tmp_path):
    path = tmp_path / "preset=chronicle.db"
    with telesink.Pipeline(f"sqlite:///{path}") as pipeline:
        pipeline.enqueue({"body": "a"})
    assert Reader(f"sqlite:///{path}").logs().total == 1
    with telesink.Pipeline(f"sqlite:///{tmp_path}/runs.db?preset=CHRONICLE") as pipeline:
        pipeline.enqueue(entries()[0])
    for query in ("?preset=%63hronicle", "?%70reset=CHRONICLE"):
        assert Reader(f"sqlite:///{tmp_path}/runs.db{query}").runs().total == 1
    assert Reader(f"sqlite:///{tmp_path}/runs.db", preset="chronicle").runs().total == 1
    with pytest.raises(telesink.ConfigError, match="table_map` is not read here"):
        Reader(f"sqlite:///{path}?table_map=" + '{"table": "t", "columns": {"a": "body"}}')


def test_times_within_a_second_have_their_order_and_their_bound(store, preset):
    moments = [NOON, NOON + timedelta(milliseconds=500), NOON + timedelta(seconds=1)]
    with telesink.Pipeline(store.dsn(**preset)) as pipeline:
        for number, moment in enumerate(moments):
            pipeline.enqueue({"body": str(number), "time": moment})
        assert pipeline.flush(30).complete
    reader = Reader(store.dsn(**preset))

    assert bodies(reader.logs()) == ["2", "1", "0"]
    assert bodies(reader.logs(since=NOON + timedelta(milliseconds=1))) == ["2", "1"]
    assert [row.body for row in reader.all_logs(after=reader.logs()[1].id)] == ["2"]


def test_letters_of_every_language_are_found_in_any_case(sqlite_store, preset):
    """In Postgres as the locale of the database has it."""
    with telesink.Pipeline(sqlite_store.dsn(**preset)) as pipeline:
        pipeline.enqueue({"body": "ÄRGER in Ελλάδα, 100%_!"})
        assert pipeline.flush(30).complete
    reader = Reader(sqlite_store.dsn(**preset))

    for text in ("ärger", "ΕΛΛΆΔΑ", "100%_!"):
        assert reader.logs(text=text).total == 1
    assert reader.logs(text="100_%").total == 0


def test_a_row_tells_who_took_it_and_when(store):
    with telesink.Pipeline(store.dsn()) as pipeline:
        for number in range(2):
            pipeline.enqueue({"body": str(number), "time": NOON})
        assert pipeline.flush(30).complete
    newest, oldest = sorted(Reader(store.dsn()).logs(), key=lambda row: -row.seq)

    assert (newest.seq, oldest.seq, newest.instance) == (2, 1, oldest.instance)
    assert newest.observed_time - NOON > timedelta(days=1)
    assert newest.resource["telemetry.sdk.language"] == "python" or newest.resource["service.name"]


def test_a_closed_reader_answers_nothing(store):
    with telesink.Pipeline(store.dsn()) as pipeline:
        pipeline.enqueue({"body": "a"})
    with Reader(store.dsn()) as reader:
        assert reader.logs().total == 1
    reader.close()

    with pytest.raises(telesink.TelesinkError, match="it is closed"):
        reader.logs()


def test_a_reader_whose_connection_was_ended_connects_again(postgres_store):
    with telesink.Pipeline(postgres_store.dsn()) as pipeline:
        pipeline.enqueue({"body": "a"})
    reader = Reader(postgres_store.dsn())
    assert reader.logs().total == 1
    postgres_store.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert reader.logs().total == 1


def test_a_reader_of_a_file_that_was_replaced_reads_the_new_one(sqlite_store, tmp_path):
    for name, body in (("app.db", "old"), ("new.db", "new")):
        with telesink.Pipeline(f"sqlite:///{tmp_path}/{name}") as pipeline:
            pipeline.enqueue({"body": body})
    reader = Reader(sqlite_store.dsn())
    assert bodies(reader.logs()) == ["old"]

    (tmp_path / "new.db").replace(sqlite_store.path)

    assert bodies(reader.logs()) == ["new"]


def test_many_rows_over_long_and_short_times_are_read_in_order_and_once(postgres_store, preset):
    table, columns, values = (
        ("logs", "id, timestamp, level, module, message", "n, {time}, 'INFO', 'm', n")
        if preset
        else (
            "telesink_logs",
            "id, ts, observed_ts, severity, level, service, logger, body, resource_id, instance, seq",
            "gen_random_uuid(), {time}, now(), 9, 'INFO', 's', 'l', n, 1, gen_random_uuid(), n",
        )
    )
    with telesink.Pipeline(postgres_store.dsn(**preset)) as pipeline:
        pipeline.enqueue({"body": "0", "time": NOON - timedelta(days=4_000)})
        assert pipeline.flush(30).complete
    noon = f"timestamptz '{NOON.isoformat()}'"
    for first, last, time in (
        (1, 30_000, f"{noon} + n / 40 * interval '1 millisecond'"),
        (30_001, 31_500, f"{noon} + interval '1 hour'"),
        (31_501, 31_700, f"{noon} + (n - 31500) * interval '1 day'"),
    ):
        postgres_store.sql(
            f"INSERT INTO {table} ({columns}) SELECT {values.format(time=time)}"
            f" FROM generate_series({first}, {last}) AS n"
        )
    reader = Reader(postgres_store.dsn(**preset))

    rows = list(reader.all_logs())

    assert sorted(int(row.body) for row in rows) == list(range(31_701))
    assert [row.time for row in rows] == sorted(row.time for row in rows)
    assert [row.body for row in reader.all_logs(after=rows[30_700].id)] == [row.body for row in rows[30_701:]]
    assert len(list(reader.all_logs(since=NOON + timedelta(days=100)))) == 101


def test_times_at_the_ends_of_the_calendar_are_read(store):
    dsn = store.dsn(preset="systemprompt")
    times = ["0001-01-01T00:00:00+05:00", "9999-12-31 23:59:59Z", "2026-01-31T12:00:00Z"]
    if store.name == "postgres":
        times += ["-infinity", "-infinity", "infinity"]
    with telesink.Pipeline(dsn) as pipeline:
        for number in range(len(times)):
            pipeline.enqueue({"body": str(number)})
        assert pipeline.flush(30).complete
    for number, when in enumerate(times):
        store.sql(f"UPDATE logs SET timestamp = '{when}' WHERE message = '{number}'")
    reader = Reader(dsn)

    rows = list(reader.all_logs())

    assert sorted(row.body for row in rows) == [str(number) for number in range(len(times))]
    assert reader.summary().total == reader.logs().total == len(times)
    assert [row.body for row in reader.all_logs(after=rows[0].id)] == [row.body for row in rows[1:]]
    east = timezone(timedelta(hours=5))
    for wrong in ({"since": datetime.min.replace(tzinfo=east)}, {"until": "soon"}):
        with pytest.raises(telesink.ConfigError, match=r"which no other zone knows|expected a datetime"):
            reader.logs(**wrong)
