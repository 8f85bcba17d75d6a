"""Settings: one home of defaults, four ways to give them, and errors that say where to look."""

import copy
import inspect
import os
import pathlib
import pickle
import re
import traceback

import pytest

import telesink
from telesink import Settings, _native, _settings

DEFAULTS = _settings._DEFAULTS

REFUSED = os.path.abspath("/var/refused.ndjson")  # noqa: PTH100 - as the setting itself

# For each setting: a value that is not the default, its text, and values that cannot be meant.
EXAMPLES = {
    "queue_records_max": (1_000, "1000", [0, -1, 1.5, "many", True, 2**40]),
    "queue_bytes_max": (32 * 2**20, "32 MiB", [0, -1, "lots", "1 parsec", None]),
    "record_bytes_max": (2**16, "64 KiB", [0, "", "1 TiB"]),
    "batch_records_max": (100, "100", [0, -5, "1e3"]),
    "batch_bytes_max": (10**6, "1 MB", [0, "1 XB"]),
    "linger_seconds": (0.25, "250 ms", [-1, "soon", float("nan"), float("inf")]),
    "urgent_level": ("WARNING", "WARNING", ["LOUD", -1, ""]),
    "when_full": ("block", "block", ["blocks", "", 7]),
    "block_timeout_seconds": (120.0, "2 min", [-0.5, "never"]),
    "retry_initial_seconds": (0.5, "500 ms", [0, -1, "0 s"]),
    "retry_max_seconds": (3_600.0, "1 h", [0, -1]),
    "max_age_seconds": (86_400.0, "1 d", [0, -1, "400 days"]),
    "connect_timeout_seconds": (2.0, "2 s", [0, -1]),
    "write_timeout_seconds": (7.5, "7500 ms", [0, -1]),
    "exit_timeout_seconds": (1.0, "1", [0, -1]),
    "dead_letter": (REFUSED, REFUSED, ["folder/", 7]),
    "dead_letter_bytes_max": (10**9, "1 GB", [0, -1]),
    "redact": (False, "off", ["maybe", None]),
    "resource": ({"a": "b", "c": "d"}, "a=b,c=d", [7, "nonsense", "=b"]),
}
NAMES = list(DEFAULTS)
WRONG = [(name, wrong) for name, (_, _, wrongs) in EXAMPLES.items() for wrong in wrongs]


@pytest.fixture
def settings_file(monkeypatch, tmp_path):
    """
    Write the settings file and point to it.
    """
    path = tmp_path / "telesink.toml"

    def write(text):
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("TELESINK_SETTINGS_FILE", str(path))
        return path

    return write


def test_every_setting_has_an_example_here():
    assert list(EXAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_that_is_not_given_has_its_default(name):
    assert getattr(Settings(), name) == DEFAULTS[name]
    assert Settings().origin(name) == "the default"


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_can_be_an_argument(name):
    value, text, _ = EXAMPLES[name]

    assert getattr(Settings(**{name: value}), name) == value
    assert getattr(Settings(**{name: text}), name) == value
    assert Settings(**{name: value}).origin(name) == f"the argument `{name}`"


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_can_be_an_environment_variable(name, monkeypatch):
    value, text, _ = EXAMPLES[name]
    monkeypatch.setenv(f"TELESINK_{name.upper()}", text)

    assert getattr(Settings(), name) == value
    assert Settings().origin(name) == f"the environment variable TELESINK_{name.upper()}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", ["", "[telesink]\n"])
def test_a_setting_can_stand_in_a_file(name, table, settings_file):
    value, text, _ = EXAMPLES[name]
    path = settings_file(f'{table}{name} = "{text}"\n')

    assert getattr(Settings(), name) == value
    assert Settings().origin(name) == f"`{name}` in the settings file {path}"


def test_a_file_may_use_the_types_of_toml(settings_file):
    settings_file("queue_records_max = 7\nlinger_seconds = 0.5\nredact = false\nresource = {a = 'b'}\n")

    settings = Settings()

    assert (settings.queue_records_max, settings.linger_seconds) == (7, 0.5)
    assert (settings.redact, settings.resource) == (False, {"a": "b"})


