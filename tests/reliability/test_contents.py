"""What stands in records and names is shown and stored, never obeyed."""

import pytest

HOSTILE_NAMES = [
    "forged\ntelesink: all is well",
    "\x1b[2J\x1b]0;owned\x07",
    "a\u202eb\u2028c",
    "\r\x08\x7f\x9b31m",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_a_line_of_telesink_stays_one_line_whatever_its_sinks_are_called(run_python, name):
    """FIL7: what is said on standard error is printable ASCII, one line each."""
    code = (
        "import sys, telesink\n"
        "name = sys.argv[1].encode().decode('unicode_escape')\n"
        "pipeline = telesink.Pipeline(exit_timeout_seconds=0.1)\n"
        "try:\n"
        "    pipeline.add_sink('sqlite:////nowhere/at/all.db', name=name)\n"
        "except telesink.ConfigError as error:\n"
        "    telesink._native.write_line(str(error))\n"
        "pipeline.enqueue({'body': 'x', 'logger': name})\n"
        "pipeline.close(0.3)\n"
        "telesink._native.write_line(name)\n"
    )

    finished = run_python(code, name.encode("unicode_escape").decode("ascii"))

    lines = finished.stderr.splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("telesink: ")] == []
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert not any(line.startswith("telesink: all is well") for line in lines)


#: Looked up, filled in or run by careless libraries.
LOOK_UPS = [
    "${jndi:ldap://127.0.0.1:1/x}",
    "${env:HOME} $HOME `id` $(id)",
    "{0.__class__.__mro__} {self} %(levelname)s {{}}",
    "<script>alert(1)</script> {% include '/etc/passwd' %}",
    "'; DROP TABLE telesink_logs; --",
]


@pytest.mark.parametrize("text", LOOK_UPS, ids=range(len(LOOK_UPS)))
def test_what_stands_in_a_record_is_never_looked_up_or_filled_in(recorder, text):
    """FIL8: in the message, in its arguments, in names and in values, in every sink."""
    recorder.logger.info(text, extra={"value": text, text: 1})
    recorder.logger.info("%s", text)

    first, second = recorder.records()
    assert first["body"] == second["body"] == text
    assert first["attributes"]["value"] == text
    assert first["attributes"][text] == 1
