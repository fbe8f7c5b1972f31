"""Take the picture of the interactive page for the gallery, in a headless Chromium.

b2m demo demo
python docs/view_picture.py demo
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from tests.chromium import Browser, find_browser  # noqa: E402

SIZE = 1280, 1240


def main(demo: Path) -> None:
    """Open the page of the demonstration, keep the strongest vertex, and take the picture."""
    program, target = find_browser(), ROOT / "docs" / "images" / "view.png"
    assert program is not None, "no Chromium here"
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, Path(profile))
        try:
            browser.size(*SIZE)
            browser.open((demo / "results" / "view.html").resolve(), "#map=joint&subject=01")
            browser.press("p")
            browser.wait("location.hash.includes('vertex=')")
            browser.run("document.activeElement.blur(), scrollTo(0, 0)")
            browser.settle()
            browser.screenshot(target)
        finally:
            browser.close()
    with Image.open(target) as image:
        image.convert("RGB").save(target, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:] or ["demo"]))
