"""Log records are mended and deleted, one by one; the same in both databases."""

from datetime import UTC, datetime, timedelta

import pytest

import telesink
from telesink.reading import Editor, Reader

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(params=["", "systemprompt"])
def preset(request):
    """The tables that log records stand in."""
    return {"preset": request.param} if request.param else {}


@pytest.fixture
def editor(store, preset):
    """Six log records, a day apart, and an editor."""
    with telesink.Pipeline(store.dsn(**preset)) as pipeline:
        for number in range(6):
            pipeline.enqueue(
                {
                    "body": f"line {number}",
                    "logger": "shop",
                    "level": "INFO",
                    "time": NOON + timedelta(days=number),
                    "n": number,
                }
            )
        assert pipeline.flush(30).complete
    return Editor(store.dsn(**preset))


def bodies(editor):
    return sorted(row.body for row in editor.all_logs())


def test_seed_S0_34_level_logger_message_and_attributes_are_changed(editor):
    """S0-34."""
    row, *others = editor.logs()

    assert editor.update(row.id, level="error") is True
    assert editor.update(row.id, logger="it's", body="back\\slash ü", attributes={"a": ["\\", "'", None]})

    mended = editor.log(row.id)
    assert (mended.level, mended.severity, mended.logger, mended.body) == (
        "ERROR",
        17,
        "it's",
        "back\\slash ü",
    )
    assert (mended.attributes, mended.time) == ({"a": ["\\", "'", None]}, row.time)
    assert editor.logs()[1:] == tuple(others) or list(editor.logs())[1:] == others
    assert editor.update(NOWHERE, body="x") is False


def test_seed_S0_34_one_is_deleted_and_whether_it_was_there_is_told(editor):
    """S0-34."""
    row = editor.logs()[0]

    assert (editor.delete(row.id), editor.delete(row.id), editor.delete("none")) == (True, False, False)
    assert bodies(editor) == [f"line {number}" for number in range(5)]


def test_seed_S0_34_many_are_deleted_and_counted(editor):
    """S0-34: an empty list asks nothing."""
    ids = [row.id for row in editor.logs(per_page=4)]

    assert editor.delete_many([]) == 0
    assert editor.delete_many(NOWHERE for _ in range(2_500)) == 0
    with pytest.raises(telesink.ConfigError, match="was given one text"):
        editor.delete_many(NOWHERE)
    assert editor.delete_many([*ids, NOWHERE, "none", *ids]) == 4
    assert bodies(editor) == ["line 0", "line 1"]


def test_seed_S0_34_what_is_older_than_a_moment_is_counted_and_deleted(editor):
    """S0-34."""
    moment = NOON + timedelta(days=2)

    assert editor.logs(until=moment).total == 2
    assert editor.delete_older_than(moment).rows == 2
    assert bodies(editor) == [f"line {number}" for number in range(2, 6)]


def test_seed_S0_34_all_are_deleted(editor):
    """S0-34."""
    assert editor.delete_all().rows == 6
    assert editor.logs().total == 0


def test_seed_S0_34_loggers_are_chosen_by_any_of_several_names(editor, store, preset):
    """S0-34."""
    with telesink.Pipeline(store.dsn(**preset)) as pipeline:
        for logger in ("billing.card", "mail", "mailer"):
            pipeline.enqueue({"body": logger, "logger": logger})
        assert pipeline.flush(30).complete

    found = editor.logs(logger=["billing", "mail"])

    assert sorted(row.body for row in found) == ["billing.card", "mail"]
    assert editor.logs(logger=[]).total == 0


def test_seed_S0_31_an_empty_logger_an_empty_message_and_bare_values_are_refused(editor):
    """S0-31: what is written by a pipeline is taken as it is."""
    row = editor.logs()[0]

    for wrong in ({"logger": ""}, {"logger": 7}, {"body": ""}, {"body": " \n"}):
        with pytest.raises(telesink.ConfigError, match="expected some text"):
            editor.update(row.id, **wrong)
    for wrong in (7, 1.5, True):
        with pytest.raises(telesink.ConfigError, match="a bare value"):
            editor.update(row.id, attributes=wrong)
    with pytest.raises(telesink.ConfigError, match="cannot be said in JSON"):
        editor.update(row.id, attributes={"a": object()})
    with pytest.raises(telesink.ConfigError, match="is no level"):
        editor.update(row.id, level="LOUD")
    with pytest.raises(telesink.ConfigError, match="nothing to change"):
        editor.update(row.id)
    assert editor.log(row.id) == row


