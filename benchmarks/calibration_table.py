"""Write the table of known error rates that the report reads, from ``results/calibration.json``.

    python benchmarks/calibration_table.py

A row of the table is a kind of design: how models are evaluated, how the null distribution is made, the numbers of
held-out runs and samples that were simulated, and the lowest and the highest rate of p < .05 among empty targets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
TABLE = FOLDER.parent / "b2m_encoding" / "results" / "report" / "calibration.json"
LENGTHS = {"300": (2, 300), "300one": (1, 300), "300five": (5, 300), "600": (6, 600), "1200": (3, 1200),
           "4800": (12, 4800)}  # fmt: skip
"""Runs and samples of the designs of ``calibration.py``."""
FIXED = re.compile(r"false_positive_[\d.]+_(?P<design>\w+)_(plain|delays|repeats)")
CLIPS = re.compile(r"clips_[\d.]+_(?P<runs>\d+)x(?P<clips>\d+)x(?P<samples>\d+)_(noise|stimulus)")
JOINED = re.compile(r"cv_(?P<kind>runs|blocks)_(?P<number>\d+)")


def known_rates(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table from the rows of the benchmark."""
    groups: dict[tuple[str, str], list[tuple[float, int | None, int | None]]] = {}
    for row in rows:
        for evaluation, test, runs, samples in _design(row["case"], row.get("agreement") or {}):
            groups.setdefault((evaluation, test), []).append((float(row["ours"]), runs, samples))
    return [
        {"evaluation": key[0], "test": key[1], "runs": _ends([one[1] for one in found]),
         "samples": _ends([one[2] for one in found]), "rate": _ends([one[0] for one in found]), "designs": len(found)}
        for key, found in groups.items()
    ]  # fmt: skip


def _design(case: str, agreement: Mapping[str, Any]) -> Iterator[tuple[str, str, int, int | None]]:
    """Evaluation, test, held-out runs and samples of a case; none for other cases."""
    if found := FIXED.fullmatch(case):
        yield ("test", agreement["method"], *LENGTHS[found["design"]])
    elif found := CLIPS.fullmatch(case):
        runs = int(found["runs"])
        yield "test", "clip", runs, runs * int(found["clips"]) * int(found["samples"])
    elif found := JOINED.fullmatch(case):
        kind = "cross-validation" if found["kind"] == "runs" else "cross-validation in blocks"
        yield kind, agreement.get("method", "any"), int(found["number"]), agreement.get("samples")


def _ends(values: list[Any]) -> list[Any] | None:
    return None if None in values else [min(values), max(values)]


def main() -> None:
    """Write the table."""
    rows = json.loads((FOLDER / "results" / "calibration.json").read_text())["rows"]
    lines = ",\n".join(json.dumps(row) for row in known_rates(rows))
    TABLE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
