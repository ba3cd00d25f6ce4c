"""SHELL (processes, WebSocket). A Chromium without a screen that is driven by its own protocol (DevTools)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests
import websocket

from tests.support.services import allowed

T = TypeVar("T")
VARIABLE = "E2E_BROWSER"
REQUIRED = "required"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_START_S = 30.0
_CALL_S = 60.0
PHONE = (390, 844)
DESK = (1280, 860)


class NoBrowserError(Exception):
    """No browser was found; the text says what was looked for."""


def find() -> str:
    """Return the browser's path: the one E2E_BROWSER names, else the first of `NAMES` on the path.

    Raises:
        NoBrowserError: there is none.
    """
    named = os.environ.get(VARIABLE, "")
    for name in (named,) if named and named != REQUIRED else NAMES:
        if path := shutil.which(name):
            return path
    raise NoBrowserError(f"no browser: none of {', '.join(NAMES)} is on the path, and {VARIABLE} names none ({named!r})")


class Browser:
    """One browser, with as many tabs as are asked for."""

    def __init__(self, folder: Path) -> None:
        """Start it; its profile and port are in `folder`."""
        command = [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
        command += ["--disable-extensions", "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        told = folder / "DevToolsActivePort"
        until(lambda: told.exists() and told.read_text().count("\n"), _START_S, "the browser's port")
        self._address = f"http://127.0.0.1:{told.read_text().split()[0]}"

    def open(self, url: str, size: tuple[int, int] = DESK, *, touch: bool = False, dark: bool | None = None) -> Tab:
        """Return a new tab of `size` that shows `url`; `dark` is what its user prefers."""
        new = requests.put(f"{self._address}/json/new?about:blank", timeout=_CALL_S).json()
        tab = Tab(new["webSocketDebuggerUrl"])
        tab.resize(size, touch=touch)
        if dark is not None:
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            tab.call("Emulation.setEmulatedMedia", features=[scheme])
        tab.call("Page.enable")
        tab.call("Page.navigate", url=url)
        tab.wait("location.href !== 'about:blank' && document.readyState === 'complete'", "the page's files")
        return tab

    def close(self) -> None:
        """End it and everything it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(60)


class Tab:
    """One page."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=_CALL_S)
        self._number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one command of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._socket.recv())
            if said.get("id") == self._number:
                assert "error" not in said, said
                found: dict[str, Any] = said["result"]
                return found

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def text(self, selector: str) -> str:
        """Return what a reader reads of an element; empty where it is absent or hidden."""
        return str(self.js(f"((e) => e && !e.hidden ? e.innerText : '')(document.querySelector({json.dumps(selector)}))"))

    def count(self, selector: str) -> int:
        """Return how many elements there are."""
        return int(self.js(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def wait(self, expression: str, what: str, limit_s: float = 15.0) -> Any:
        """Return the first true value of an expression in the page."""
        return until(lambda: self.js(expression), limit_s, what)

    def wait_text(self, selector: str, text: str, limit_s: float = 15.0) -> None:
        """Wait until an element says `text`."""
        until(lambda: text in self.text(selector), limit_s, f"{text!r} in {selector}; it says {self.text(selector)!r}")

    def press(self, key: str, *, text: str = "") -> None:
        """Press and release a key."""
        codes = {"ArrowLeft": 37, "ArrowRight": 39, "Tab": 9, "Escape": 27, "End": 35}
        common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0]))}
        if key not in codes:
            common["text"] = text or key
        self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **{k: v for k, v in common.items() if k != "text"})

    def hover(self, x: float, y: float) -> None:
        """Move the mouse to a place in the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def drag(self, x: float, y: float, by: float) -> None:
        """Press the mouse's button at a place, move it sideways and let go."""
        button: dict[str, Any] = {"button": "left", "buttons": 1, "clickCount": 1, "y": y}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, **button)
        for part in (0.5, 1.0):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + by * part, **button)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + by, **button)

    def tap(self, x: float, y: float) -> None:
        """Touch a place with a finger."""
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def middle(self, selector: str) -> tuple[float, float]:
        """Return the middle of an element in the window."""
        place = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        box = self.js(f"((r) => [r.x + r.width / 2, r.y + r.height / 2])({place})")
        return float(box[0]), float(box[1])

    def resize(self, size: tuple[int, int], *, touch: bool = False) -> None:
        """Give the page another size."""
        width, height = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)

    def screenshot(self, file: Path) -> None:
        """Keep what is seen as a PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Close it."""
        self.call("Page.close")
        self._socket.close()


def until(condition: Callable[[], T], limit_s: float, what: str) -> T:
    """Return the first true value of `condition`, asked twenty times a second; raises AssertionError after `limit_s`."""
    deadline = time.monotonic() + allowed(limit_s)
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {allowed(limit_s):g} s: {what}"
        time.sleep(0.05)
    return value
