"""Spans, metrics and log rows of one program, side by side in SQLite."""

import sqlite3
from contextlib import closing

import pytest
from otel.programs import SHOP, THREE, instrumented


def rows(path, query):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"OTEL_PYTHON_CONFIGURATOR": "telesink"},
        {"OTEL_PYTHON_DISTRO": "telesink"},
    ],
    ids=["batch", "direct", "distro"],
)
def test_a_fastapi_program_delivers_all_three_signals_and_its_log_rows_join(tmp_path, how):
    exporters = {} if "OTEL_PYTHON_DISTRO" in how else THREE

    instrumented(tmp_path, SHOP, TELESINK_DSN="sqlite:///app.db", **exporters, **how)

    database = tmp_path / "app.db"
    joined = rows(
        database,
        "select logs.body, spans.name from telesink_logs logs"
        " join telesink_spans spans using (trace_id, span_id) where logs.logger = 'shop' order by 1",
    )
    assert joined == [(f"order {number}", "GET /orders/{number}") for number in range(3)]
    assert rows(database, "select count(*) from telesink_metrics where name = 'sold'")[0][0] >= 1
    services = rows(database, "select distinct service from telesink_logs")
    assert services == [("shop",)]
