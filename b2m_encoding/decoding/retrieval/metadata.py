"""Metadata of recordings: titles, artists, genres and licences, from tables of FMA or others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.text_tables import read_text_table

COLUMNS = ("title", "artist", "genre", "licence")
FMA = "tracks.csv"
FMA_COLUMNS = {
    ("track", "title"): "title",
    ("artist", "name"): "artist",
    ("track", "genre_top"): "genre",
    ("track", "license"): "licence",
}


def describe_recordings(files: Sequence[str], audio: str | Path, metadata: str | Path | None = None) -> pd.DataFrame:
    """Title, artist, genre and licence of recordings.

    Parameters
    ----------
    files : sequence of str
        Paths below the folder.
    audio : Path
        The folder. Without a table, the outermost folder below it is the genre, as in GTZAN.
    metadata : Path, optional
        ``tracks.csv`` of FMA (by default that beside the recordings, or in ``fma_metadata`` beside their folder), or a
        table (csv, tsv) with a column ``path`` and any of the columns of the result.

    Returns
    -------
    DataFrame
        One row per file, the file as index; empty texts where unknown.

    Raises
    ------
    InputError
        If the table cannot be read, or lacks columns.
    """
    audio = Path(audio)
    metadata = None if metadata is None else Path(metadata)
    described = pd.DataFrame("", index=list(files), columns=list(COLUMNS))
    path = metadata or next((place for place in _usual_places(audio) if place.is_file()), None)
    if path is None:
        described["genre"] = [_outer_folder(name) for name in files]
        return described
    table = _fma(path, files) if path.name == FMA else _table(path, files)
    described.update(table[~table.index.duplicated()].reindex(columns=list(COLUMNS)))
    return described.map(lambda cell: " ".join(str(cell).split()))


def _usual_places(audio: Path) -> tuple[Path, ...]:
    return (audio / FMA, audio / "fma_metadata" / FMA, audio.parent / "fma_metadata" / FMA)


def _outer_folder(name: str) -> str:
    outer, slash, _ = name.partition("/")
    return outer if slash and not outer.isdigit() else ""


def _fma(path: Path, files: Sequence[str]) -> pd.DataFrame:
    """Table of FMA, with two lines of headers and a row per track number."""
    try:
        table = pd.read_csv(path, index_col=0, header=[0, 1], dtype=str, low_memory=False)
        table = table[list(FMA_COLUMNS)]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            "not the table of FMA", file=path, found=error, expected="tracks.csv of fma_metadata"
        ) from error
    table.columns = [FMA_COLUMNS[key] for key in FMA_COLUMNS]
    table = table[[str(number).isdigit() for number in table.index]]
    table.index = table.index.astype(int)
    numbered = {name: int(stem) for name in files if (stem := Path(name).stem).isdigit()}
    described = table[~table.index.duplicated()].reindex(list(numbered.values()))
    described.index = pd.Index(list(numbered))
    _tell_unmatched(path, len(set(table.index) - set(numbered.values())), len(table))
    return described.dropna(how="all")


def _tell_unmatched(path: Path, unmatched: int, rows: int) -> None:
    if unmatched:
        notice(f"{path}: {unmatched} of {rows} rows describe no recording of the corpus")


def _table(path: Path, files: Sequence[str]) -> pd.DataFrame:
    try:
        rows = read_text_table(path, "the table of the recordings", ("path",))
    except OSError as error:
        raise InputError("the table of the recordings cannot be read", file=path, found=error) from error
    if not rows.header:
        raise InputError("the table of the recordings cannot be read", file=path, found="an empty file")
    table = pd.DataFrame(rows.rows, columns=list(rows.header), dtype=object)
    if "path" not in table:
        raise InputError(
            "the table of the recordings lacks a column", file=path, found=list(table), expected=["path", *COLUMNS]
        )
    table["path"] = [str(name).replace("\\", "/").removeprefix("./") for name in table["path"]]
    _tell_unmatched(path, len(set(table["path"]) - set(files)), len(table))
    return table.set_index("path")
