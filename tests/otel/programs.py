"""Programs under opentelemetry-instrument, with variables and no change of code."""

import os
import subprocess
import sys
from pathlib import Path

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"

#: A web program that knows nothing of telesink; asks itself three times, then ends.
SHOP = """
import logging
from fastapi import FastAPI
from opentelemetry import metrics

logger = logging.getLogger("shop")
logger.setLevel("INFO")
app = FastAPI()
sold = metrics.get_meter("shop").create_counter("sold")


@app.get("/orders/{number}")
def order(number: int):
    sold.add(1)
    logger.info("order %s", number)
    return {"number": number}


async def ask(path):
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        pass
    await app(scope, receive, send)


if __name__ == "__main__":
    import asyncio
    for number in range(3):
        asyncio.run(ask(f"/orders/{number}"))
"""

#: No change of code.
THREE = {
    "OTEL_TRACES_EXPORTER": "telesink",
    "OTEL_LOGS_EXPORTER": "telesink",
    "OTEL_METRICS_EXPORTER": "telesink",
}


def instrumented(folder, program, **variables):
    (folder / "program.py").write_text(program)
    environment = {**os.environ, "OTEL_SERVICE_NAME": "shop", **variables}
    done = subprocess.run(
        [str(INSTRUMENT), sys.executable, "program.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done
