"""What the figures were measured on, in general terms: no host names, no paths."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

_PACKAGES = (
    *("telesink", "loguru", "logust", "logxide", "picologging", "structlog", "opentelemetry-sdk"),
    *("langfuse", "asyncpg", "psycopg", "pgpq", "pyarrow"),
)

# Above this many other busy processes on average, figures of this machine mean little.
_LOAD_MAX = 0.5


def describe(scratch: Path) -> dict[str, object]:
    """The machine, the interpreter, the file system below `scratch`, and the versions of all contestants."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not visible",
        "file_system": _file_system(scratch),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_optimised_build": "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS")),
        "sqlite_of_python": sqlite3.sqlite_version,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def load_at_start() -> float:
    """Processes that kept the machine busy during the last minute, with a warning if that is too much."""
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0
    if load > _LOAD_MAX:
        print(f"warning: the machine is busy (load {load}); expect noise", file=sys.stderr)
    return load


def refuse_debug_build() -> None:
    """
    Ends the program if telesink is missing or was built without optimisation.

    A debug build warns when it is imported; a fresh process that turns warnings into errors finds out.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import telesink"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
        sys.exit(f"error: these benchmarks need an optimised build of telesink (make build): {reason}")


def _processor() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> int | None:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal"):
            return round(int(line.split()[1]) / 1024**2)
    return None


def _file_system(directory: Path) -> str:
    """The type of the file system that holds `directory`: the longest mount point above it."""
    best = ("", "not visible")
    for line in _read("/proc/mounts").splitlines():
        _device, mount, kind, *_rest = line.split()
        if directory.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
