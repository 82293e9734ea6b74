"""A server that speaks S3 (moto's), on loopback, that counts what it is asked and fails as it is told."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

BUCKET = "archive"
_ACCOUNT = "123456789012"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Request(NamedTuple):
    """What was asked: `list`, `head` or `get`, of which key, and which range."""

    what: str
    key: str
    range: str | None


class Faults:
    """What goes wrong.

    Attributes
    ----------
    denied:
        Keys to which access is denied.
    delay_s:
        How long every answer takes.
    broken_lists:
        Listings from this page on (from 1) get no answer but 500; `None`: none.
    broken_bodies:
        So many answers break off in the middle of an object.
    busy:
        So many answers say SlowDown.
    code:
        Every answer is this error of S3.
    page_keys:
        So many keys are on a page of a listing; `None`: 1,000.
    listing:
        Changes the body of a listing into another of that length.
    on_get:
        Called with the key before an object is given.
    """

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.delay_s = 0.0
        self.broken_lists: int | None = None
        self.broken_bodies = 0
        self.busy = 0
        self.code = ""
        self.page_keys: int | None = None
        self.listing: Callable[[bytes], bytes] | None = None
        self.on_get: Callable[[str], None] | None = None


class Server:
    """The server, with what it was asked since `forget`."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.faults = Faults()
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._around(moto), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        host, port = self._server.server_address[:2]
        self.url = f"http://{host}:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- what is stored --------------------------------------------------------------------

    @property
    def backend(self) -> Any:
        return s3_backends[_ACCOUNT]["aws"]

    def begin(self) -> None:
        """Begin anew: an empty bucket, no faults, nothing asked."""
        self.backend.reset()
        self.backend.create_bucket(BUCKET, "us-east-1")
        self.faults = Faults()
        self.forget()

    def put(self, key: str, data: bytes) -> None:
        self.backend.put_object(BUCKET, key, data)

    def put_all(self, objects: dict[str, bytes]) -> None:
        for key, data in objects.items():
            self.put(key, data)

    def delete(self, key: str) -> None:
        self.backend.delete_object(BUCKET, key)

    def data(self, key: str) -> bytes:
        return bytes(self.backend.get_object(BUCKET, key).value)

    # -- what was asked --------------------------------------------------------------------

    def forget(self) -> None:
        self.requests = []
        self.most_at_once = 0

    @property
    def counts(self) -> Counter[str]:
        return Counter(request.what for request in self.requests)

    # -- what goes wrong -------------------------------------------------------------------

    def _around(self, app: App) -> App:
        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            with self._lock:
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                return self._answer(app, environ, start)
            finally:
                with self._lock:
                    self._at_once -= 1

        return answer

    def _answer(
        self, app: App, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = _request(environ)
        faults = self.faults
        with self._lock:
            self.requests.append(request)
            lists = sum(each.what == "list" for each in self.requests)
            is_busy, faults.busy = faults.busy > 0, max(0, faults.busy - 1)
        time.sleep(faults.delay_s)
        if faults.code:
            return _error(start, "403 Forbidden", faults.code, with_body=request.what != "head")
        if is_busy:
            return _error(start, "503 Slow Down", "SlowDown")
        if request.key in faults.denied:
            with_body = request.what != "head"
            return _error(start, "403 Forbidden", "AccessDenied", with_body=with_body)
        if request.what == "list" and faults.broken_lists and lists >= faults.broken_lists:
            return _error(start, "500 Internal Server Error", "InternalError")
        if request.what == "get" and faults.on_get is not None:
            faults.on_get(request.key)
        if (
            request.what == "list"
            and faults.page_keys
            and "max-keys" not in environ["QUERY_STRING"]
        ):
            environ["QUERY_STRING"] += f"&max-keys={faults.page_keys}"
        body = app(environ, start)
        if request.what == "list" and faults.listing is not None:
            return [faults.listing(b"".join(body))]
        if request.what == "get" and faults.broken_bodies > 0:
            faults.broken_bodies -= 1
            return _broken(body)
        return body


def _request(environ: dict[str, Any]) -> Request:
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/")
    key = path.partition("/")[2]
    query = parse_qs(environ.get("QUERY_STRING", ""))
    method = environ["REQUEST_METHOD"]
    if "list-type" in query:
        return Request("list", query.get("prefix", [""])[0], None)
    return Request(method.lower(), key, environ.get("HTTP_RANGE"))


def _error(
    start: Callable[..., Any], status: str, code: str, *, with_body: bool = True
) -> Iterable[bytes]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test has it</Message></Error>"
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body.encode()] if with_body else []


def _broken(body: Iterable[bytes]) -> Iterator[bytes]:
    data = b"".join(body)
    yield data[: len(data) // 2]
    raise ConnectionResetError("as the test has it")


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


def uid_of(number: int) -> str:
    return f"1.2.826.0.1.3680043.2.1143.{number}"


def named(text: str) -> str:
    """Return a text with what cannot stand in the name of a test spelled out."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)
