"""Logs numbered lines into files and says after each batch how many are delivered; killed from outside.

Arguments: the DSN, the name of the writer, how many lines a batch has, how many batches at most.
"""

import logging
import sys

import telesink

dsn, name, lines, batches = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
telesink.install_logging(dsn, linger_seconds=0.001, when_full="block")
log = logging.getLogger("writer")
number = 0
for _ in range(batches):
    for _ in range(lines):
        log.info("line", extra={"writer": name, "number": number})
        number += 1
    if telesink.flush(60):
        # One small write to a pipe is whole or not there.
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
telesink.shutdown()
