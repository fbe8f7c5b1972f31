"""Drive a headless Chromium through the pipe of its DevTools protocol: nothing but the browser is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0
START = "import os, sys; r, w, *run = sys.argv[1:]; os.dup2(int(r), 3); os.dup2(int(w), 4); os.execvp(run[0], run)"
"""The browser reads commands from file 3 and writes answers to file 4."""
NO_WEBGL = """{ const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
  return kind === "webgl" ? null : getContext.call(this, kind, ...options);
}; }"""

FOCUS = """(() => { const one = document.activeElement, style = getComputedStyle(one);
const box = one.getBoundingClientRect();
return one === document.body ? null : {
  place: [...document.querySelectorAll("*")].indexOf(one), text: one.outerHTML.slice(0, 90),
  seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  outlined: one.matches("audio") || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) }; })()"""
"""The element that has the focus, whether it is in sight, and whether it shows it."""
CONTROLS = """[...document.querySelectorAll("a[href], button, input, select, summary, audio[controls], [tabindex='0']")]
.filter((one) => one.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}) && !one.disabled)
.map((one) => [[...document.querySelectorAll("*")].indexOf(one), one.outerHTML.slice(0, 90)])"""
"""What the keyboard has to reach."""


def find_browser() -> str | None:
    """The browser of this machine; ``CHROMIUM`` may name it."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


class PageLeftError(RuntimeError):
    """The page was left while it was asked something."""


class Browser:
    """One browser with one page; ``console``, ``failures`` and ``requests`` collect what the page does."""

    def __init__(self, program: str, profile: Path) -> None:
        read_commands, self._commands = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in os.pipe())
        self._answers, write_answers = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in os.pipe())
        options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--mute-audio", "--hide-scrollbars", "--enable-unsafe-swiftshader",
            "--remote-debugging-pipe", f"--user-data-dir={profile}",
        ]  # fmt: skip
        command = [sys.executable, "-c", START, str(read_commands), str(write_answers), program, *options]
        self._process = subprocess.Popen(
            command, pass_fds=(read_commands, write_answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read_commands)
        os.close(write_answers)
        self._buffer, self._number, self._session = b"", 0, None
        self.console: list[str] = []
        self.failures: list[str] = []
        self.requests: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._no_webgl: str | None = None
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        """End the browser that was started here."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def send(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._commands, content) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    left = "navigated" in answer["error"].get("message", "")
                    raise (PageLeftError if left else RuntimeError)(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self) -> Mapping[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            content = os.read(self._answers, 1 << 20)
            if not content:
                raise RuntimeError("the browser has ended")
            self._buffer += content
        content, _, self._buffer = self._buffer.partition(b"\0")
        message: Mapping[str, Any] = json.loads(content)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: Mapping[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(one.get("value", one)) for one in parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            self.failures.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded":
            if "GL Driver Message" not in (text := parameters["entry"]["text"]):  # WebGL is drawn without a GPU here
                self.console.append(text)
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def use_webgl(self, use: bool) -> None:
        """Let pages that are opened from now on draw in three dimensions, which is slow without a graphics card."""
        if self._no_webgl is not None:
            self.send("Page.removeScriptToEvaluateOnNewDocument", identifier=self._no_webgl)
        self._no_webgl = None
        if not use:
            added = self.send("Page.addScriptToEvaluateOnNewDocument", source=NO_WEBGL)
            self._no_webgl = added["identifier"]

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file and wait until its page says that it is ready."""
        self.send("Page.navigate", url="about:blank")
        self.console, self.failures, self.requests = [], [], []
        self.send("Page.navigate", url=f"{path.as_uri()}{fragment}")
        self.wait("document.documentElement?.dataset.ready === 'true'")

    def show(self, path: Path) -> None:
        """Load a file that runs no script, and wait until all of it is there."""
        self.send("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank' && document.readyState === 'complete'")
        self.console, self.failures, self.requests = [], [], []
        self.send("Page.navigate", url=path.as_uri())
        self.wait("location.protocol === 'file:' && document.readyState === 'complete'")

    def pdf(self) -> bytes:
        """The page as it prints."""
        found = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(found["data"])

    def size(self, width: int, height: int, *, dark: bool = False, ratio: float = 1.0) -> None:
        """Set the size of the page in pixels, its pixel density and its colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until an expression is true; the page may change meanwhile."""
        until = time.monotonic() + seconds
        while True:
            with suppress(PageLeftError):
                if self.run(expression):
                    return
            if time.monotonic() > until:
                raise TimeoutError(f"never true: {expression}; {self.console} {self.failures}")
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.run(
            "new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 30))"
        )

    def move(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float, count: int = 1) -> None:
        """Press and release the mouse."""
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Move the mouse with its button down."""
        self.move(*start)
        self.send("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], button="left", clickCount=1)
        for share in (0.3, 0.6, 1.0):
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1)

    def press(self, key: str, code: int = 0) -> None:
        """Press a key; printable keys write into a field that has the focus."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            extra = text if kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **extra)

    def tab_through(self) -> None:
        """Press Tab from the top of the page to its end: every control once, in its order, in sight and outlined."""
        self.run("document.activeElement.blur(), getSelection().setPosition(document.body, 0)")
        wanted, found = self.run(CONTROLS), []
        for _ in range(20 * len(wanted) + 20):  # the controls of a sound are many
            self.press("Tab", 9)
            if (one := self.run(FOCUS)) is None or (found and one["place"] < found[-1]):
                break
            assert one["seen"], f"out of sight: {one['text']}"
            assert one["outlined"], f"no outline: {one['text']}"
            found.append(one["place"])
        missing = [text for place, text in wanted if place not in found]
        assert not missing, f"not reached: {missing}"

    def click_on(self, selector: str) -> None:
        """Click the middle of an element."""
        box = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'});"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        self.click(*box)

    def screenshot(self, path: Path, *, full: bool = False) -> Path:
        """Write a picture of the page."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(found["data"]))
        return path
