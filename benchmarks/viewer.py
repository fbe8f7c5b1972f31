"""Interactive pages in headless Chromium: time to the first picture, and frames per second, beside pycortex's viewer.

    python benchmarks/viewer.py [--quick]

Both pages show the same scores on fsaverage5. First picture: from opening the page to its own sign that it has drawn.
The page of pycortex comes from a local server, as its files ask for. Frames: the cortex turned by a step per frame,
over all of the window; screenshots before and after must differ. WebGL is drawn by the processor (SwiftShader), so
frames are far fewer than on a graphics card. Where the page of pycortex does not draw, the row says why.
"""

from __future__ import annotations

import functools
import http.server
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import numpy as np
from flatmap import make_scores
from harness import Row, arguments, environment, finish

from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.interactive import Score, View, ViewMap, ViewSubject, interactive_page
from b2m_encoding.figures.pycortex import add_subject, load_pycortex, save_viewer, to_vertex
from b2m_encoding.spaces import SurfaceSpace, load_atlas, surface_space
from tests.chromium import Browser, find_browser

COLOURS = ScalarColours(0.0, 0.5)
SUBJECT = "S5"
FRAMES = """new Promise((done) => {{
  let n = 0;
  const start = performance.now(), rate = () => done((1000 * n) / (performance.now() - start));
  const step = () => {{ {turn}; n++ < {frames} ? requestAnimationFrame(step) : rate(); }};
  requestAnimationFrame(step);
}})"""
OURS = (
    "document.getElementById('solid').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }))"
)
WHOLE = "document.getElementById('solid').style.cssText = 'position: fixed; inset: 0; width: 100vw; height: 100vh'"
"""Our inflated cortex over the whole window, as that of pycortex is: frames then have the same pixels."""
THEIRS = "viewer.controls.azimuth = (viewer.controls.azimuth + 5) % 360; viewer.draw()"
READY = "typeof viewer !== 'undefined' && viewer.loaded.state() === 'resolved'"
"""Sign of pycortex's page that its data are there."""


def our_page(space: SurfaceSpace, scores: np.ndarray, folder: Path) -> Path:
    """Our page with one map."""
    subject = ViewSubject("01", load_atlas("hcp-mmp1", space), {"r": scores})
    drawn = ViewMap("r", "Accuracy", "prediction accuracy (r)", ("r",), COLOURS)
    path = folder / "view.html"
    path.write_text(interactive_page(View("Benchmark", [subject], [Score("r", "all")], [drawn])), encoding="utf-8")
    return path


def their_page(space: SurfaceSpace, scores: np.ndarray, folder: Path) -> Path:
    """The page of pycortex with the same map."""
    add_subject(space, folder / "store", SUBJECT)
    cortex = load_pycortex(folder / "store")
    return save_viewer(cortex, to_vertex(cortex, scores, SUBJECT, COLOURS), folder / "theirs")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A local server of a folder."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def first_picture(browser: Browser, address: str, ready: str) -> float:
    """Seconds from opening an address to its first picture."""
    browser.send("Page.navigate", url="about:blank")
    browser.wait("location.href === 'about:blank'")
    browser.console, browser.failures = [], []
    start = time.perf_counter()
    browser.send("Page.navigate", url=address)
    browser.wait(ready, seconds=60)
    browser.run("new Promise((done) => requestAnimationFrame(done))")
    return time.perf_counter() - start


def measure(browser: Browser, address: str, ready: str, turn: str, repeats: int, frames: int) -> tuple[float, float]:
    """Median time to the first picture, and frames per second."""
    times = [first_picture(browser, address, ready) for _ in range(repeats)]
    if turn == OURS:
        browser.run(WHOLE)
        browser.settle()
    before = browser.send("Page.captureScreenshot", format="png")["data"]
    rate = float(browser.run(FRAMES.format(turn=turn, frames=frames)))
    if browser.send("Page.captureScreenshot", format="png")["data"] == before:
        raise RuntimeError("the page does not turn")
    return median(times), rate


def main() -> None:
    args = arguments(__doc__ or "")
    program = find_browser()
    if program is None:
        sys.exit("no Chromium on this machine")
    repeats, frames = (2, 10) if args.quick else (5, 40)
    space, env = surface_space("fsaverage5"), environment(program=program)
    scores, why, theirs = np.nan_to_num(make_scores(space)), None, (None, None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, sizes = our_page(space, scores, folder), {}
        sizes["ours MB"] = ours.stat().st_size / 1e6
        browser = Browser(program, folder / "profile")
        browser.size(1280, 900)
        try:
            own = measure(
                browser, ours.as_uri(), "document.documentElement?.dataset.ready === 'true'", OURS, repeats, frames
            )
            try:
                page = their_page(space, scores, folder)
                sizes["peer MB"] = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file()) / 1e6
                with served(page.parent) as address:
                    theirs = measure(browser, f"{address}/{page.name}", READY, THEIRS, repeats, frames)
            except Exception as error:  # its page is a program of its own: whatever goes wrong there is a result
                why = f"pycortex does not draw here: {str(error)[:200]} {browser.failures[:1]}"
        finally:
            browser.close()
    peer = why or "pycortex, save_viewer"
    ratio = None if theirs[0] is None else theirs[0] / own[0]
    faster = None if theirs[1] is None else own[1] / theirs[1]
    per_frame = None if theirs[1] is None else 1 / theirs[1]
    rows = [
        Row("first picture", "b2m view", peer, own[0], theirs[0], ratio, sizes),
        Row("one frame", "inflated cortex turned", peer, 1 / own[1], per_frame, faster,
            {"frames/s": own[1], "peer frames/s": theirs[1]}),
    ]  # fmt: skip
    finish("viewer", rows, env, agreed=True, quick=args.quick)


if __name__ == "__main__":
    main()
