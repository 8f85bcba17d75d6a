"""An OTLP receiver over real HTTP, which decodes what it gets with the reference implementation."""

import contextlib
import gzip
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

Answer = tuple[int, dict[str, str], bytes]

OK: Answer = (200, {"content-type": "application/x-protobuf"}, b"")


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def decoded(self) -> ExportLogsServiceRequest:
        """What it says of log records."""
        content = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        if self.headers["content-type"] == "application/x-protobuf":
            return ExportLogsServiceRequest.FromString(content)
        return json_format.Parse(content, ExportLogsServiceRequest())

    def records(self) -> list:
        """Its log records, in order."""
        scopes = [scope for group in self.decoded().resource_logs for scope in group.scope_logs]
        return [record for scope in scopes for record in scope.log_records]


@dataclass
class Receiver:
    """A server with a port; `answer` decides what becomes of a request."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Answer] = lambda _: OK

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def bodies(self) -> list[str]:
        """The messages of all requests."""
        return [record.body.string_value for request in self.requests for record in request.records()]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that takes everything, unless its `answer` is replaced."""
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            receiver.requests.append(request)
            status, fields, content = receiver.answer(request)
            self.send_response(status)
            for name, value in {**fields, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Requests are kept, not told."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, name="receiver")
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
