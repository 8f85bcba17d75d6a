"""What `telesink.Ingest` is made from: host, keys, options, and the variables of Langfuse's own SDKs."""

import pytest

import telesink
from telesink import _ingest

KEYS = ("pk-lf-1", "sk-lf-1")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def span():
    return {"type": "span-create", "body": {"id": SPAN, "traceId": TRACE}}


def test_missing_keys_are_an_error_that_says_what_to_do():
    with pytest.raises(telesink.ConfigError, match="LANGFUSE_PUBLIC_KEY") as caught:
        telesink.Ingest()

    assert "there are no keys" in str(caught.value)


def test_missing_keys_may_switch_it_off_which_is_said_once(monkeypatch):
    """Section "Configuration" of S2: enabled, and a key missing."""
    monkeypatch.setattr(_ingest._Warned, "is_told", False)

    with pytest.warns(UserWarning, match="sends nothing"):
        ingest = telesink.Ingest(missing_keys="disable")

    # A second warning would be an error.
    telesink.Ingest("http://localhost:1", ("pk", ""), missing_keys="disable")
    assert ingest.enqueue(span()) is False
    assert ingest.stats().offered == 0
    assert ingest.check() == "no keys: events go nowhere"


def target(*arguments, **options):
    with telesink.Ingest(*arguments, **options) as ingest:
        return ingest._dsn, ingest


@pytest.mark.parametrize(
    ("host", "dsn"),
    [
        ("https://lf.example.com", "langfuses://pk-lf-1:sk-lf-1@lf.example.com"),
        ("https://lf.example.com///", "langfuses://pk-lf-1:sk-lf-1@lf.example.com"),
        ("lf.example.com", "langfuses://pk-lf-1:sk-lf-1@lf.example.com"),
        ("http://localhost:3000/base/", "langfuse://pk-lf-1:sk-lf-1@localhost:3000/base"),
    ],
)
def test_a_host_is_given_as_in_a_browser(host, dsn):
    """S2-2"""
    assert target(host, KEYS)[0] == dsn


def test_without_a_host_events_go_to_the_cloud():
    """S2-1"""
    assert target(None, KEYS)[0] == "langfuses://pk-lf-1:sk-lf-1@cloud.langfuse.com"


def test_keys_may_hold_any_character_and_are_not_shown():
    dsn, ingest = target("http://localhost:1", ("p@k/:", "s#k?%"))

    assert dsn == "langfuse://p%40k%2F%3A:s%23k%3F%25@localhost:1"
    assert "s#k" not in repr(ingest) + repr(dsn) + str(ingest.stats())


