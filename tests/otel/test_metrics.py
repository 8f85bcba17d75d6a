"""Metrics of the SDK's own instruments, through its periodic reader."""

from opentelemetry.metrics import Observation
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from otel.making import MEMORY

import telesink.opentelemetry as ours

ATTRIBUTES = {"text": "t", "yes": True, "number": 5, "half": 0.5, "list": (1, 2)}


def test_S3_45_every_instrument_of_the_sdk_arrives_with_its_values_units_and_attributes():
    exporter = ours.MetricExporter(MEMORY)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)])
    meter = provider.get_meter("shop", "1.0")

    meter.create_counter("sold", "1", "pieces sold").add(2.5, ATTRIBUTES)
    meter.create_up_down_counter("waiting", "1").add(-3)
    meter.create_histogram("took", "s").record(0.2)
    meter.create_gauge("warmth", "Cel").set(21)
    meter.create_observable_counter("bytes", [lambda _: [Observation(2**53 + 1)]], "By")
    meter.create_observable_gauge("load", [lambda _: [Observation(0.5)]])
    meter.create_observable_up_down_counter("open", [lambda _: [Observation(4)]])
    provider.force_flush()

    assert exporter.pipeline.flush().complete
    messages = [Metric.FromString(one[-1]) for one in exporter._user.shared.signals.encoded("memory")]
    found = {one.name: one for one in messages}
    assert found["sold"].sum.is_monotonic
    assert (found["sold"].unit, found["sold"].description) == ("1", "pieces sold")
    [point] = found["sold"].sum.data_points
    values = {pair.key: pair.value.WhichOneof("value") for pair in point.attributes}
    assert point.as_double == 2.5
    assert values == {
        "text": "string_value",
        "yes": "bool_value",
        "number": "int_value",
        "half": "double_value",
        "list": "array_value",
    }
    assert found["waiting"].sum.data_points[0].as_int == -3
    assert not found["waiting"].sum.is_monotonic
    assert found["took"].histogram.data_points[0].sum == 0.2
    assert found["warmth"].gauge.data_points[0].as_int == 21
    assert found["bytes"].sum.data_points[0].as_int == 2**53 + 1
    assert found["load"].gauge.data_points[0].as_double == 0.5
    assert found["open"].sum.data_points[0].as_int == 4
    provider.shutdown()
