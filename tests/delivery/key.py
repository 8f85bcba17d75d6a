"""The key of an accepted record, as it goes through the pipe."""

import struct

#: Process, thread, counter. Far below 4,096 bytes, so that each write to a pipe is atomic.
KEY = struct.Struct("<III")
