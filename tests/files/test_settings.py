"""The settings file: what it may hold, and how it is changed."""

import json
import threading

import pytest
from files.reading import mode_of

import telesink
from telesink import files


@pytest.fixture
def path(tmp_path):
    """Where a settings file is to be."""
    return tmp_path / "settings.json"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"persist": {"log": True}}, "persist.log:"),
        ({"persist": {"logs": 1}}, "persist.logs:"),
        ({"persist": []}, "persist:"),
        ({"retention": {"max_size_mb": 0}}, "retention.max_size_mb:"),
        ({"retention": {"max_size_mb": 2**20 + 1}}, "retention.max_size_mb:"),
        ({"retention": {"max_backups": 1025}}, "retention.max_backups:"),
        ({"retention": {"max_age_days": True}}, "retention.max_age_days:"),
        ({"retention": {"max_age_days": 3651}}, "retention.max_age_days:"),
        ({"retentoin": {}}, "retentoin:"),
        ({"services": {"github": {"retention": {}}}}, "services.github.retention:"),
        ({"services": {"github": {"persist": {"traces": "on"}}}}, "services.github.persist.traces:"),
    ],
)
def test_S4_24_what_is_wrong_is_said_with_the_name_of_its_field(path, settings, field):
    """S4-4: the bounds."""
    [problem] = files.check_settings(settings)
    path.write_text(json.dumps(settings))

    assert problem.startswith(field)
    with pytest.raises(telesink.ConfigError, match=field):
        files.read_settings(path)


def test_S4_4_more_than_five_gibibytes_of_a_signal_are_warned_of_and_taken():
    with pytest.warns(UserWarning, match="6,000 MB"):
        assert files.check_settings({"retention": {"max_size_mb": 100, "max_backups": 60}}) == []


def test_S4_4_what_a_block_leaves_out_has_its_default_and_without_a_block_there_is_none(path):
    first, _ = files.change_settings(path, {"persist": {"logs": True}})
    second, _ = files.change_settings(path, {"retention": {"max_backups": 9}})

    assert "retention" not in first
    assert second["retention"] == {"max_backups": 9, "max_size_mb": 100, "max_age_days": 7}


def test_S4_24_nothing_and_no_change_are_refused(path):
    files.change_settings(path, {"persist": {"logs": False}})

    with pytest.raises(telesink.ConfigError, match="empty"):
        files.change_settings(path, {})
    with pytest.raises(telesink.ConfigError, match="change nothing"):
        files.change_settings(path, {"persist": {"logs": False}})
    with pytest.raises(telesink.ConfigError, match="65536 bytes"):
        files.change_settings(path, {"persist": {"x" * 70_000: True}})


def test_S4_24_a_change_that_would_be_wrong_leaves_the_file_as_it_was(path):
    files.change_settings(path, {"persist": {"logs": False}})
    before = path.read_bytes()

    with pytest.raises(telesink.ConfigError, match=r"persist\.logs"):
        files.change_settings(path, {"persist": {"logs": "off"}})

    assert path.read_bytes() == before


def test_S4_24_none_takes_a_value_away_so_that_a_service_inherits(path):
    files.change_settings(path, {"persist": {"logs": False, "traces": True}}, service="github")
    one, _ = files.change_settings(path, {"persist": {"logs": None}}, service="github")
    none, _ = files.change_settings(path, {"persist": None}, service="github")

    assert one == {"services": {"github": {"persist": {"traces": True}}}}
    assert none == {}


def test_S4_24_a_file_that_somebody_else_has_changed_is_not_overwritten(path):
    _, seen = files.change_settings(path, {"persist": {"logs": False}})
    files.change_settings(path, {"persist": {"traces": False}})

    with pytest.raises(files.SettingsChanged):
        files.change_settings(path, {"persist": {"metrics": False}}, expected_hash=seen)
    _, seen = files.read_settings(path)
    changed, _ = files.change_settings(path, {"persist": {"metrics": False}}, expected_hash=seen)

    assert changed == {"persist": {"logs": False, "traces": False, "metrics": False}}


def test_S4_24_the_file_is_private_and_replaced_as_a_whole(path):
    files.change_settings(path, {"persist": {"logs": False}})
    before = path.stat().st_ino
    files.change_settings(path, {"persist": {"logs": True}})

    assert mode_of(path) == "0o600"
    assert path.stat().st_ino != before
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]


def test_S4_24_callers_take_turns_and_no_change_is_lost(path):
    def change(number):
        files.change_settings(path, {"persist": {"logs": False}}, service=f"s{number}")

    threads = [threading.Thread(target=change, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    settings, _ = files.read_settings(path)
    assert sorted(settings["services"]) == [f"s{number}" for number in range(8)]


def test_a_folder_behind_a_link_is_fine(tmp_path):
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "release")

    files.change_settings(tmp_path / "current" / "settings.json", {"persist": {"logs": False}})

    assert json.loads((tmp_path / "release" / "settings.json").read_text()) == {"persist": {"logs": False}}


def test_S4_24_keys_keep_their_order(path):
    path.write_text('{"services": {}, "retention": {"max_age_days": 3}, "persist": {"traces": true}}')

    files.change_settings(path, {"persist": {"logs": True}})

    assert list(json.loads(path.read_text())) == ["services", "retention", "persist"]


@pytest.mark.parametrize("content", ["[1]", "{", "\x00"])
def test_what_is_no_object_is_an_error_that_names_the_file(path, content):
    path.write_text(content)

    with pytest.raises(telesink.ConfigError, match=r"settings\.json"):
        files.read_settings(path)


def test_a_program_follows_retention_that_is_changed(folder, path):
    logger, pipeline = folder.logger(f"service=shop&settings={path}&rotate=1 kB&keep=all&compress=none")
    for number in range(50):
        logger.info("%d", number)
    assert pipeline.flush(10)
    several = len(list((folder.path / "shop").iterdir()))

    files.change_settings(path, {"retention": {"max_size_mb": 1, "max_backups": 2}})
    logger.info("after")
    assert pipeline.flush(10)
    from waiting import wait_until

    wait_until(lambda: len(list((folder.path / "shop").iterdir())) == 3, "only two rotated files are kept")
    assert several > 3
