"""`telesink doctor` finds out whether a receiver takes records."""

from doctoring import doctor


def test_one_record_is_sent_to_a_receiver_that_takes_it(receiver):
    code, found = doctor(f"otlp://{receiver.address}")

    assert (code, found["write"]["status"]) == (0, "ok")
    [record] = receiver.requests[0].records()
    assert record.body.string_value.startswith("telesink doctor was here")


def test_a_receiver_that_wants_other_credentials_is_told_with_what_to_do(receiver):
    receiver.answer = lambda _: (401, {}, b"")

    code, found = doctor(f"otlp://{receiver.address}")

    assert (code, found["write"]["status"]) == (1, "failed")
    assert "401 Unauthorized" in found["write"]["text"]
    assert "credentials" in found["write"]["next_step"]


def test_a_receiver_that_is_not_there_is_told(receiver):
    code, found = doctor("otlp://127.0.0.1:1")

    assert (code, found["write"]["status"]) == (1, "failed")
    assert "cannot be reached" in found["write"]["text"]
