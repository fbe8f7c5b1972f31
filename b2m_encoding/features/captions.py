"""Caption features by hashed words and word pairs, and tables of captions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.io.names import first_of
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import read_text_table

logger = logging.getLogger(__name__)

IDENTIFIERS, TEXTS = ("ID", "stim_file", "stimulus", "file", "clip"), ("DescEN", "caption", "text", "description")
"""Names of the columns of a caption table."""
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


def caption_words(captions: Sequence[str], fewest: int = 3) -> tuple[tuple[str, ...], Float32]:
    """Find which words each caption contains, without stop words.

    Parameters
    ----------
    captions : sequence of str
    fewest : int
        Captions that must contain a word, and captions that must not.

    Returns
    -------
    words : tuple of str
        In alphabetical order.
    there : array of float32, shape (n_captions, n_words)
        1 where a caption contains the word, else 0.

    Examples
    --------
    >>> words, there = caption_words(["slow piano", "a slow waltz", "loud guitars", "loud drums"], fewest=2)
    >>> words, there.tolist()
    (('loud', 'slow'), [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, stop_words="english", strip_accents="unicode", dtype=np.float32)
    try:
        there = counter.fit_transform(captions).toarray()
    except ValueError:  # no word at all
        return (), np.zeros((len(captions), 0), dtype=np.float32)
    found = there.sum(axis=0)
    kept = np.flatnonzero((found >= fewest) & (found <= len(captions) - fewest))
    return tuple(counter.get_feature_names_out()[kept].tolist()), there[:, kept]


def read_captions(path: str | Path, wanted: Iterable[str] | None = None) -> dict[str, str]:
    """Read a table of captions: a column of identifiers, and one of texts.

    Identifiers stand in ``ID``, ``stim_file``, ``stimulus``, ``file`` or ``clip``, texts in ``DescEN``, ``caption``,
    ``text`` or ``description``. Any separator of fields does. The misspelt identifier of the published table is
    accepted and logged.

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
    if not path.exists() and not path.is_symlink():
        raise InputError("caption table not found", file=path, fix="fetch the table, or leave the text features out")
    require_file(path, "a caption table", folder=False)
    captions: dict[str, str] = {}
    for line, (identifier, caption) in enumerate(_rows(path), start=2):
        name = KNOWN_TYPOS.get(identifier, identifier)
        if name != identifier:
            logger.warning("%s line %d: %s read as %s", path, line, identifier, name)
        if name in captions:
            raise InputError("a caption id occurs twice", file=path, found=f"{name} (line {line})", fix="keep one")
        if not caption:
            raise InputError("a caption is empty", file=path, found=f"{name} (line {line})", expected="English text")
        captions[name] = caption
    check_captions(path, [one for one in wanted or () if one not in captions])
    return captions


def check_captions(path: Path, missing: Iterable[str]) -> None:
    """Raise if captions are missing."""
    if missing := sorted(set(missing)):
        raise InputError(
            "captions are missing",
            file=path,
            found=f"none for {first_of(missing, 5)}",
            expected="one row per clip: its file as in the events, its name, or its name and length (blues.00017_15s)",
            fix="add the rows, or leave these clips out",
        )


def _rows(path: Path) -> list[tuple[str, str]]:
    """Identifier and caption of every row."""
    table = read_text_table(path, "a caption table")
    columns = [
        next((name for wanted in kind for name in table.header if name.lower() == wanted.lower()), None)
        for kind in (IDENTIFIERS, TEXTS)
    ]
    if None in columns:
        raise InputError(
            "caption table lacks a column",
            file=path,
            found=", ".join(table.header),
            expected=f"one of {', '.join(IDENTIFIERS)}, and one of {', '.join(TEXTS)}",
        )
    identifiers, texts = (table.column(str(name)) for name in columns)
    return list(zip(identifiers, texts, strict=True))
