"""Caption features by hashed words and word pairs, and the caption table of ds003720."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError

logger = logging.getLogger(__name__)

KNOWN_TYPOS = {"disco.000011_15s": "disco.00011_15s"}
"""Misspelt identifiers of the published table, with the correct ones."""
N_FEATURES = 96
"""Dimensions of hashed captions."""


def caption_features(captions: Sequence[str], n_features: int = N_FEATURES) -> Float32:
    """Embed captions by signed hashing of their words and word pairs.

    Nothing is fitted or downloaded: the features of a caption depend on this caption alone.

    Parameters
    ----------
    captions : sequence of str
    n_features : int
        Number of dimensions; unrelated words share a dimension occasionally.

    Returns
    -------
    array of float32, shape (n_captions, n_features)
        Rows of unit length.

    Raises
    ------
    InputError
        If a caption has no word beside stop words such as *the* and *with*.

    Examples
    --------
    >>> a, b, c = caption_features(["a slow piano waltz", "slow piano, a waltz", "fast drums and loud guitars"])
    >>> bool(a @ b > 0.5 > a @ c)
    True
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    if not captions:
        return np.zeros((0, n_features), dtype=np.float32)

    hasher = HashingVectorizer(
        n_features=n_features,
        ngram_range=(1, 2),
        stop_words="english",
        strip_accents="unicode",
        alternate_sign=True,
        norm="l2",
        dtype=np.float32,
    )
    features: Float32 = hasher.transform(captions).toarray()
    for i in np.flatnonzero(~features.any(axis=1)).tolist():
        raise InputError("a caption consists of stop words", found=f"{captions[i]!r} at position {i}")
    return features


def read_captions(path: str | Path, wanted: Iterable[str] | None = None) -> dict[str, str]:
    """Read a caption table with the columns ``ID`` and ``DescEN``, separated by commas or tabs.

    A byte order mark and the misspelt identifier of the published table are accepted; the identifier is logged.

    Parameters
    ----------
    path : path
    wanted : iterable of str, optional
        Required identifiers.

    Returns
    -------
    dict of str to str
        Caption of each identifier, in the order of the file.

    Raises
    ------
    InputError
        If the file or a column is missing, an identifier occurs twice, or a caption is empty or missing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("caption table not found", file=path, fix="fetch the table, or leave the text features out")
    captions: dict[str, str] = {}
    for line, (identifier, caption) in _rows(path):
        name = KNOWN_TYPOS.get(identifier, identifier)
        if name != identifier:
            logger.warning("%s line %d: %s read as %s", path, line, identifier, name)
        if name in captions:
            raise InputError("a caption id occurs twice", file=path, found=f"{name} (line {line})", fix="keep one")
        if not caption:
            raise InputError("a caption is empty", file=path, found=f"{name} (line {line})", expected="English text")
        captions[name] = caption
    missing = sorted(set(wanted or ()) - captions.keys())
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(
            "captions are missing",
            file=path,
            found=f"none for {', '.join(missing[:5])}{more}",
            expected="one row per clip, ID like blues.00017_15s",
            fix="add the rows, or leave these clips out",
        )
    return captions


def _rows(path: Path) -> Iterable[tuple[int, tuple[str, str]]]:
    """Line number, identifier and caption of every row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("caption table is not UTF-8", file=path, found=str(error), fix="save it as UTF-8") from error
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ",")
    if not {"ID", "DescEN"} <= set(reader.fieldnames or ()):
        raise InputError("caption table lacks a column", file=path, found=header.strip(), expected="ID,DescEN")
    for row in reader:
        yield reader.line_num, ((row["ID"] or "").strip(), (row["DescEN"] or "").strip())
