"""Programs under opentelemetry-instrument, with variables and no change of code."""

import json

import pytest
from otel.programs import instrumented

DESCRIBE = """
import json
from opentelemetry import trace
provider = trace.get_tracer_provider()
processors = provider._active_span_processor._span_processors
print(json.dumps([type(one).__module__.split(".")[0] + "." + type(one).__name__ for one in processors]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, ["opentelemetry.BatchSpanProcessor"]),
        ({"OTEL_TRACES_EXPORTER": "telesink"}, ["opentelemetry.BatchSpanProcessor"]),
        (
            {"OTEL_TRACES_EXPORTER": "telesink", "OTEL_PYTHON_CONFIGURATOR": "telesink"},
            ["telesink.SpanProcessor"],
        ),
        (
            {"OTEL_TRACES_EXPORTER": "console,telesink", "OTEL_PYTHON_CONFIGURATOR": "telesink"},
            ["opentelemetry.BatchSpanProcessor", "telesink.SpanProcessor"],
        ),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_PYTHON_CONFIGURATOR": "telesink"}, []),
    ],
    ids=["unnamed", "exporter", "configurator", "beside another", "none"],
)
def test_the_variables_choose_the_processors(tmp_path, variables, expected):
    none = {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}

    done = instrumented(tmp_path, DESCRIBE, TELESINK_DSN="null://", **none, **variables)

    assert json.loads(done.stdout.strip().splitlines()[-1]) == expected


def test_a_program_that_does_not_name_telesink_gets_the_distribution_that_it_had():
    from opentelemetry.distro import OpenTelemetryConfigurator, OpenTelemetryDistro

    from telesink import _auto

    assert isinstance(_auto.distro(), OpenTelemetryDistro)
    assert isinstance(_auto.configurator(), OpenTelemetryConfigurator)


def test_without_any_other_configurator_nothing_is_configured_unless_an_exporter_names_telesink(monkeypatch):
    from opentelemetry.instrumentation.distro import DefaultDistro

    from telesink import _auto

    monkeypatch.setattr(_auto, "_other", lambda group: None)

    assert isinstance(_auto.distro(), DefaultDistro)
    assert isinstance(_auto.configurator(), _auto._Nothing)
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "console, telesink")
    assert isinstance(_auto.configurator(), _auto._Plain)


def test_the_entry_points_are_those_that_the_sdk_looks_for():
    from importlib.metadata import entry_points

    import telesink.opentelemetry as ours
    from telesink import _auto

    found = {
        group: entry_points(group=f"opentelemetry_{group}", name="telesink")["telesink"].load()
        for group in ("traces_exporter", "logs_exporter", "metrics_exporter", "configurator", "distro")
    }

    assert found == {
        "traces_exporter": ours.SpanExporter,
        "logs_exporter": ours.LogRecordExporter,
        "metrics_exporter": ours.MetricExporter,
        "configurator": _auto.configurator,
        "distro": _auto.distro,
    }
