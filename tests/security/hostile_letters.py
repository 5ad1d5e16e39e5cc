"""What the tests of letters share: the vectors, a reader of HTML that is strict, and a browser with a canary."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from tests.browser.chromium import launch

SCRIPT = "console.log(1337)"
CANARY = "canary.example"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\"}


def vectors() -> list[str]:
    """Return the hostile letters of `html_vectors.txt`."""
    lines = Path(__file__).with_name("html_vectors.txt").read_text(encoding="utf-8").splitlines()
    return [_unescaped(line) for line in lines if line and not line.startswith("# ")]


def _unescaped(line: str) -> str:
    line = line.replace("JS", SCRIPT).replace("CANARY", CANARY)
    return re.sub(
        r"\\(?:x([0-9a-f]{2})|([ntr0\\]))",
        lambda m: chr(int(m.group(1), 16)) if m.group(1) else _ESCAPES[m.group(2)],
        line,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    name: str
    attributes: dict[str, str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(name=tag, attributes={k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment came through: {data!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction came through: {data!r}")


def elements_of(html: str) -> list[Element]:
    """Return the elements of an HTML text, as another parser than the sanitiser's reads them."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.elements


def text_of(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.text)


def body_of(document: str) -> str:
    """Return what stands in a letter's document."""
    return document.partition('<body dir="auto">')[2].removesuffix("</body></html>")


@dataclass  # no slots: Playwright keeps something of its own on the owner of a handler
class Theatre:
    """A browser and the only server that it can reach: whatever it asks for beside the stage is a leak."""

    browser: Browser
    port: int
    documents: dict[str, tuple[Mapping[str, str], str]]
    asked: list[str]
    seen: list[str] = field(default_factory=list)

    def page(self, *, height: int = 800) -> Page:
        page = self.browser.new_page(viewport={"width": 1000, "height": height})
        page.on("console", lambda message: self.seen.append(f"console: {message.text}"))
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self._request(request.url))
        page.on("popup", lambda popup: self.seen.append(f"popup: {popup.url}"))
        page.on("download", lambda _: self.seen.append("download"))
        page.on("framenavigated", lambda frame: self._navigated(frame.url))
        return page

    def _dialog(self, dialog: Dialog) -> None:
        self.seen.append("dialog")
        dialog.dismiss()

    def _request(self, url: str) -> None:
        if not url.startswith((self.address("/stage"), self.address("/letter"), "data:image/")):
            self.seen.append(f"request: {url}")

    def _navigated(self, url: str) -> None:
        if not url.startswith((self.address("/stage"), self.address("/letter"), "about:blank")):
            self.seen.append(f"navigation: {url}")

    def address(self, path: str) -> str:
        return f"http://stage.example:{self.port}{path}"

    def put(self, path: str, html: str, headers: Mapping[str, str] | None = None) -> str:
        self.documents[path] = (headers or {}, html)
        return self.address(path)

    @property
    def ran(self) -> bool:
        return any("1337" in s or s == "dialog" for s in self.seen)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    documents: dict[str, tuple[Mapping[str, str], str]]
    asked: list[str]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        headers, html = self.server.documents.get(self.path, ({}, ""))
        if self.path not in self.server.documents:
            self.server.asked.append(f"{self.headers.get('Host')} {self.path}")
        body = html.encode("utf-8", "surrogatepass")
        self.send_response(200 if html else 404)
        self.send_header("Content-Type", headers.get("Content-Type", "text/html; charset=utf-8"))
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            if name != "Content-Type":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.headers.get('Host')} {self.path}")
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def theatre(journal: Path | None = None) -> Iterator[Theatre]:
    """Start Chromium where every name of the Internet is a canary on loopback.

    `journal` is a file in which the browser writes every name it looks up and every request, once it is closed.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    server.documents, server.asked = {}, []
    port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with sync_playwright() as playwright:
            browser = launch(
                playwright,
                f"--host-resolver-rules=MAP *.example 127.0.0.1:{port}, MAP * ~NOTFOUND",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-pings",
                *([f"--log-net-log={journal}"] if journal else []),
                # A process for each sandboxed frame costs minutes, and none of the layers on trial is one.
                without=("IsolateSandboxedIframes",),
            )
            yield Theatre(browser=browser, port=port, documents=server.documents, asked=server.asked)
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=60)
