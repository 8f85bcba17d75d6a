"""Beginnings that programs under test have in common."""

#: Imports, and a logger.
INSTALL = """
import atexit, logging, os, sys, threading, time
from delivery.subject_side import DSN, hear, in_threads, log_many, note_stats, tell, took
import telesink

log = logging.getLogger("exit")
"""

#: The same, and children that are reaped.
FORK = """
import gc, logging, os, random, sys, threading, time, traceback, warnings
from delivery.subject_side import DSN, hear, in_threads, log_many, note_stats, tell, took
import telesink

log = logging.getLogger("fork")

def forked(work, *arguments):
    # Run `work` in a child that ends as a program ends, and answer its pid.
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(*arguments)
        telesink._lifecycle._at_exit()
        note_stats()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

def reap(pids):
    # The exit codes of children; none of them may need longer than a minute.
    codes, deadline = [], time.monotonic() + 60
    for pid in pids:
        while (found := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, 9)
            time.sleep(0.002)
        codes.append(os.waitstatus_to_exitcode(found[1]))
    return codes
"""
