"""A local OTLP receiver in a process of its own: keeps what arrives, and counts it with opentelemetry-proto.

It decodes when it is asked, so that it takes no processor from the program that is being measured.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Receiver:
    """The process, as the measured program sees it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benches.otlp_receiver"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def count(self) -> int:
        """Records received so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=120) as reply:
            return int(reply.read())


def main() -> None:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    requests = {
        "/v1/traces": (ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
        "/v1/logs": (ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
    }
    counted = [0]
    waiting: list[tuple[str, bytes]] = []

    def records_in(path: str, body: bytes) -> int:
        # Langfuse has them below a path of its own.
        kind, resources, scopes, records = requests[path[path.index("/v1/") :]]
        return sum(
            len(getattr(scope, records))
            for resource in getattr(kind.FromString(body), resources)
            for scope in getattr(resource, scopes)
        )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            waiting.append((self.path, body))
            self._answer(b"", "application/x-protobuf")

        def do_GET(self) -> None:
            while waiting:
                counted[0] += records_in(*waiting.pop())
            self._answer(str(counted[0]).encode(), "text/plain")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
