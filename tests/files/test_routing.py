"""Which service a record belongs to, and whether it is kept."""

import json
import logging

import pytest
from files.reading import lines_in

import telesink
from telesink import files


def messages_in(folder, service):
    path = folder.path / service
    return [line["msg"] for line in lines_in(path)] if path.exists() else []


def services_in(folder):
    return {path.name for path in folder.path.iterdir()}


def test_S4_6_other_handlers_and_sinks_get_every_record_whatever_its_service(folder, caplog):
    telesink.install_logging([f"file://{folder.path}?service=shop&services=github", "memory://"])
    log = logging.getLogger("cart")

    with caplog.at_level("INFO"):
        for component in ("github", "other", None, "github"):
            log.info("for %s", component, extra={"component": component} if component else None)
    assert telesink.flush(10)

    assert len(telesink.recent()) == len(caplog.records) == 4


def test_S4_7_component_comes_before_server_and_the_nearest_value_counts(folder):
    logger, pipeline = folder.logger()

    logger.info("1", extra={"server": "s", "component": "c"})
    logger.info("2", extra={"server": "s"})
    with telesink.context(component="outer"), telesink.context(component="inner", server="s"):
        logger.info("3")
        logger.info("4", extra={"component": "own"})
        logger.info("5", extra={"server": "own"})
    assert pipeline.flush(10)

    found = {name: messages_in(folder, name) for name in services_in(folder)}
    assert found == {"c": ["1"], "s": ["2"], "inner": ["3", "5"], "own": ["4"]}


def test_values_that_are_no_text_name_a_service_too_and_lists_do_not(folder):
    logger, pipeline = folder.logger()

    for value in (7, True, 1.5, "", [1], {"a": 1}, None):
        logger.info("%r", value, extra={"component": value})
    assert pipeline.flush(10)

    assert services_in(folder) == {"7", "true", "1.5", "shop"}
    assert messages_in(folder, "shop") == ["''", "[1]", "{'a': 1}", "None"]


def test_S4_8_a_service_that_is_not_listed_goes_to_the_default_one_instead_of_nowhere(folder):
    logger, pipeline = folder.logger("service=shop&services=github,jira")

    for component in ("github", "unknown", "jira"):
        logger.info(component, extra={"component": component})
    logger.info("none")
    assert pipeline.flush(10)

    assert services_in(folder) == {"github", "jira", "shop"}
    assert messages_in(folder, "shop") == ["unknown", "none"]


def test_the_keys_can_be_chosen(folder):
    logger, pipeline = folder.logger("service=shop&route=tenant,region")

    logger.info("1", extra={"region": "eu", "component": "c"})
    logger.info("2", extra={"region": "eu", "tenant": "t"})
    assert pipeline.flush(10)

    assert services_in(folder) == {"eu", "t"}


def test_without_a_name_of_its_own_the_default_service_is_that_of_the_resource(folder):
    handler = telesink.LogHandler(f"file://{folder.path}", resource={"service.name": "billing"})
    logger = logging.Logger("x")
    logger.addHandler(handler)

    logger.error("hello")
    assert handler.pipeline.close()

    assert messages_in(folder, "billing") == ["hello"]


def test_S4_8_a_service_that_is_switched_off_gets_no_more_lines_and_keeps_its_file(folder, tmp_path):
    settings = tmp_path / "settings.json"
    logger, pipeline = folder.logger(f"service=shop&settings={settings}")
    logger.info("before", extra={"component": "github"})
    assert pipeline.flush(10)

    files.change_settings(settings, {"persist": {"logs": False}}, service="github")
    logger.info("off", extra={"component": "github"})
    logger.info("another")
    assert pipeline.flush(10)

    assert messages_in(folder, "github") == ["before"]
    assert messages_in(folder, "shop") == ["another"]
    assert pipeline.stats().dropped == {"switched_off": 1}


def test_what_is_switched_off_is_no_loss_that_is_told_at_the_end(run_python, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"persist": {"logs": False}}))

    finished = run_python(
        "import logging, telesink\n"
        "telesink.install_logging('file:t?settings=settings.json')\n"
        "logging.warning('off')\n"
    )

    assert finished.stderr == ""


