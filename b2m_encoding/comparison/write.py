"""Write a comparison as a folder: page, maps of the difference, tables, figures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from b2m_encoding import __version__
from b2m_encoding.comparison.compared import Compared, Comparison
from b2m_encoding.comparison.page import comparison_page, figures_of
from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import sha256
from b2m_encoding.io.paths import portable_path
from b2m_encoding.results.bundle import BundleFiles, ResultsWriter
from b2m_encoding.results.place import is_results
from b2m_encoding.results.provenance import provenance
from b2m_encoding.results.report.page import render
from b2m_encoding.results.schema import comparison_tables, maps
from b2m_encoding.results.schema.files import COMPARED, COMPARISON_README, FIGURES, MANIFEST, PROVENANCE, README


def write_comparison(comparison: Comparison, out: str | Path) -> Path:
    """Write a comparison into a new folder, or in the place of an earlier one.

    Parameters
    ----------
    comparison : Comparison
    out : path

    Returns
    -------
    Path
        The page, ``comparison.html``. Beside it: maps of the difference with its interval, p and q, which
        :class:`~b2m_encoding.results.Results` opens; ``comparison.tsv``, ``comparison_regions.tsv``, figures with their
        numbers and captions.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    out, started = Path(out), datetime.now(UTC)
    if is_results(out) and not (out / comparison_tables.COMPARISON.file).is_file():
        raise InputError("the folder holds results of a study", file=out, fix="name another one: --out FOLDER")
    name = " against ".join(side.name for side in comparison.sides)
    with ResultsWriter(out, name, comparison.targets) as writer:
        writer.file(README).write_text(COMPARISON_README.format(version=__version__, name=name), encoding="utf-8")
        for one in comparison.targets.values():
            _write_maps(writer, one, comparison)
        writer.write_table(comparison_tables.COMPARISON, comparison.summary())
        writer.write_table(comparison_tables.COMPARISON_REGIONS, comparison.regions)
        for stem, figure in figures_of(comparison).items():
            figure.save(writer.file(FIGURES, stem), formats=("png", "pdf"))
        writer.write_json(PROVENANCE, _record(comparison, out, started))
        page = comparison_page(comparison, writer.folder)
        writer.file(COMPARED).write_text(render(page), encoding="utf-8")
    return out / COMPARED


def _write_maps(writer: BundleFiles, one: Compared, comparison: Comparison) -> None:
    first, second = (side.name for side in comparison.sides)
    common = {
        "First": first, "Second": second, "Test": one.test, "Units": one.found.n_units, "Level": comparison.level,
        "Note": comparison.sides[0].context.note,
    }  # fmt: skip
    for kind, values in zip(
        maps.COMPARISON_MAPS,
        (one.found.difference, one.found.low, one.found.high, one.found.p, one.found.q),
        strict=True,
    ):
        if np.isfinite(values).any():
            sidecar = {**kind.sidecar(first=first, second=second), **common}
            writer.write_map(one.subject, maps.COMPARISON, kind.stat, values, one.space, sidecar)


def _record(comparison: Comparison, out: Path, started: datetime) -> dict[str, object]:
    """How the comparison came about: results by their manifests, models, options."""
    inputs = {}
    for side in comparison.sides:
        manifest = side.path / MANIFEST
        if manifest.is_file():
            inputs[portable_path(manifest.resolve(), out.resolve().parent)] = sha256(manifest)
    record = provenance(inputs, seed=0, started=started)
    record["compared"] = [
        {"name": side.name, "model": side.model, "results": portable_path(side.path.resolve(), out.resolve().parent)}
        for side in comparison.sides
    ]
    return record
