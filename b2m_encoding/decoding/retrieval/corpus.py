"""Corpus of recordings to retrieve from: vectors as a memory map, a table of metadata, a record of the embedding."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.data.clips import CONTAINERS, SOUND_ENDINGS
from b2m_encoding.decoding.retrieval.places import find_places
from b2m_encoding.errors import InputError
from b2m_encoding.features.coarse_prints import possible_copies
from b2m_encoding.features.sound_copies import are_copies, sound_hash
from b2m_encoding.io.hashes import require_regular
from b2m_encoding.io.parsing import parse_json

AUDIO = tuple(f".{ending}" for ending in (*SOUND_ENDINGS, *CONTAINERS))
"""Suffixes of recordings, in small letters: those that are read, and containers, which are listed as left out."""
EMBEDDINGS, PRINTS, CLIPS, SKIPPED, RECORD = "embeddings.npy", "prints.npy", "clips.tsv", "skipped.tsv", "corpus.json"
CERTAIN = 0.85
"""Correlation of coarse prints that alone makes a copy; below it, the files themselves are compared."""
NEEDED = ("table", "clips", "dimensions", "skipped", "software", "centre", "spread")
logger = logging.getLogger(__name__)
Half = NDArray[np.float16]


class Vectors:
    """Rows of an array on disk, mapped only while they are in use, so that memory does not grow with the file.

    Parameters
    ----------
    path : Path
        A ``.npy`` file of half precision, shape (n_clips, n_dimensions).

    Raises
    ------
    InputError
        If it is missing, damaged, or another kind of array.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.eye(3, 2, dtype=np.float16))
    ...     Vectors(Path(folder, "a.npy"))[1:3].tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            require_regular(path)
            whole = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError("the vectors of a corpus cannot be read", file=path, found=error) from error
        fits = isinstance(whole, np.memmap) and whole.dtype == np.float16 and whole.ndim == 2 and whole.size
        if not fits or not whole.flags.c_contiguous:
            found = f"{whole.dtype} {whole.shape}" if isinstance(whole, np.ndarray) else type(whole).__name__
            raise InputError("not the vectors of a corpus", file=path, found=found, expected="float16, (n_clips, n)")
        self.shape: tuple[int, int] = (int(whole.shape[0]), int(whole.shape[1]))
        self._offset = int(whole.offset)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> Half:
        """Rows of a slice, as a private map of the file that torch may take without a copy; or of an array, copied."""
        if not isinstance(rows, slice):
            return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[rows])
        start, stop, _ = rows.indices(len(self))
        shape = (max(stop - start, 0), self.shape[1])
        if shape[0] == 0:
            return np.empty(shape, dtype=np.float16)
        return np.memmap(self.path, np.float16, "c", self._offset + 2 * start * shape[1], shape)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Recordings with their vectors. Build one with :func:`~b2m_encoding.decoding.retrieval.build.build_corpus`.

    Parameters
    ----------
    folder : Path
    record : mapping
        Embedding space with its weights, windows, seconds, preparation, number of clips, the folder of the audio.
    audio : Path
        Folder to which the paths of the table are relative.
    """

    folder: Path
    record: Mapping[str, Any]
    audio: Path

    @classmethod
    def open(cls, folder: str | Path, audio: str | Path | None = None) -> Corpus:
        """Open a corpus.

        Parameters
        ----------
        folder : path
        audio : path, optional
            Folder of the recordings, if they have been moved.

        Raises
        ------
        InputError
            If the folder is no corpus, the corpus is not complete, or its parts do not fit together.
        """
        folder = Path(folder)
        if not (folder / RECORD).is_file():
            raise InputError(
                "no corpus here, or one that is not complete",
                file=folder,
                expected=f"a folder with {RECORD} in it",
                fix="b2m corpus build DIR --model NAME makes one, and goes on where it stopped",
            )
        try:
            record = parse_json((folder / RECORD).read_text(encoding="utf-8"))
            _ = record["audio"], record["space"]["options"]
            if missing := [key for key in NEEDED if key not in record]:
                raise ValueError(f"without {', '.join(missing)}")
            record, root = find_places(folder, record)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                "the record of a corpus is damaged or cannot be read",
                file=folder / RECORD,
                found=error,
                fix=None if isinstance(error, OSError) else "build it again",
            ) from error
        corpus = cls(folder, record, Path(audio) if audio is not None else root)
        if not len(corpus.vectors) == len(corpus.table) == record["clips"]:
            found = f"{len(corpus.vectors)} vectors, {len(corpus.table)} rows, {record['clips']} clips"
            raise InputError(
                "the parts of a corpus do not fit together", file=folder, found=found, fix="build it again"
            )
        return corpus

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def name(self) -> str:
        """Name for display."""
        return str(self.record.get("name", self.folder.name))

    @cached_property
    def key(self) -> str:
        """Hash of the recordings and of how they were prepared, equal in every feature space; not of name or place."""
        columns = [name for name in ("clip", "sound") if name in self.table]
        prepared = [repr(self.record["space"].get(name)) for name in ("seconds", "fade", "rms")]
        rows = sorted("\t".join(row) for row in self.table[columns].to_numpy().tolist())
        return hashlib.sha256("\n".join([*prepared, *rows]).encode()).hexdigest()[:12]

    @cached_property
    def vectors(self) -> Vectors:
        """Vectors of the clips in units of the feature space, shape (n_clips, n_dimensions)."""
        return Vectors(self.folder / EMBEDDINGS)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per clip: ``clip``, ``path``, ``seconds``, ``sound``, title, artist, genre, licence; "" if unknown.

        ``sound`` is a hash of the samples, equal for copies.
        """
        path = self.folder / CLIPS
        try:
            require_regular(path)
            table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
            table["seconds"] = table["seconds"].astype(float)
            _ = table["clip"], table["path"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError("the table of a corpus is damaged", file=path, found=error) from error
        return table

    @cached_property
    def centre(self) -> NDArray[np.float32]:
        """Mean of the vectors."""
        return np.asarray(self.record["centre"], dtype=np.float32)

    @cached_property
    def spread(self) -> NDArray[np.float32]:
        """Standard deviation of the vectors in every dimension."""
        return np.asarray(self.record["spread"], dtype=np.float32)

    def path(self, row: int) -> Path:
        """File of the recording in a row."""
        return self.audio / str(self.table["path"].iloc[row])

    def mask(self, names: Iterable[str], *, report: bool = True) -> NDArray[np.bool_]:
        """Mask of the clips with one of these names: the name in the corpus, or the name of the file without suffix.

        Parameters
        ----------
        names : iterable of str
            ``blues.00017``, ``blues/blues.00017``, ``blues.00017.wav``, ``blues.00017_15s`` or ``blues.00017@30``.
        report : bool
            Whether names that match nothing are logged.

        Returns
        -------
        array of bool, shape (n_clips,)
        """
        bare = {name.strip(): _bare(name.strip()) for name in names if name.strip()}
        wanted, own = set(bare.values()), [_bare(str(clip)) for clip in self.table["clip"]]
        if report and (unknown := sorted(name for name, one in bare.items() if one not in set(own))):
            logger.warning(
                "%d of %d names to leave out match no recording of the corpus: %s",
                len(unknown),
                len(bare),
                ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else ""),
            )
        return np.array([one in wanted for one in own], dtype=bool)

    def mask_sounds(self, files: Iterable[Path]) -> NDArray[np.bool_]:
        """Mask of the recordings that are copies of one of some files, whatever they are called.

        Copies have the same samples, or the same sound in another format, at another level, or up to a second earlier
        or later. Beginnings are compared, as long as those that are embedded; files that cannot be decoded are passed
        over. A corpus of an earlier version has no fingerprints: equal samples alone are found.

        Parameters
        ----------
        files : iterable of Path

        Returns
        -------
        array of bool, shape (n_clips,)
        """
        known, seconds = list(files), float(self.record["space"]["seconds"])
        if "sound" not in self.table or not known:
            return np.zeros(len(self), dtype=bool)
        hashes = {sound_hash(path, seconds) for path in known} - {""}
        found = np.array([str(one) in hashes for one in self.table["sound"]], dtype=bool)
        prints = self._prints()
        for row, file, likeness in possible_copies(prints, known, seconds) if prints is not None else ():
            if not found[row]:
                own = self.path(row)  # not at hand where a corpus was moved without its recordings
                found[row] = likeness >= CERTAIN or (own.is_file() and are_copies(own, file))
        return found

    def _prints(self) -> NDArray[np.int8] | None:
        """Coarse prints of the recordings, mapped; None, with a warning, in a corpus of an earlier version."""
        path = self.folder / PRINTS
        if not path.is_file():
            logger.warning("%s: no fingerprints, only equal samples are found; build the corpus again", self.folder)
            return None
        try:
            prints = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError("the fingerprints of a corpus cannot be read", file=path, found=error) from error
        if prints.dtype != np.int8 or prints.ndim != 3 or len(prints) != len(self):
            found, expected = f"{prints.dtype} {prints.shape}", f"int8, ({len(self)}, n, 8)"
            raise InputError("not the fingerprints of this corpus", file=path, found=found, expected=expected)
        return np.asarray(prints)


def _bare(name: str) -> str:
    """Name of a recording without folder, suffix and the length that was cut from it."""
    last = re.sub(r"@\d+(\.\d+)?$", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    for ending in AUDIO:
        last = last[: -len(ending)] if last.lower().endswith(ending) else last
    stem, _, length = last.rpartition("_")
    return stem if stem and length.removesuffix("s").replace(".", "").isdigit() and length.endswith("s") else last
