"""telesink.opentelemetry.install: global providers, because it is asked to. Each in a process of its own."""

import subprocess
import sys

PARTS = """
import logging, os, sys
import telesink, telesink.opentelemetry as ours
from opentelemetry import _logs, metrics, trace
"""


def run(program, *, folder, **variables):
    import os

    environment = {**os.environ, **variables}
    done = subprocess.run(
        [sys.executable, "-c", PARTS + program],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_one_line_installs_all_three_providers_on_one_pipeline(tmp_path):
    lines = run(
        """
installation = ours.install("memory://", resource={"service.name": "shop"})
with trace.get_tracer("shop").start_as_current_span("pay"):
    _logs.get_logger("shop").emit(body="paid")
metrics.get_meter("shop").create_counter("sold").add(1)
print(installation.force_flush())
pipeline = ours.SpanProcessor("memory://").pipeline
print(sorted(one["body"] for one in pipeline.recent() if "otel.sdk" not in one["body"]))
installation.shutdown()
installation.shutdown()
""",
        folder=tmp_path,
    )

    assert lines == ["True", "['paid', 'pay', 'sold']"]


def test_a_second_provider_is_refused_and_nothing_changes(tmp_path):
    lines = run(
        """
from opentelemetry.sdk.trace import TracerProvider
mine = TracerProvider()
trace.set_tracer_provider(mine)
try:
    ours.install("memory://")
except telesink.ConfigError as error:
    print("tracer provider is set already" in str(error))
print(trace.get_tracer_provider() is mine, type(metrics.get_meter_provider()).__name__)
""",
        folder=tmp_path,
    )

    assert lines == ["True", "True _ProxyMeterProvider"]


def test_importing_and_making_processors_sets_no_global_provider(tmp_path):
    lines = run(
        """
ours.SpanProcessor("null://"), ours.LogRecordProcessor("null://"), ours.MetricExporter("null://")
print(type(trace.get_tracer_provider()).__name__, type(metrics.get_meter_provider()).__name__)
""",
        folder=tmp_path,
    )

    assert lines == ["ProxyTracerProvider _ProxyMeterProvider"]


def test_importing_telesink_imports_nothing_of_opentelemetry(tmp_path):
    program = (
        "import sys, telesink; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_without_the_extra_the_error_says_what_to_install(tmp_path):
    program = """
import sys
sys.modules["opentelemetry.sdk"] = None
try:
    import telesink.opentelemetry
except ImportError as error:
    print(error)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "telesink.opentelemetry needs the OpenTelemetry SDK: pip install 'telesink[otel]'\n"


def test_telesinks_own_counters_are_metrics_when_asked_for(tmp_path):
    lines = run(
        """
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
telesink.install_logging("memory://", queue_records_max=1000)
reader = InMemoryMetricReader()
ours.observe(MeterProvider([reader]))
for number in range(3):
    logging.getLogger("shop").warning("low stock")
telesink.flush()
found = {}
for of_resource in reader.get_metrics_data().resource_metrics:
    for scope in of_resource.scope_metrics:
        if scope.scope.name == "telesink":
            for metric in scope.metrics:
                found[metric.name] = [
                    (point.value, point.attributes["otel.component.name"])
                    for point in metric.data.data_points
                ]
for name in sorted(found):
    print(name, found[name])
""",
        folder=tmp_path,
    )

    assert lines == [
        "otel.sdk.exporter.log.exported [(3, 'memory')]",
        "otel.sdk.exporter.log.inflight [(0, 'memory')]",
        "otel.sdk.processor.log.processed [(3, 'memory')]",
        "otel.sdk.processor.log.queue.capacity [(1000, 'memory')]",
        "otel.sdk.processor.log.queue.size [(0, 'memory')]",
    ]
