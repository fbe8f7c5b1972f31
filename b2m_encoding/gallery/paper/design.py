"""Design, Table 1 and Table 2 of the paper beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.gallery.paper.beside import NA, Compared, Line, claim, number_line
from b2m_encoding.results.schema import tables
from b2m_encoding.results.schema.brain2music import EMBEDDINGS, paper
from b2m_encoding.results.schema.decoding_tables import MEASURES


def design(compared: Compared) -> Iterator[Line]:
    """Numbers of section 3.1."""
    report, runs = compared.report, compared.report.quality
    yield number_line("subjects", len(compared.subjects))
    clips = report.table(tables.CLIPS)
    identified = report.table(tables.IDENTIFICATION)
    yield number_line(
        "clips", None if clips is None else len(clips), why="" if clips is not None else f"no {tables.CLIPS.file}"
    )
    test = None if identified is None else identified["clip"].nunique()
    trained = None if clips is None or test is None else len(clips) - test
    yield number_line("training_clips", trained, why="clips that are not test clips")
    yield number_line("test_clips", test, why="" if test else "nothing was decoded")
    groups = 0 if clips is None else clips["group"].nunique()
    yield number_line("genres", groups or None, why="" if groups else "clips have no groups")
    yield number_line("tr", None if runs is None else float(runs["tr"].iloc[0]))
    detrend = report.get("cleaning", "detrend")
    period = float(report.get("cleaning", "cutoff")) if detrend == "median" else None
    yield number_line("cutoff", period, why="" if period else f'cleaning.detrend is "{detrend}"')
    tested = report.listeners["tested"]
    low, high = int(tested.min()), int(tested.max())
    about = "other targets (vertices of a surface, or voxels of another mask)"
    yield number_line("fewest_targets", low, why=about)
    yield number_line("most_targets", high, why=about)


def table1(compared: Compared) -> pd.DataFrame:
    """Table 1: dimensions, vectors per clip and window of every embedding, beside the feature space in its place."""
    made = compared.context.results.provenance.get("features", {})
    rows = []
    for one in paper()["embedding"]:
        name = compared.spaces.get(one["name"])
        row: dict[str, Any] = {"embedding": one["name"], "stands_for_it": name or "n/a"}
        window = None if name is None else _window(compared, name)
        ours = {
            "dimensions": made.get(name, {}).get("n_features"),
            "window": window,
            "per_clip": None if window is None else _per_clip(compared, window),
        }
        for key, value in ours.items():
            row |= {f"{key}_published": one[key], key: np.nan if value is None else value}
        rows.append(row | {"rate_published": one.get("rate", np.nan)})
    return pd.DataFrame(rows)


def _window(compared: Compared, name: str) -> float | None:
    """Length of the windows from which a feature space is decoded, or by which it encodes."""
    windows, decoding = compared.report.get("windows"), compared.report.get("decoding") or {}
    own = {**((windows or {}).get("own") or {}), **(decoding.get("own_windows") or {})}
    usual = windows["length"] if windows else decoding.get("window") if name in decoding.get("targets", ()) else None
    return own.get(name, usual)


def _per_clip(compared: Compared, window: float) -> int | None:
    """Full windows of a clip."""
    clips = compared.report.table(tables.CLIPS)
    table = compared.report.get("windows") or compared.report.get("decoding")
    if clips is None or not table:
        return None
    return int((float(clips["duration"].median()) - window + 1e-6) // table["step"]) + 1


def decoding(compared: Compared) -> Iterator[Line]:
    """Table 2, and its order."""
    table = compared.decoding
    for embedding in EMBEDDINGS[:4]:
        found = table is not None and embedding in table.index
        for measure in MEASURES:
            if not found or table is None:
                yield number_line(f"{measure}/{embedding}", None, why=compared.missing(embedding))
                continue
            row = table.loc[embedding]
            why = f"{row['target']} stands for it"
            if measure == "identification_test" and np.isfinite(row.get("identification_raw", np.nan)):
                why += f"; {row['identification_raw']:.3f} in raw units"
            yield number_line(f"{measure}/{embedding}", row[measure], row[f"{measure}_sd"], int(row["subjects"]), why)
    yield _order(compared)


def _order(compared: Compared) -> Line:
    """Order of the rows of Table 2."""
    order = ["MuLan_music", "w2v-BERT-avg", "MuLan_text", "SoundStream-avg"]
    table = compared.decoding
    present = [] if table is None else [one for one in order if one in table.index]
    text = " > ".join(order)
    if table is None or len(present) < 2:
        return claim("Table 2", "order by identification, test", text, NA, None, "fewer than two rows to order")
    ours = table.loc[present, "identification_test"].sort_values(ascending=False)
    shown = " > ".join(f"{name} {value:.3f}" for name, value in ours.items())
    return claim("Table 2", "order by identification, test", text, shown, list(ours.index) == present,
                 f"of the {len(present)} rows that there are")  # fmt: skip


def regions(compared: Compared) -> Iterator[Line]:
    """Numbers of section 3.2: regions that are averaged, and their sizes."""
    rows = [one for one in compared.report.identification if one.get("decoder", "regions") == "regions"]
    own = [one for one in rows if one["subject"] == compared.subjects[0] and one.get("region_targets")]
    wanted = compared.spaces.get("MuLan_music")
    best = next((one for one in own if one["feature_space"] == wanted), own[0] if own else None)
    why = "nothing was decoded from regions"
    yield number_line("best_regions", len(best["regions"]) if best else None, why="" if best else why)
    sizes = best["region_targets"] if best else None
    about = f"of {compared.report.get('maps', 'atlas')}, decoding {best['feature_space']}" if best else why
    for id, value in (("region_smallest", min), ("region_largest", max), ("region_sum", sum)):
        yield number_line(id, float(value(sizes)) if sizes else None, why=about)
