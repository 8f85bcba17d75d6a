"""Libraries that stand in front of the system's own in one subject. Linux, and a C compiler."""

import shutil
import subprocess
from pathlib import Path


def compiled(name, folder):
    """Compile `name`.c of this folder; answers what LD_PRELOAD has to say."""
    compiler = shutil.which("cc")
    assert compiler, "no C compiler: install one, as for building telesink itself"
    library = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)
