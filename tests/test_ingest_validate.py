"""`Ingest.validate`: what is wrong with an event, each fault with its path."""

import warnings

import pytest

import telesink


@pytest.fixture(scope="module")
def ingest():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ingest = telesink.Ingest(missing_keys="disable")
    yield ingest
    ingest.close()


def span(**fields):
    return {"type": "span-create", "body": {"id": "b7ad6b7169203331", **fields}}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (7, "event: is a int, expected a mapping"),
        ({"type": "span-crate", "body": {}}, "type: is 'span-crate' (did you mean span-create?)"),
        ({"type": "span-create", "body": 7}, "body: is a int, expected a mapping"),
        (span(id=7), "body.id: is a int, expected text"),
        (span(startTime="soon"), "body.startTime: is 'soon', expected ISO 8601 with an offset"),
        (span(level="LOUD"), "body.level: is 'LOUD', expected one of DEBUG, DEFAULT, WARNING, ERROR"),
        (span(environment="langfuse-x"), "body.environment: is 'langfuse-x', expected 1 to 40"),
        (
            {"type": "generation-create", "body": {"usageDetails": {"input": -1}}},
            "body.usageDetails.input: is -1, expected a whole number from 0 on",
        ),
        (
            {"type": "generation-create", "body": {"costDetails": {"total": "1"}}},
            "body.costDetails.total: is '1', expected a number from 0 on",
        ),
        ({"type": "generation-create", "body": {"promptName": "p"}}, "body.promptVersion: is missing"),
        ({"type": "trace-create", "body": {"name": "x" * 1_001}}, "body.name: has 1001 characters"),
        ({"type": "trace-create", "body": {"tags": ["a", 1]}}, "body.tags.1: is a int, expected text"),
        ({"type": "trace-create", "body": {"public": 1}}, "body.public: is a int, expected true or false"),
        ({"type": "score-create", "body": {"name": "n"}}, "body.value: is missing"),
        (
            {"type": "score-create", "body": {"name": "n", "value": 2, "dataType": "BOOLEAN"}},
            "body.value: is 2, expected 0 or 1",
        ),
        (
            {"type": "score-create", "body": {"name": "n", "value": "x", "dataType": "NUMERIC"}},
            "body.value: is 'x', expected a number",
        ),
        (
            {"type": "score-create", "body": {"name": "n", "value": 1, "dataType": "CATEGORICAL"}},
            "body.value: is a int, expected text",
        ),
        (
            {"type": "score-create", "body": {"name": "n", "value": float("nan"), "dataType": "NUMERIC"}},
            "body.value: is nan, expected a number",
        ),
        ({"type": "sdk-log", "body": {}}, "body.log: is missing"),
        ({**span(), "timestamp": 7}, "timestamp: is a int, expected a datetime or ISO 8601 text"),
    ],
)
def test_a_fault_is_named_with_its_path(ingest, event, said):
    assert any(fault.startswith(said) for fault in ingest.validate(event)), ingest.validate(event)


def test_a_good_event_has_no_faults(ingest):
    assert ingest.validate({**span(endTime="2026-01-01T00:00:00+01:00"), "id": "e"}) == []


def test_validate_says_when_a_mapping_cannot_be_read(ingest):
    class Raising(dict):
        def get(self, *_):
            raise RuntimeError("no")

    assert ingest.validate(Raising(type="span-create")) == ["event: cannot be read, it raised RuntimeError"]
