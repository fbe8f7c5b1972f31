"""Mutated tables, sidecars, images and sounds: each is read as an independent reader reads it, or refused as an input.

``python -m tests.data.mutations 3000`` tries so many, and prints what went wrong.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import soundfile
from nibabel.gifti import GiftiDataArray, GiftiImage

from b2m_encoding.data.entities import BidsFile
from b2m_encoding.data.events import read_events
from b2m_encoding.data.sidecars import repetition_time, start_time
from b2m_encoding.data.surface import open_gifti
from b2m_encoding.data.volume import open_volumes
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import decode_audio
from b2m_encoding.spaces import surface_space
from b2m_encoding.spaces.volume import VolumeSpace

Rng = np.random.Generator
LABELS = ("speech", "music and noise", "größe", "None", "1.5", "a'b", "x, y")
V = 10242


def damaged(content: bytes, rng: Rng, most: int = 3) -> bytes:
    """Content with a few bytes changed, left out, put in, or cut off."""
    out = bytearray(content)
    for _ in range(int(rng.integers(1, most + 1))):
        place = int(rng.integers(0, max(len(out), 1)))
        kind = rng.integers(0, 6)
        if kind == 0 and out:
            out[place % len(out)] = int(rng.integers(0, 256))
        elif kind == 1 and out:
            del out[place % len(out)]
        elif kind == 2:
            out[place:place] = bytes(rng.integers(0, 256, int(rng.integers(1, 4))).astype(np.uint8))
        elif kind == 3:
            out[place : place + int(rng.integers(1, 20))] = b""
        elif kind == 4:
            del out[len(out) - int(rng.integers(0, 1 + len(out) // 2)) :]
        elif out:
            out[place % len(out)] ^= 1 << int(rng.integers(0, 8))
    return bytes(out)


def table(folder: Path, rng: Rng) -> str | None:
    """Events as some program writes them; then perhaps damaged, which the plain reader of lines must agree on."""
    rows = [
        (round(float(rng.uniform(0, 99)), 3), round(float(rng.uniform(0, 5)), 2), str(rng.choice(LABELS)))
        for _ in range(5)
    ]
    separator = str(rng.choice(["\t", ";", ","]))
    comma = separator != "," and bool(rng.integers(0, 2))
    quote = '"' if separator == "," or rng.integers(0, 2) else ""

    def cell(value: object) -> str:
        text = str(value).replace(".", ",") if comma and isinstance(value, float) else str(value)
        return f"{quote}{text}{quote}" if isinstance(value, str) else f"{' ' * int(rng.integers(0, 3))}{text}"

    lines = [separator.join(cell(name) for name in ("onset", "duration", "trial_type"))]
    lines += [separator.join(map(cell, row)) for row in rows]
    if rng.integers(0, 4) == 0:
        lines.insert(0, "# a comment")
    text = str(rng.choice(["\n", "\r\n", "\r"])).join(lines)
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    content, whole = text.encode(encoding), bool(rng.integers(0, 2))
    path = folder / "events.tsv"
    path.write_bytes(content if whole else damaged(content, rng))
    try:
        found = read_events(path)
    except InputError as error:
        return f"refused: {error}" if whole else None
    if whole:
        expected = [(onset, duration, label.strip("'\"")) for onset, duration, label in rows]
        seen = list(zip(found["onset"], found["duration"], found["trial_type"], strict=True))
        return None if seen == expected else f"{seen} for {expected}"
    return _same_lines(path.read_bytes(), encoding, separator, found["onset"].tolist())


def _same_lines(content: bytes, encoding: str, separator: str, onsets: list[float]) -> str | None:
    """Compare onsets with those of lines that are split at the separator, where that is a table."""
    try:
        lines = [
            line.split(separator) for line in content.decode(encoding).splitlines() if line.strip() and line[0] != "#"
        ]
        place = [name.strip().strip('"') for name in lines[0]].index("onset")
        if len({len(line) for line in lines}) > 1 or any(
            '"' in field.strip()[1:-1] for line in lines for field in line
        ):
            return None
        expected = [float(line[place].strip().strip('"').replace(",", ".")) for line in lines[1:]]
    except (ValueError, IndexError, UnicodeError):
        return None
    return None if onsets == expected else f"onsets {onsets} for {expected} in {content!r}"


def sidecar(folder: Path, rng: Rng) -> str | None:
    """A sidecar whose values or bytes are changed: the number of JSON, or an error."""
    values = [2.0, 2, "2.0", None, 0, -1, 2000, [2.0], True, 1e400, 0.1, {"a": 1}]
    content = {"RepetitionTime": values[int(rng.integers(0, len(values)))], "StartTime": float(rng.uniform(-1, 3))}
    raw = json.dumps({key: value for key, value in content.items() if rng.integers(0, 5)}).encode()
    func = folder / "sub-01" / "func"
    func.mkdir(parents=True, exist_ok=True)
    path = func / "sub-01_task-x_bold.json"
    path.write_bytes(raw if rng.integers(0, 2) else damaged(raw, rng))
    beside = folder / "derived" / "sub-01_task-x_space-T1w_desc-preproc_bold.json"
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(path.read_bytes())
    file = BidsFile.parse(beside.with_suffix(".nii.gz"))
    try:
        found = repetition_time(folder, file, None)
        begun = start_time(folder, file, None, found)
    except InputError:
        return None
    try:
        stated = json.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        stated = json.loads(path.read_text("latin-1"))
    if found != float(stated["RepetitionTime"]) or isinstance(stated["RepetitionTime"], bool):
        return f"{found} s for {stated}"
    wanted = stated.get("StartTime")
    return None if begun == (None if wanted is None else float(wanted)) else f"begin {begun} for {stated}"


def volume(folder: Path, rng: Rng) -> str | None:
    """A NIfTI image whose header or data are changed: what nibabel reads, or an error."""
    affine = np.diag([2.0, 2, 2, 1])
    image = nib.Nifti1Image(rng.integers(0, 99, (3, 4, 2, 5)).astype(np.int16), affine)
    image.header.set_zooms((2, 2, 2, 2.0))
    content = image.to_bytes()
    head = damaged(content[:348], rng) if rng.integers(0, 2) else content[:348]
    raw = head + (content[348:] if rng.integers(0, 2) else damaged(content[348:], rng))
    path = folder / ("bold.nii.gz" if rng.integers(0, 2) else "bold.nii")
    path.write_bytes(gzip.compress(raw, 1) if path.suffix == ".gz" else raw)
    space = VolumeSpace(np.ones((3, 4, 2), dtype=bool), affine)
    try:
        opened = open_volumes(path, space)
        found = opened.read()
    except InputError:
        return None
    expected = np.asarray(nib.load(path).dataobj, dtype=np.float32).reshape(24, -1, order="C").T
    return (
        None if np.array_equal(found, expected, equal_nan=True) and opened.n_samples == len(found) else "other values"
    )


def surface(folder: Path, rng: Rng) -> str | None:
    """A GIfTI series whose bytes are changed: what nibabel reads, or an error."""
    space = surface_space("fsaverage5")
    for hemi in "LR":
        values = rng.standard_normal((2, V)).astype(np.float32)
        arrays = [
            GiftiDataArray(row, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32") for row in values
        ]
        content = GiftiImage(darrays=arrays).to_bytes()
        place = int(rng.integers(0, 2))
        cut = content.find(b"<Data>")
        content = damaged(content[:cut], rng) + content[cut:] if place == 0 and hemi == "L" else content
        content = damaged(content, rng) if place == 1 and hemi == "L" else content
        (folder / f"hemi-{hemi}.func.gii").write_bytes(content)
    left = folder / "hemi-L.func.gii"
    try:
        opened = open_gifti(left, folder / "hemi-R.func.gii", space)
        found = opened.read()
    except InputError:
        return None
    expected = np.stack([np.asarray(one.data, dtype=np.float32).ravel() for one in nib.load(left).darrays])
    same = expected.shape == (len(found), V) and np.array_equal(found[:, :V], expected, equal_nan=True)
    return None if same else f"shape {found.shape} for {expected.shape}, or other values"


def sound(folder: Path, rng: Rng) -> str | None:
    """A sound file whose bytes are changed: what libsndfile decodes, or an error."""
    kind = str(rng.choice(["WAV", "FLAC", "MP3", "OGG", "AU", "AIFF"]))
    stream = io.BytesIO()
    soundfile.write(stream, 0.1 * rng.standard_normal((4000, int(rng.integers(1, 3)))), 8000, format=kind)
    content = stream.getvalue()
    head = int(rng.integers(20, 200))
    raw = damaged(content[:head], rng) + content[head:] if rng.integers(0, 2) else damaged(content, rng)
    path = folder / f"sound.{kind.lower()}"
    path.write_bytes(raw)
    try:
        wave, rate = decode_audio(path)
    except InputError:
        return None
    expected, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    same = rate == own_rate and np.array_equal(wave, expected.mean(axis=1, dtype=np.float32))
    return None if same and np.isfinite(wave).all() else "other samples"


KINDS: dict[str, Callable[[Path, Rng], str | None]] = {
    "table": table, "sidecar": sidecar, "volume": volume, "surface": surface, "sound": sound,
}  # fmt: skip


def attempt(kind: str, seed: int, folder: Path) -> str | None:
    """One mutation; what went wrong with it, or None."""
    place = folder / f"{kind}-{seed}"
    place.mkdir()
    try:
        return KINDS[kind](place, np.random.default_rng(seed))
    except Exception:
        return traceback.format_exc()


def main(number: int) -> int:
    """Try so many mutations; the number of those that went wrong."""
    wrong = 0
    for seed in range(number):
        kind = list(KINDS)[seed % len(KINDS)]
        with tempfile.TemporaryDirectory() as folder:
            if (found := attempt(kind, seed, Path(folder))) is not None:
                wrong += 1
                print(f"{kind} {seed}: {found}")
    print(f"{number} mutations, {wrong} went wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
