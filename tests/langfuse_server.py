"""A Langfuse server as far as `telesink.Ingest` can see one: real HTTP, scripted answers, what it was sent.

Items and scores follow the facts of the server's own API: 207 for every well-formed batch, ids by which items
are told apart, spans refused as a whole if one of them is malformed.
"""

import base64
import contextlib
import gzip
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS = "/api/public/otel/v1/traces"
CLASSIC = "/api/public/ingestion"
SCORES = "/api/public/scores"

KEYS = ("pk-lf-public", "sk-lf-secret")


@dataclass
class Answer:
    """What the server says to one request, or does with its connection."""

    status: int = 200
    body: object = "{}"
    headers: dict = field(default_factory=dict)
    #: `reset`, `drop` (closes without a word) or `cut` (promises more than it sends).
    action: str = ""
    #: Whether it has stored what it was sent all the same.
    stores: bool = False


@dataclass
class Seen:
    """One request."""

    path: str
    headers: dict
    body: bytes


class LangfuseServer:
    """Listens on a port of its own. `takes` names the paths that it has."""

    def __init__(self, takes=(SPANS, CLASSIC, SCORES), *, accepts_classic=True):
        self.takes = set(takes)
        #: Whether classic items other than scores and SDK logs are accepted.
        self.accepts_classic = accepts_classic
        #: Whether a list of scores is understood.
        self.takes_lists = True
        #: Item statuses by the name in the item's body.
        self.item_status = {}
        self.body_bytes_max = 1 << 30
        self.seen, self.spans, self.items, self.scores = [], [], [], []
        self._answers = {}
        self._changed = threading.Condition()
        handler = type("Handler", (_Handler,), {"langfuse": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, path, *answers):
        """The next requests to a path get these answers; then the server does what it always does."""
        self._answers.setdefault(path, []).extend(answers)

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def requests(self, path=None):
        """The requests so far, those that ask for nothing left out."""
        probes = (b'{"resourceSpans":[]}', b'{"batch":[]}')
        return [one for one in self.seen if path in (None, one.path) and one.body not in probes]

    def wait_for(self, condition, seconds=20):
        with self._changed:
            assert self._changed.wait_for(condition, timeout=seconds), self.seen

    def take(self, request):
        """Answer a request."""
        with self._changed:
            self.seen.append(request)
            scripted = self._answers.get(request.path)
            answer = scripted.pop(0) if scripted else None
            if answer is None or answer.stores:
                usual = self._usual(request)
                answer = answer or usual
            self._changed.notify_all()
        return answer

    def _usual(self, request):
        if request.path not in self.takes:
            return Answer(404, "not found")
        if len(request.body) > self.body_bytes_max:
            return Answer(413, "too large")
        if request.path.endswith(SPANS):
            return self._take_spans(request)
        if request.path.endswith(CLASSIC):
            return self._take_batch(json.loads(request.body))
        return self._take_scores(json.loads(request.body))

    def _take_spans(self, request):
        if request.headers["content-type"] == "application/json":
            return Answer()
        message = ExportTraceServiceRequest.FromString(request.body)
        spans = [
            span
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        if any(len(span.trace_id) != 16 or len(span.span_id) != 8 for span in spans):
            return Answer(400, {"error": "malformed span"})
        self.spans.extend(spans)
        return Answer()

    def _take_batch(self, message):
        successes, errors = [], []
        for item in message["batch"]:
            status = self._status_of(item)
            if status < 300:
                self.items.append(item)
                if item["type"] != "sdk-log":
                    successes.append({"id": item["id"], "status": status})
            else:
                refused = status == 400 and not self.accepts_classic
                text = "Event type not accepted" if refused else f"status {status}"
                errors.append({"id": item["id"], "status": status, "message": text, "error": "in detail"})
        return Answer(207, {"successes": successes, "errors": errors, "_deprecation": {"soon": True}})

    def _status_of(self, item):
        if not self.accepts_classic and item["type"] not in ("score-create", "sdk-log"):
            return 400
        statuses = self.item_status.get(item["body"].get("name"))
        return statuses.pop(0) if statuses else 201

    def _take_scores(self, message):
        if isinstance(message, list) and not self.takes_lists:
            return Answer(400, {"message": "expected object, received array"})
        scores = message if isinstance(message, list) else [message]
        if any(not isinstance(score.get("value"), (int, float, str)) for score in scores):
            return Answer(400, {"message": "value is wrong"})
        self.scores.extend(scores)
        return Answer(202 if isinstance(message, list) else 200, {"id": "x"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    langfuse = None
    disable_nagle_algorithm = True

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.langfuse.take(Seen(self.path, headers, body))
        if answer.action in ("reset", "drop"):
            if answer.action == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR if answer.action == "drop" else socket.SHUT_RD)
            self.connection.close()
            return
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        content = text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) + (100 if answer.action == "cut" else 0)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        if answer.action == "cut":
            self.close_connection = True

    def log_message(self, *_arguments):
        pass


def basic(keys=KEYS):
    return "Basic " + base64.b64encode(":".join(keys).encode()).decode()


def attributes(span):
    """The attributes of a span as plain values."""
    return {pair.key: _plain(pair.value) for pair in span.attributes}


def _plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
