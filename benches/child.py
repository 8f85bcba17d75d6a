"""Runs one measurement in this process: `python -m benches.child MODULE FUNCTION ARGUMENTS RESULT-FILE`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main(module: str, function: str, arguments: str, result_file: str) -> None:
    measure = getattr(importlib.import_module(f"benches.{module}"), function)
    result = measure(**json.loads(arguments))
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