@pytest.mark.parametrize("service", [None, True, False])
@pytest.mark.parametrize("everywhere", [None, True, False])
def test_S4_3_a_service_inherits_what_stands_for_all_unless_it_says_otherwise(
    folder, tmp_path, service, everywhere
):
    settings = tmp_path / "settings.json"
    written = {}
    if everywhere is not None:
        written["persist"] = {"logs": everywhere}
    if service is not None:
        written["services"] = {"shop": {"persist": {"logs": service}}}
    settings.write_text(json.dumps(written))
    logger, pipeline = folder.logger(f"service=shop&settings={settings}")

    logger.info("hello")
    assert pipeline.flush(10)

    is_kept = service if service is not None else everywhere is not False
    assert messages_in(folder, "shop") == (["hello"] if is_kept else [])


def test_S4_3_signals_are_switched_one_by_one(folder, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"persist": {"traces": False}}))
    telesink.install_logging(f"file://{folder.path}?service=shop&settings={settings}")

    with telesink.span("checkout"):
        logging.getLogger("cart").warning("hello")
    assert telesink.flush(10)

    assert [path.name for path in (folder.path / "shop").iterdir()] == ["logs.jsonl"]


def test_S4_5_switches_that_change_while_a_program_logs_cost_no_line_that_is_kept(folder, tmp_path):
    """Weakness 5: no descriptor is left open by a change."""
    settings = tmp_path / "settings.json"
    logger, pipeline = folder.logger(f"service=shop&settings={settings}", linger_seconds=0.001)
    logger.info("first", extra={"component": "github"})
    assert pipeline.flush(10)
    open_before = len(list(files_open()))

    for number in range(20):
        files.change_settings(settings, {"persist": {"logs": bool(number % 2)}}, service="jira")
        for line in range(50):
            logger.info("%d", number * 50 + line, extra={"component": "github"})
        logger.info("jira", extra={"component": "jira"})
        assert pipeline.flush(10)

    assert messages_in(folder, "github") == ["first", *map(str, range(1_000))]
    assert messages_in(folder, "jira") == ["jira"] * 10
    assert len(list(files_open())) <= open_before + 2


def files_open():
    from pathlib import Path

    return Path("/proc/self/fd").iterdir()


def test_a_settings_file_that_makes_no_sense_changes_nothing_and_is_told(folder, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"services": {"github": {"persist": {"logs": False}}}}))
    logger, pipeline = folder.logger(f"service=shop&settings={settings}")
    logger.info("off", extra={"component": "github"})
    assert pipeline.flush(10)

    settings.write_text('{"services": ')
    logger.info("still off", extra={"component": "github"})
    assert pipeline.flush(10)

    assert messages_in(folder, "github") == [] if (folder.path / "github").exists() else True
    assert "settings.json" in pipeline.stats().last_error


@pytest.mark.parametrize(
    "wrong",
    [{"persist": {"logs": "off"}}, {"retention": {"max_backups": 99_999}}, {"persist": {"log": False}}],
)
def test_settings_with_a_wrong_value_are_told_with_its_field_and_change_nothing(folder, tmp_path, wrong):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"persist": {"logs": True}}))
    logger, pipeline = folder.logger(f"service=shop&settings={settings}")
    logger.info("before")
    assert pipeline.flush(10)

    settings.write_text(json.dumps(wrong))
    logger.info("after")
    assert pipeline.flush(10)

    [(block, fields)] = wrong.items()
    assert f"{block}.{next(iter(fields))}" in pipeline.stats().last_error
    assert messages_in(folder, "shop") == ["before", "after"]


def test_S4_9_telesinks_own_words_are_no_record_and_reach_no_file(folder, capfd):
    """S1-8."""
    logger, pipeline = folder.logger("service=shop", retry_initial_seconds=0.01)
    folder.path.mkdir()
    (folder.path / "shop").write_text("in the way")

    logger.error("hello")
    assert not pipeline.flush(0.2)
    (folder.path / "shop").unlink()
    assert pipeline.flush(10)

    assert messages_in(folder, "shop") == ["hello"]
    assert "logs.jsonl of shop" in capfd.readouterr().err