def test_seed_S0_31_an_object_a_list_a_text_and_nothing_pass(store):
    """S0-31: in a column of text; where attributes are an object, other things need a name."""
    dsn = store.dsn(preset="systemprompt")
    with telesink.Pipeline(dsn) as pipeline, telesink.Pipeline(store.dsn()) as own:
        pipeline.enqueue({"body": "a", "n": 1})
        own.enqueue({"body": "a", "n": 1})
    editor = Editor(dsn)
    row = editor.logs()[0]

    for value, expected in (
        ({"a": 1}, {"a": 1}),
        ([1, 2], {"metadata": [1, 2]}),
        ("text", {"metadata": "text"}),
        (None, {}),
    ):
        assert editor.update(row.id, attributes=value)
        assert editor.log(row.id).attributes == expected
    of_own = Editor(store.dsn())
    with pytest.raises(telesink.ConfigError, match="expected a mapping"):
        of_own.update(of_own.logs()[0].id, attributes=[1])


def test_seed_S0_35_odd_values_are_read_and_nothing_is_hidden(store):
    """S0-35: an unknown level counts as INFO; metadata that is no JSON, or no object, keeps its text."""
    dsn = store.dsn(preset="systemprompt")
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"body": "a"})
    if store.name == "postgres":
        store.sql("ALTER TABLE logs DROP CONSTRAINT logs_level_check")
    else:
        store.script("PRAGMA ignore_check_constraints = ON; UPDATE logs SET level = 'LOUD'")
    store.script(
        "UPDATE logs SET metadata = '{\"a\": ', context_id = 'ctx_0123'"
    ) if store.name == "sqlite" else (
        store.sql("UPDATE logs SET level = 'LOUD', metadata = '{\"a\": ', context_id = 'ctx_0123'")
    )

    (row,) = Reader(dsn).logs()

    assert (row.level, row.severity) == ("LOUD", 9)
    assert row.attributes == {"metadata": '{"a": ', "context_id": "ctx_0123"}


def test_what_no_table_can_hold_is_mended_as_by_a_pipeline(editor):
    row = editor.logs()[0]

    assert editor.update(row.id, body="a\0b\ud800", attributes={"n\0": ["\0", "\\u0000", "\ud800"]})

    mended = editor.log(row.id)
    assert mended.body == "a\u2400b?"
    assert mended.attributes == {"n\u2400": ["\u2400", "\\u0000", "?"]}
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(telesink.ConfigError, match="cannot be said in JSON"):
        editor.update(row.id, attributes={"deep": deep})


def test_all_are_deleted_where_they_were_read_whatever_the_working_directory(tmp_path, monkeypatch):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        with telesink.Pipeline(f"sqlite:///{tmp_path}/{folder}/app.db") as pipeline:
            pipeline.enqueue({"body": folder})
    monkeypatch.chdir(tmp_path / "a")
    editor = Editor("sqlite:///app.db")
    monkeypatch.chdir(tmp_path / "b")

    assert editor.delete_all().rows == 1

    assert (editor.logs().total, Reader("sqlite:///app.db").logs().total) == (0, 1)


def test_a_reader_cannot_change_anything(store):
    with telesink.Pipeline(store.dsn()) as pipeline:
        pipeline.enqueue({"body": "a"})
    reader = Reader(store.dsn())

    with pytest.raises(telesink.ConfigError, match="for reading only"):
        reader._native.change("DELETE FROM telesink_logs")
    assert reader.logs().total == 1


def test_runs_are_not_edited_here(store):
    dsn = store.dsn(preset="chronicle")
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"type": "an_event"})
    editor = Editor(dsn)

    for edit in (editor.delete_all, lambda: editor.delete(NOWHERE), lambda: editor.update(NOWHERE, body="a")):
        with pytest.raises(telesink.ConfigError, match="hold no log records"):
            edit()


def test_a_preset_beside_the_dsn_is_that_of_the_tables(store):
    with telesink.Pipeline(store.dsn(preset="systemprompt")) as pipeline:
        pipeline.enqueue({"body": "a", "time": NOON})
    for dsn in (store.dsn(), store.dsn(preset="systemprompt")):
        editor = Editor(dsn, preset="systemprompt")
        assert editor.update(editor.logs()[0].id, body="b")

    with pytest.raises(telesink.ConfigError, match="keep one of the two"):
        Editor(store.dsn(preset="systemprompt"), preset="chronicle")
    assert Editor(store.dsn(preset="systemprompt"), preset="systemprompt").delete_all().rows == 1
