"""A store of objects that speaks enough of S3 for a client to list and to read, on loopback."""

from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class S3Store:
    """Objects by `bucket/key`; a context manager that serves them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, str] = {}
        self.read: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("_", (_Door,), {"store": self}))
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, name: str, content: bytes) -> None:
        self.objects[name] = content
        self.written[name] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def __enter__(self) -> "S3Store":
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Door(BaseHTTPRequestHandler):
    store: S3Store
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        path, asked = unquote(place.path).strip("/"), parse_qs(place.query)
        if "list-type" in asked:
            self._answer(200, self._listing(path, asked), "application/xml")
        elif path in self.store.objects:
            self.store.read.append(path)
            self._part(self.store.objects[path])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def _part(self, content: bytes) -> None:
        """The object, or the bytes of it that a Range asks for."""
        if not (asked := self.headers.get("Range")):
            return self._answer(200, content, "binary/octet-stream")
        first, last = asked.removeprefix("bytes=").split("-")
        stop = min(int(last or len(content)), len(content) - 1) + 1
        held = f"bytes {first}-{stop - 1}/{len(content)}"
        self._answer(206, content[int(first) : stop], "binary/octet-stream", held)

    def _listing(self, bucket: str, asked: dict[str, list[str]]) -> bytes:
        prefix, mark = asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0]
        keys, folders = [], set()
        for name in sorted(self.store.objects):
            holder, _, key = name.partition("/")
            if holder != bucket or not key.startswith(prefix):
                continue
            below, cut, _ = key[len(prefix) :].partition(mark) if mark else (key, "", "")
            if cut:
                folders.add(f"{prefix}{below}{mark}")
            else:
                keys.append(key)
        lines = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.store.objects[f'{bucket}/{key}'])}"
            f"</Size><LastModified>{self.store.written[f'{bucket}/{key}']}</LastModified></Contents>"
            for key in keys
        ]
        lines += [f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders]
        count = f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{count}{''.join(lines)}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes, kind: str, held: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        if held:
            self.send_header("Content-Range", held)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is told."""
