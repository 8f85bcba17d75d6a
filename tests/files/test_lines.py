"""What stands in the files: an object a line for logs, OTLP's JSON for spans and metrics, text if asked."""

import json
import logging
import re
from datetime import UTC, datetime

import pytest
from files.reading import lines_in, mode_of, raw_lines

import telesink


def texts_in(path):
    lines, rest = raw_lines(path)
    assert rest == b""
    return [line.decode() for line in lines]


def test_S4_1_each_service_has_a_folder_and_each_signal_a_file_that_only_their_owner_can_open(folder):
    telesink.install_logging(f"file://{folder.path}?service=shop")
    with telesink.span("checkout"):
        logging.getLogger("cart").warning("hello")
    assert telesink.flush(10)

    service = folder.path / "shop"
    assert sorted(path.name for path in service.iterdir()) == ["logs.jsonl", "traces.jsonl"]
    assert {mode_of(path) for path in (folder.path, service)} == {"0o700"}
    assert {mode_of(path) for path in service.iterdir()} == {"0o600"}


def test_S4_13_a_line_begins_with_time_level_and_message_and_then_has_the_attributes(folder):
    logger, pipeline = folder.logger()

    with telesink.context(tenant="t-1"):
        logger.warning("paid %s", 7, extra={"amount": 12.5, "nested": {"a": [1, None]}})
    assert pipeline.flush(10)

    [text] = texts_in(folder.path / "shop" / "logs.jsonl")
    line = json.loads(text)
    assert list(line)[:5] == ["ts", "level", "msg", "amount", "nested"]
    assert (line["level"], line["msg"], line["nested"]) == ("WARN", "paid 7", {"a": [1, None]})
    assert list(line).index("nested") < list(line).index("tenant") < list(line).index("logger")
    assert line["logger"] == "cart"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line["ts"])
    assert abs(datetime.fromisoformat(line["ts"]).timestamp() - datetime.now(UTC).timestamp()) < 60


def test_an_attribute_that_has_the_name_of_a_field_is_kept_under_another_name(folder):
    logger, pipeline = folder.logger()

    logger.info("hello", extra={"ts": 1, "level": "mine", "logger": "other", "plain": True})
    assert pipeline.flush(10)

    [text] = texts_in(folder.path / "shop" / "logs.jsonl")
    names = [name for name, _ in json.loads(text, object_pairs_hook=list)]
    line = json.loads(text)
    assert len(names) == len(set(names))
    assert (line["level"], line["logger"]) == ("INFO", "cart")
    assert (line["attr.ts"], line["attr.level"], line["attr.logger"]) == (1, "mine", "other")
    assert line["plain"] is True