@pytest.mark.parametrize("name", NAMES)
def test_the_argument_wins_over_the_variable_which_wins_over_the_file(name, monkeypatch, settings_file):
    value, text, _ = EXAMPLES[name]
    default = DEFAULTS[name]
    settings_file(f'{name} = "{text}"\n')
    assert getattr(Settings(), name) == value

    word = {"redact": "true", "resource": "x=y"}.get(name, "none" if default is None else str(default))
    monkeypatch.setenv(f"TELESINK_{name.upper()}", word)
    expected = {"x": "y"} if name == "resource" else default
    assert getattr(Settings(), name) == expected

    assert getattr(Settings(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=[f"{name}-{wrong!r}" for name, wrong in WRONG])
def test_a_wrong_argument_is_refused_by_name(name, wrong):
    with pytest.raises(telesink.ConfigError) as caught:
        Settings(**{name: wrong})

    assert f"`{name}`" in str(caught.value)
    assert f"the argument `{name}`" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for name, wrong in WRONG if isinstance(wrong, str) and wrong]
)
def test_a_wrong_variable_or_entry_is_refused_with_its_place(name, wrong, monkeypatch, settings_file):
    path = settings_file(f'{name} = "{wrong}"\n')
    with pytest.raises(telesink.ConfigError, match=re.escape(f"`{name}` in the settings file {path}")):
        Settings()

    monkeypatch.setenv(f"TELESINK_{name.upper()}", wrong)
    with pytest.raises(telesink.ConfigError, match=f"the environment variable TELESINK_{name.upper()}"):
        Settings()


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(telesink.ConfigError, match="largest records would never fit"):
        Settings(queue_bytes_max="1 KiB")
    with pytest.raises(telesink.ConfigError, match="first wait would be above the longest"):
        Settings(retry_initial_seconds=10, retry_max_seconds=1)


def test_an_unknown_name_is_refused_and_the_nearest_named(monkeypatch, settings_file):
    with pytest.raises(TypeError, match="queue_record_max"):
        Settings(queue_record_max=1)
    with pytest.raises(telesink.ConfigError, match="did you mean `queue_records_max`"):
        Settings().replace(queue_record_max=1)
    monkeypatch.setenv("TELESINK_QUEUE_RECORD_MAX", "1")
    with pytest.raises(
        telesink.ConfigError, match="TELESINK_QUEUE_RECORD_MAX; did you mean TELESINK_QUEUE_RECORDS_MAX"
    ):
        Settings()
    monkeypatch.delenv("TELESINK_QUEUE_RECORD_MAX")
    settings_file("queue_record_max = 1\n")
    with pytest.raises(telesink.ConfigError, match="did you mean `queue_records_max`"):
        Settings()


