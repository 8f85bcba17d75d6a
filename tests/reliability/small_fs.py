"""A disk of 8 MiB that only one subject sees: memory, mounted in a namespace of its own. Root, and Linux."""

import functools
import shutil
import subprocess

_MOUNT_AND_RUN = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"'


def on_small_disk(folder):
    """What a command begins with to find such a disk at this folder."""
    return ("unshare", "--mount", "sh", "-c", _MOUNT_AND_RUN, str(folder))


@functools.cache
def can_mount():
    """Whether this user may mount a disk in a namespace of its own; root may, in most containers too."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*on_small_disk("/mnt"), "true"], capture_output=True, check=False)
    return tried.returncode == 0