def test_a_line_of_a_traced_record_has_the_ids_of_its_span(folder):
    telesink.install_logging(f"file://{folder.path}?service=shop")
    with telesink.span("checkout") as span:
        logging.getLogger("cart").warning("inside")
    assert telesink.flush(10)

    [line] = lines_in(folder.path / "shop")
    [traces] = lines_in(folder.path / "shop", "traces")
    [sent] = traces["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (line["trace_id"], line["span_id"]) == (sent["traceId"], sent["spanId"])
    assert span.name == sent["name"] == "checkout"


def test_whatever_is_logged_stays_on_one_line(folder):
    logger, pipeline = folder.logger()
    odd = "two\nlines\r\x00 \x1b[31m \u2028 \ud800"

    logger.info(odd, extra={"key\n": odd})
    assert pipeline.flush(10)

    [text] = texts_in(folder.path / "shop" / "logs.jsonl")
    assert json.loads(text)["msg"].startswith("two\nlines\r")


def test_logs_as_lines_of_otlp_hold_many_records_with_resource_and_scope(folder):
    logger, pipeline = folder.logger("service=shop&format=otlp", linger_seconds=5)

    for number in range(3):
        logger.info("line %d", number)
    assert pipeline.flush(10)

    [line] = lines_in(folder.path / "shop")
    [resource] = line["resourceLogs"]
    [scope] = resource["scopeLogs"]
    assert {"key": "service.name", "value": {"stringValue": "pytest"}}.keys() == resource["resource"][
        "attributes"
    ][0].keys()
    assert scope["scope"]["name"] == "cart"
    assert [record["body"]["stringValue"] for record in scope["logRecords"]] == ["line 0", "line 1", "line 2"]
    assert isinstance(scope["logRecords"][0]["timeUnixNano"], str)


GLOG = re.compile(r"\[(.*?)\]([EWIDT])(\d{4} \d\d:\d\d:\d\d\.\d{6}) (\S+):(\d+)\] (.*)")


def test_S3_20_a_line_of_glog_has_prefix_letter_time_place_message_and_fields(folder):
    logger, pipeline = folder.logger("service=shop&format=glog")

    for level in (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, 5):
        logger.log(level, "paid", extra={"invoice": 7})
    pipeline.enqueue({"body": "", "attributes": {"a": True}})
    assert pipeline.flush(10)

    texts = texts_in(folder.path / "shop" / "logs.jsonl")
    found = [GLOG.fullmatch(text) for text in texts]
    assert [match[2] for match in found] == ["E", "W", "I", "D", "T", "I"]
    assert {match[1] for match in found} == {"-"}
    assert found[0][4] == "test_lines.py"
    assert int(found[0][5]) > 0
    assert found[0][6].startswith("paid, invoice: 7, ")
    assert (found[5][4], found[5][5], found[5][6]) == ("unknown", "0", "event, a: true")
    assert found[0][3][:4] == datetime.now().astimezone().strftime("%m%d")


def test_S3_21_the_prefix_is_the_value_of_a_variable_and_the_subject_stands_before_the_message(
    folder, monkeypatch
):
    monkeypatch.setenv("JOB_NAME", "job 7\n")
    logger, pipeline = folder.logger("service=shop&format=glog&prefix_env=JOB_NAME")

    with telesink.context(subject="actor[3]"):
        logger.info("started")
        logger.info("nearer", extra={"subject": "proc"})
    assert pipeline.flush(10)

    first, second = texts_in(folder.path / "shop" / "logs.jsonl")
    assert first.startswith("[job 7\\n]I")
    assert "] actor[3] started, " in first
    assert "] proc nearer, " in second
    assert ", subject: " not in first


def test_S3_22_a_line_of_text_has_at_most_65536_bytes_and_says_how_much_is_missing(folder):
    logger, pipeline = folder.logger("service=shop&format=glog")

    logger.info("é" * 100_000)
    assert pipeline.flush(10)

    content = (folder.path / "shop" / "logs.jsonl").read_bytes()
    assert 65_000 < len(content) <= 65_536
    assert re.search(r"é\.\.\.\[truncated \d+ chars\]\n$", content.decode())


def test_S3_23_a_minimum_level_and_loggers_to_leave_out_are_said_in_the_dsn(folder):
    dsn = f"file://{folder.path}?service=shop&format=glog&level=WARNING&exclude=noisy"
    telesink.install_logging(dsn, level="DEBUG")
    logging.getLogger("cart").info("too low")
    logging.getLogger("noisy.part").error("left out")
    logging.getLogger("cart").warning("kept")
    assert telesink.flush(10)

    [text] = texts_in(folder.path / "shop" / "logs.jsonl")
    assert "] kept" in text


def test_logfmt_quotes_what_could_be_read_in_two_ways(folder):
    logger, pipeline = folder.logger("service=shop&format=logfmt")

    logger.info('said "hi"\nand left', extra={"user": "ada", "note": "a=b", "n": 3})
    assert pipeline.flush(10)

    [text] = texts_in(folder.path / "shop" / "logs.jsonl")
    assert re.match(r'ts=\S+Z level=INFO msg="said \\"hi\\"\\nand left" logger=cart ', text)
    assert ' user=ada note="a=b" n=3' in text


def test_S4_26_what_reaches_the_files_is_redacted(folder):
    logger, pipeline = folder.logger()

    logger.info(
        "Authorization: Bearer abc.def.ghi", extra={"password": "hunter2", "headers": {"api_key": "k-1"}}
    )
    logger.info("password=hunter2 and token: t0ps3cret")
    assert pipeline.flush(10)

    content = (folder.path / "shop" / "logs.jsonl").read_text()
    assert not re.search(r"abc\.def|hunter2|k-1|t0ps3cret", content)
    assert content.count("[REDACTED]") >= 4


def test_S4_26_secrets_that_are_added_later_reach_every_logger(folder):
    """Weakness 14: one set of rules, exchanged as a whole."""
    logger, pipeline = folder.logger()
    logger.info("open: s3same-open")

    pipeline.set_redaction(telesink.Redaction(secrets=["s3same-open"]))
    logger.info("the word is s3same-open")
    assert pipeline.flush(10)

    first, second = lines_in(folder.path / "shop")
    assert first["msg"] == "open: s3same-open"
    assert second["msg"] == "the word is [REDACTED]"


@pytest.mark.parametrize(
    "option", ["format=xml", "fsync=always", "rotate=0", "keep=0", "compress=zip", "servic=x"]
)
def test_an_option_that_cannot_be_taken_is_an_error_that_names_it(folder, option):
    with pytest.raises(telesink.ConfigError, match=option.partition("=")[0]):
        folder.open(option)