def test_S4_10_a_write_error_is_told_and_raises_nothing(folder):
    logger, pipeline = folder.logger("service=shop", retry_initial_seconds=0.01)
    folder.path.mkdir()
    (folder.path / "shop").write_text("in the way")

    logger.error("hello")
    receipt = pipeline.flush(0.2)

    stats = pipeline.stats()
    assert not receipt.complete
    assert stats.state == "held"
    assert "logs.jsonl of shop" in stats.last_error
    (folder.path / "shop").unlink()


def test_S4_11_a_folder_without_a_parent_says_to_make_it_and_the_same_dsn_twice_is_one(folder):
    dsn = f"file://{folder.path}/deeper/logs?service=shop"
    first = telesink.install_logging(dsn, retry_initial_seconds=0.01)
    again = telesink.install_logging(dsn, retry_initial_seconds=0.01)
    logging.getLogger("cart").error("hello")
    assert not telesink.flush(0.2)
    # Of all sinks of the process: another test may have left one.
    errors = [stats.last_error for stats in telesink.stats().values()]

    (folder.path / "deeper").mkdir(parents=True)
    assert telesink.flush(10)

    assert first is again
    assert any("mkdir -p" in error for error in errors)
    assert [line["msg"] for line in lines_in(folder.path / "deeper" / "logs" / "shop")] == ["hello"]


def test_S4_12_a_level_that_any_sink_takes_is_enabled(folder):
    log = logging.getLogger("cart")
    telesink.install_logging(
        [f"file://{folder.path}?service=shop&level=DEBUG", "memory://?level=ERROR"], level="DEBUG"
    )

    assert log.isEnabledFor(logging.DEBUG)
    log.debug("low")
    assert telesink.flush(10)

    assert messages_in(folder, "shop") == ["low"]
    assert telesink.recent() == []


def test_at_most_256_services_have_folders_and_the_rest_is_told(folder):
    logger, pipeline = folder.logger("service=shop")
    logger.info("own")

    for number in range(400):
        logger.info("%d", number, extra={"component": f"s{number}"})
    assert pipeline.flush(10)

    assert len(services_in(folder)) == 256
    assert messages_in(folder, "s0") == ["0"]
    assert messages_in(folder, "shop") == ["own", *map(str, range(255, 400))]
    assert "145 records of more services than 256" in pipeline.stats().last_error


def test_at_most_64_files_are_open(folder):
    logger, pipeline = folder.logger("service=shop")

    for turn in range(2):
        for number in range(100):
            logger.info("%d", turn, extra={"component": f"s{number}"})
    assert pipeline.flush(10)

    held = [path for path in files_open() if folder.path in path.resolve().parents]
    assert sum(path.resolve().name == "logs.jsonl" for path in held) == 64
    assert len(held) <= 2 * 64 + 1
    assert all(messages_in(folder, f"s{number}") == ["0", "1"] for number in range(100))


def test_a_service_that_cannot_be_written_keeps_no_other_waiting_and_its_lines_are_in_the_default_files(
    folder,
):
    logger, pipeline = folder.logger("service=shop", retry_initial_seconds=0.01)
    folder.path.mkdir()
    (folder.path / "broken").write_text("in the way")

    for number in range(10):
        logger.info("%d", number, extra={"component": "broken" if number % 2 else "fine"})
        assert pipeline.flush(10)
    told = pipeline.stats().last_error
    (folder.path / "broken").unlink()
    logger.info("mended", extra={"component": "broken"})
    assert pipeline.flush(10)

    assert messages_in(folder, "fine") == ["0", "2", "4", "6", "8"]
    assert messages_in(folder, "shop") == ["1", "3", "5", "7", "9"]
    assert messages_in(folder, "broken") == ["mended"]
    assert "its records go to the files of shop" in told


def test_a_part_that_cannot_be_written_anywhere_is_offered_again_and_nothing_is_written_twice(folder):
    logger, pipeline = folder.logger("service=shop", retry_initial_seconds=0.01, linger_seconds=5)
    folder.path.mkdir()
    (folder.path / "shop").write_text("in the way")

    for number in range(10):
        logger.info("%d", number, extra={"component": "fine"} if number % 2 else None)
    assert not pipeline.flush(0.3)
    (folder.path / "shop").unlink()
    assert pipeline.flush(10)

    assert messages_in(folder, "fine") == ["1", "3", "5", "7", "9"]
    assert messages_in(folder, "shop") == ["0", "2", "4", "6", "8"]
