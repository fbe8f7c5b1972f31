"""Keep what tutorials print and draw, for their pages: outputs are made by this command, not when the site is built.

python docs/outputs.py 01_first_map 10_gram_form    # some tutorials; all without names

An output belongs to the code up to its cell: ``docs/generate.py`` leaves it out once that code has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).parent
TUTORIALS, KEPT = DOCS.parent / "tutorials", DOCS / "outputs"
CELL = re.compile(r"^# %%[ ]?(.*)$", re.MULTILINE)
OWN = re.compile(r"""[^\s"']*\btutorials/(?=out/)""")
"""Where the outputs of tutorials lie on the machine that made them."""
ENVIRONMENT = "/home/me/b2m/.venv"
"""What stands for the environment of that machine in printed text, as in the tutorials."""
LONGEST = 50
"""Lines of printed text that are kept of a cell."""
WIDEST = 1000
"""Pixels of a picture."""


def cells_of(script: Path) -> list[str]:
    """Code of the cells of a script, the head of the file left out."""
    return CELL.split(script.read_text(encoding="utf-8"))[2::2]


def hashes_of(cells: list[str]) -> list[str]:
    """Hash of the code up to and with every cell; comments do not count."""
    code, found = "", []
    for cell in cells:
        code += "\n# %%\n" + "\n".join(line for line in cell.splitlines() if line.strip() and not line.startswith("#"))
        found.append(hashlib.sha256(code.encode()).hexdigest()[:16])
    return found


def kept_outputs(script: Path) -> list[dict[str, Any]]:
    """Kept outputs of a script, cell by cell: ``text`` and ``pictures``; empty where there are none of this code."""
    hashes, file = hashes_of(cells_of(script)), KEPT / f"{script.stem}.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    known = {one["code"]: one for one in kept}
    return [known.get(code, {"text": "", "pictures": []}) for code in hashes]


def is_picture(value: object) -> bool:
    """Whether a variable of a tutorial is a figure, or the path of a PNG file."""
    from b2m_encoding.figures import FigureResult

    return isinstance(value, FigureResult) or (isinstance(value, Path) and value.suffix == ".png" and value.is_file())


def keep_picture(shown: Any, path: Path) -> None:
    """Write a picture as a page shows it, in all its colours."""
    stream: Any = shown
    if not isinstance(shown, Path):
        stream = io.BytesIO()
        shown.figure.savefig(stream, format="png", dpi=160)
    with Image.open(stream) as image:
        size = min(WIDEST, image.width), round(image.height * min(1, WIDEST / image.width))
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path, quality=88, method=6)


def run(script: Path) -> None:
    """Execute a tutorial cell by cell, and keep what it prints and draws."""
    KEPT.mkdir(exist_ok=True)
    for old in KEPT.glob(f"{script.stem}-*"):
        old.unlink()
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    cells, outputs, seen = cells_of(script), [], set()
    for cell, code in zip(cells, hashes_of(cells), strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(cell, str(script), "exec"), names)
        pictures = []
        new = [one for one in names.values() if is_picture(one) and id(one) not in seen]
        seen |= {id(one) for one in new}
        for picture in [one for one in new if not isinstance(one, Path)] or new:  # a figure rather than its file
            name = f"{script.stem}-{sum(len(one['pictures']) for one in outputs) + len(pictures) + 1}.webp"
            keep_picture(picture, KEPT / name)
            pictures.append(name)
        shown = OWN.sub("", printed.getvalue()).replace(sys.prefix, ENVIRONMENT)
        lines = [line.rstrip() for line in shown.rstrip().splitlines()]
        text = "\n".join(lines[:LONGEST] + (["..."] if len(lines) > LONGEST else []))
        outputs.append({"code": code, "text": text, "pictures": pictures})
    (KEPT / f"{script.stem}.json").write_text(json.dumps(outputs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(TUTORIALS))
    os.environ.setdefault("MPLBACKEND", "agg")
    for name in sys.argv[1:] or [path.stem for path in sorted(TUTORIALS.glob("[0-9]*.py"))]:
        run(TUTORIALS / f"{name}.py")
        print(f"kept the outputs of {name}")