def test_the_variables_of_langfuses_own_sdks_are_read(monkeypatch):
    variables = {
        "LANGFUSE_PUBLIC_KEY": "pk-env",
        "LANGFUSE_SECRET_KEY": "sk-env",
        "LANGFUSE_BASE_URL": "http://localhost:1",
        "LANGFUSE_HOST": "http://localhost:2",
        "LANGFUSE_TRACING_ENVIRONMENT": "staging",
        "LANGFUSE_RELEASE": "1.2",
        "LANGFUSE_SAMPLE_RATE": "0.5",
        "LANGFUSE_FLUSH_AT": "7",
        "LANGFUSE_FLUSH_INTERVAL": "2.5",
        "LANGFUSE_TIMEOUT": "9",
        "LANGFUSE_OTEL_COMPRESSION": "none",
        "LANGFUSE_OTEL_MAX_BATCH_SIZE_BYTES": "1000000",
        "LANGFUSE_OTEL_TRACES_EXPORT_PATH": "/otel",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    dsn, ingest = target()

    assert dsn == "langfuse://pk-env:sk-env@localhost:1"
    assert ingest._sample_rate == 0.5
    assert ingest._options == {
        "mode": "auto",
        "environment": "staging",
        "release": "1.2",
        "traces_path": "/otel",
        "compression": "none",
    }
    settings = ingest._settings
    assert (settings.batch_records_max, settings.linger_seconds, settings.write_timeout_seconds) == (
        7,
        2.5,
        9,
    )
    assert settings.batch_bytes_max == 1_000_000


def test_an_argument_comes_before_telesinks_variable_and_that_before_langfuses(monkeypatch):
    monkeypatch.setenv("LANGFUSE_FLUSH_AT", "7")
    monkeypatch.setenv("LANGFUSE_FLUSH_INTERVAL", "7")
    monkeypatch.setenv("LANGFUSE_TIMEOUT", "7")
    monkeypatch.setenv("LANGFUSE_TRACING_ENVIRONMENT", "from-variable")
    monkeypatch.setenv("TELESINK_LINGER_SECONDS", "3")
    monkeypatch.setenv("TELESINK_BATCH_RECORDS_MAX", "3")

    _, ingest = target("http://localhost:1", KEYS, batch_records_max=5, environment="argument")

    settings = ingest._settings
    assert (settings.batch_records_max, settings.linger_seconds, settings.write_timeout_seconds) == (5, 3, 7)
    assert ingest._options["environment"] == "argument"


def test_what_stands_in_the_dsn_comes_before_defaults_and_variables(monkeypatch):
    monkeypatch.setenv("LANGFUSE_TRACING_ENVIRONMENT", "from-variable")
    monkeypatch.setenv("LANGFUSE_RELEASE", "1.2")

    _, ingest = target("langfuse://pk:sk@localhost:1?mode=legacy&environment=mine")

    assert ingest._options == {"release": "1.2"}


def test_a_mode_that_is_given_twice_is_an_error():
    with pytest.raises(telesink.ConfigError, match="`mode`"):
        telesink.Ingest("langfuse://pk:sk@localhost:1?mode=legacy", mode="otlp")


def test_tracing_that_is_switched_off_needs_no_keys(monkeypatch):
    monkeypatch.setenv("LANGFUSE_TRACING_ENABLED", "false")

    assert telesink.Ingest().enqueue(span()) is False


def test_tracing_may_be_switched_off_by_its_variable(monkeypatch):
    monkeypatch.setenv("LANGFUSE_TRACING_ENABLED", "false")

    assert telesink.Ingest("http://localhost:1", KEYS).enqueue(span()) is False


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("ftp://host", KEYS), {}, "ftp://"),
        ((7, KEYS), {}, "`host` is a int"),
        (("http://localhost:1", "keys"), {}, "`keys` is a str"),
        (("http://pk:sk@localhost:1", KEYS), {}, "in the host and beside it"),
        (("http://localhost:1", KEYS), {"mode": "odd"}, "mode"),
        (("http://localhost:1", KEYS), {"mode": 7}, "`mode` is a int"),
        (("http://localhost:1", KEYS), {"environment": "Langfuse!"}, "environment"),
        (("http://localhost:1", KEYS), {"sample_rate": 2}, "sample rate is 2"),
        (("http://localhost:1", KEYS), {"sample_rate": "many"}, "sample rate"),
        (("http://localhost:1", KEYS), {"missing_keys": "ignore"}, "`missing_keys` is 'ignore'"),
        (("http://localhost:1", KEYS), {"mask": 7}, "`mask` is a int"),
        (("http://localhost:1", KEYS), {"compression": "deflate"}, "compression"),
        (("http://localhost:1", KEYS), {"hold_second": 1}, "hold_second"),
        (("http://lf.example.com", KEYS), {}, "without TLS"),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_once_without_the_keys(arguments, options, said):
    with pytest.raises(telesink.ConfigError) as caught:
        telesink.Ingest(*arguments, **options)

    assert said in str(caught.value)
    assert "sk-lf-1" not in str(caught.value)


def test_a_number_in_a_variable_that_is_none_is_an_error(monkeypatch):
    monkeypatch.setenv("LANGFUSE_FLUSH_AT", "many")

    with pytest.raises(telesink.ConfigError, match="LANGFUSE_FLUSH_AT"):
        telesink.Ingest("http://localhost:1", KEYS)


def test_langfuse_is_no_place_for_log_records():
    with pytest.raises(telesink.ConfigError, match="log"):
        telesink.install_logging("langfuse://pk:sk@localhost:1")