def test_variables_of_others_are_left_alone(monkeypatch):
    """Kubernetes sets such variables where a service is called telesink."""
    monkeypatch.setenv("TELESINK_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("TELESINK_PORT_80_TCP", "tcp://10.0.0.1:80")

    assert Settings() == Settings()


@pytest.mark.parametrize("text", ["not = [toml", "telesink = 5"])
def test_a_file_that_cannot_be_meant_is_refused(settings_file, text):
    path = settings_file(text)

    with pytest.raises(telesink.ConfigError, match=re.escape(str(path))):
        Settings()


def test_a_missing_file_is_refused(monkeypatch):
    monkeypatch.setenv("TELESINK_SETTINGS_FILE", "/no/such/{file}.toml")

    with pytest.raises(telesink.ConfigError, match=r"/no/such/\{file\}\.toml"):
        Settings()


def test_a_file_with_odd_characters_in_its_name_is_named_as_it_is(monkeypatch, tmp_path):
    path = tmp_path / "TELESINK_{0}{x}.toml"
    path.write_text("queue_records_max = 0\n")
    monkeypatch.setenv("TELESINK_SETTINGS_FILE", str(path))

    with pytest.raises(
        telesink.ConfigError, match=re.escape(f"`queue_records_max` in the settings file {path}")
    ):
        Settings()


@pytest.mark.parametrize(
    ("words", "number"),
    [("64 MiB", 2**26), ("100 MB", 10**8), ("1.5 KiB", 1536), ("2GB", 2 * 10**9), ("7", 7), ("1 B", 1)],
)
def test_sizes_take_words(words, number):
    assert _native.parse_bytes(words) == number


@pytest.mark.parametrize(
    ("words", "seconds"), [("200 ms", 0.2), ("5 s", 5), ("2 min", 120), ("1 h", 3600), ("1.5", 1.5), ("0", 0)]
)
def test_durations_take_words(words, seconds):
    assert _native.parse_seconds(words) == pytest.approx(seconds)


def test_settings_are_frozen():
    settings = Settings()

    with pytest.raises(AttributeError, match=r"use settings\.replace\(when_full"):
        settings.when_full = "block"
    with pytest.raises(AttributeError):
        del settings.when_full
    with pytest.raises(AttributeError):
        settings.anything = 1


def test_a_copy_with_changes_keeps_the_rest():
    settings = Settings(queue_records_max=7, when_full="block")

    changed = settings.replace(when_full="drop_oldest")

    assert (changed.queue_records_max, changed.when_full) == (7, "drop_oldest")
    assert settings.when_full == "block"


def test_settings_are_compared_by_value_and_shown_by_what_differs():
    assert Settings(queue_records_max=7) == Settings(queue_records_max="7") != Settings()
    assert hash(Settings(queue_records_max=7)) == hash(Settings(queue_records_max="7"))
    assert repr(Settings()) == "Settings()"
    assert repr(Settings(queue_records_max=7)) == "Settings(queue_records_max=7)"


def test_a_relative_dead_letter_file_is_completed_at_once(monkeypatch, tmp_path):
    settings = Settings(dead_letter="refused.ndjson")
    monkeypatch.chdir(tmp_path.parent)

    assert settings.dead_letter == str(tmp_path / "refused.ndjson")


def test_the_signature_names_every_setting_as_a_keyword():
    parameters = list(inspect.signature(Settings).parameters.values())

    assert [parameter.name for parameter in parameters] == NAMES
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_default_is_the_default(name):
    [(text, meaning)] = re.findall(rf"^\s*{name} +(\S+(?: \S+)?)  +(\S.*)$", Settings.__doc__, re.MULTILINE)

    assert meaning
    default = DEFAULTS[name]
    if isinstance(default, bool) or default is None or isinstance(default, (str, dict)):
        assert text == str(default)
    elif name.endswith("_bytes_max"):
        assert _native.parse_bytes(text) == default
    else:
        assert float(text.replace(" ", "")) == default


def test_the_native_side_knows_the_same_settings_and_reference_values():
    checkout = pathlib.Path(__file__).parent.parent
    source = (checkout / "rust/telesink-core/src/settings.rs").read_text(encoding="utf-8")
    [names] = re.findall(r"NAMES: &'static \[&'static str\] = &\[(.*?)\];", source, re.DOTALL)
    [body] = re.findall(r"fn documented\(\) -> Self \{\s*Self \{(.*?)\n        \}", source, re.DOTALL)

    assert re.findall(r'"(\w+)"', names) == [name for name in NAMES if name not in ("redact", "resource")]
    found = dict(re.findall(r"(\w+): (.+),", body))
    for name in re.findall(r'"(\w+)"', names):
        assert native_value(found[name.removesuffix("_seconds")]) == DEFAULTS[name], name


def native_value(text):
    """
    The value of the few forms in which the native reference values are written.
    """
    if text == "None":
        return None
    if text == "level::ERROR":
        return "ERROR"
    if text == "WhenFull::DropNewest":
        return "drop_newest"
    if duration := re.fullmatch(r"Duration::from_(secs|millis)\((\d+)\)", text):
        return int(duration[2]) / {"secs": 1, "millis": 1_000}[duration[1]]
    if shifted := re.fullmatch(r"(\d+) << (\d+)", text):
        return int(shifted[1]) << int(shifted[2])
    return int(text.replace("_", ""))


def test_settings_can_be_sent_to_another_process_whatever_its_environment_says(monkeypatch):
    monkeypatch.setenv("TELESINK_QUEUE_RECORDS_MAX", "7")
    settings = Settings(when_full="block", redact=telesink.Redaction(names=["iban"]))
    sent = pickle.dumps(settings)
    monkeypatch.setenv("TELESINK_QUEUE_RECORDS_MAX", "8")

    received = pickle.loads(sent)

    assert received == settings == copy.deepcopy(settings) == copy.copy(settings)
    assert received.queue_records_max == 7
    assert received.origin("queue_records_max") == "the environment variable TELESINK_QUEUE_RECORDS_MAX"
    assert received.redact.hides("iban")


@pytest.mark.parametrize("make", [lambda: Settings(when_full="blocks"), lambda: Settings(redact="perhaps")])
def test_a_report_of_an_error_can_show_what_was_being_made(make):
    with pytest.raises(telesink.ConfigError) as error:
        make()

    report = traceback.TracebackException.from_exception(error.value, capture_locals=True)

    assert "<telesink.Settings, not made>" in "".join(report.format())


def test_text_of_the_environment_is_plain_text_once_it_is_a_setting(monkeypatch):
    monkeypatch.setenv("TELESINK_WHEN_FULL", "block")
    monkeypatch.setenv("TELESINK_RESOURCE", "cloud.region=eu")

    assert repr(Settings()) == "Settings(when_full='block', resource={'cloud.region': 'eu'})"
