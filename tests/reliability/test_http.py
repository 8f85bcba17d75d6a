"""A receiver that hangs costs a program no more than its exit time-out."""

import socket
import subprocess
import sys
import time

import pytest

PROGRAM = """
import logging, sys
import telesink

telesink.install_logging(sys.argv[1], exit_timeout_seconds=0.5, proxy="none")
log = logging.getLogger("shop")
for number in range(100):
    log.info("%d", number)
"""


@pytest.mark.parametrize("scheme", ["otlp", "otlps"])
def test_H9_a_receiver_that_hangs_costs_the_end_its_time_out(scheme):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        dsn = f"{scheme}://127.0.0.1:{deaf.getsockname()[1]}"

        begun = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, dsn], capture_output=True, text=True, timeout=30, check=False
        )

    assert ended.returncode == 0
    assert "100" in ended.stderr
    assert "exit_" in ended.stderr
    # The interpreter's own start and end on a busy machine included; the limit of a request is 15 s.
    assert time.monotonic() - begun < 10
