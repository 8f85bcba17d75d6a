"""Beginnings that programs under test have in common."""

#: Imports, and a logger.
INSTALL = """
import atexit, logging, os, sys, threading, time
from delivery.subject_side import DSN, hear, in_threads, log_many, note_stats, tell, took
import telesink

log = logging.getLogger("exit")
"""
