"""Files of the study: BIDS as published, derivatives as fMRIPrep names them, stimuli as in GTZAN."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData
from numpy.typing import NDArray

from b2m_encoding.phantom.brain import cortex
from b2m_encoding.phantom.design import CLIP_SECONDS, TR, Run
from b2m_encoding.spaces.meshes import HEMISPHERES

NAME = "SIMULATED Music Genre study (b2m_encoding phantom)"
README = f"""{NAME}

Nobody was scanned: sounds, captions and BOLD were made by a program, in the layout of OpenNeuro ds003720.
bids/           events and sidecars; derivatives/phantom holds BOLD on fsaverage5
stimuli/        synthesised tracks (22,050 Hz, mono) and captions
truth/          what drives each vertex, and how strongly
The raw BOLD images that the sidecars would describe do not exist. The first clip of each run is to be discarded.
"""


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def write_headers(out: Path, derivatives: Path) -> None:
    """Descriptions of both data sets and the READMEs; every one says that this is simulated."""
    write_json(out / "bids" / "dataset_description.json", {"Name": NAME, "BIDSVersion": "1.8.0", "License": "CC0"})
    write_json(
        derivatives / "dataset_description.json",
        {
            "Name": f"{NAME}: BOLD on the surface",
            "BIDSVersion": "1.8.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "b2m_encoding.phantom", "Description": "Simulated, not preprocessed"}],
        },
    )
    for folder in (out, out / "bids", out / "stimuli", out / "truth"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README").write_text(README, encoding="utf-8")


def write_events(folder: Path, subject: str, run: Run) -> None:
    """Event table in the published style (quoted genre, CRLF, no newline at the end) and its sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    step = int(CLIP_SECONDS)
    rows = ["onset duration genre track start end".replace(" ", "\t")]
    rows += [
        f"{i * step}\t{step}\t'{clip.genre}'\t{clip.number}\t{clip.start:g}\t{clip.start + CLIP_SECONDS:g}"
        for i, clip in enumerate(run.clips)
    ]
    stem = f"sub-{subject}_{run.label}"
    (folder / f"{stem}_events.tsv").write_bytes("\r\n".join(rows).encode())
    write_json(folder / f"{stem}_bold.json", {"RepetitionTime": TR, "TaskName": run.task, "Simulated": True})


def write_captions(path: Path, captions: Mapping[str, str]) -> None:
    """Caption table with a byte order mark, as published."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["ID,DescEN", *(f'{name},"{text}"' for name, text in sorted(captions.items()))]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-8-sig"))


def write_bold(folder: Path, subject: str, run: Run, bold: NDArray[np.float32]) -> None:
    """Both hemispheres of one run as GIfTI, one array per volume."""
    folder.mkdir(parents=True, exist_ok=True)
    space, _ = cortex()
    for hemi in HEMISPHERES:
        stem = f"sub-{subject}_{run.label}_hemi-{hemi}_space-{space.name}_bold"
        _save_gifti(folder / f"{stem}.func.gii", np.ascontiguousarray(bold[:, space.hemisphere(hemi)]), hemi)
        write_json(folder / f"{stem}.json", {"RepetitionTime": TR, "TaskName": run.task, "Simulated": True})


def _save_gifti(path: Path, volumes: Sequence[NDArray[np.float32]] | NDArray[np.float32], hemi: str) -> None:
    """Uncompressed base64: noise hardly shrinks, and reads ten times as fast."""
    structure = {"L": "CortexLeft", "R": "CortexRight"}[hemi]
    arrays = [
        GiftiDataArray(
            volume,
            intent="NIFTI_INTENT_TIME_SERIES",
            datatype="NIFTI_TYPE_FLOAT32",
            encoding="GIFTI_ENCODING_B64BIN",
            meta=GiftiMetaData({"TimeStep": f"{1000 * TR:.1f}"}),
        )
        for volume in volumes
    ]
    meta = GiftiMetaData({"AnatomicalStructurePrimary": structure, "Description": "simulated BOLD"})
    nib.save(GiftiImage(darrays=arrays, meta=meta), path)
