"""Flushes that the keyboard interrupts, one after another, and one more that may end."""

import time

from delivery.harness import locked
from delivery.programs import INSTALL

FLUSHES = f"""{INSTALL}
telesink.install_logging(DSN)
log_many(log, 0, 100)
for _ in range(int(sys.argv[1])):
    try:
        tell("flushing")
        telesink.flush(30)
    except KeyboardInterrupt:
        tell(time.monotonic())
hear()
receipt = telesink.flush(30)
tell([receipt.complete, receipt.delivered, receipt.dropped, receipt.pending])
"""


def interrupt_flushes(subjects, pauses):
    """
    Interrupt a flush of 100 records after each of these pauses, while the database is locked.

    Answers the subject, which flushes once more and tells the receipt, and how many seconds each interrupted
    flush went on.
    """
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(FLUSHES, len(pauses))
        delays = []
        for pause in pauses:
            assert subject.hear() == "flushing"
            time.sleep(pause)
            sent_at = time.monotonic()
            subject.interrupt()
            delays.append(subject.hear() - sent_at)
    subject.say()
    return subject, delays
