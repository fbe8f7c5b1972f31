"""Results as a BIDS derivative: every map in ``sub-*/func``, its entities in the order of the standard."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from b2m_encoding import __version__
from b2m_encoding.errors import InputError
from b2m_encoding.io.removal import move, temporary_folder
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.results.browse import ReadResults
from b2m_encoding.results.place import GENERATOR
from b2m_encoding.results.schema.files import BIDS_IGNORE, DESCRIPTION, GROUP, JOINT, MAP_FILE, README, REPORT, entity

NAME = "{subject}{hemi}_space-{space}_stat-{stat}_desc-{desc}_statmap{suffix}"
"""``desc`` comes last in BIDS; ``stat`` and ``statmap`` are those of BIDS Stats Models."""
DESCRIPTIONS = "descriptions.tsv"
TEMPLATES = ("fsaverage", "fsLR", "MNI", "ICBM", "UNC", "onavg", "OASIS", "NKI", "Pediatric", "WHS")
"""Beginnings of the names of spaces that BIDS knows; any other needs a reference."""
IGNORED = "# Statistical maps are no part of BIDS yet.\n*_statmap.*\n/group\n"
ABOUT = f"""\
Maps of an analysis by b2m_encoding {__version__}: {{name}}

sub-*/func holds a map of every model (desc) and statistic (stat), described by the JSON file beside it; {DESCRIPTIONS}
lists the models, group holds what was computed over all participants. Tables, weights and figures stayed in the
results, whose {REPORT} describes methods and findings.
"""


def to_bids(results: ReadResults, out: str | Path, subjects: Sequence[str] = ()) -> Path:
    """Write the maps of results as a data set of BIDS derivatives.

    Parameters
    ----------
    results : Results
    out : path
        A new folder; it appears complete or not at all.
    subjects : sequence of str
        Only these, without maps of the group; all by default.

    Returns
    -------
    Path
        The folder: ``dataset_description.json``, ``descriptions.tsv`` and
        ``sub-01/func/sub-01_hemi-L_space-fsaverage5_stat-r_desc-joint_statmap.func.gii`` with its JSON, or the image or
        table of another space. Maps of all subjects lie in ``group``.

    Raises
    ------
    InputError
        If the folder exists or cannot be written, a subject is unknown, or a map is damaged.
    """
    target = Path(out).expanduser().absolute()
    if target.exists():
        raise InputError("the folder of the derivative exists", file=target, fix="name a new one")
    if unknown := sorted({one.removeprefix("sub-") for one in subjects} - set(results.subjects)):
        raise InputError("the results hold no such subject", found=unknown, expected=", ".join(results.subjects))
    wanted = {one.removeprefix("sub-") for one in subjects} or {*results.subjects, GROUP}
    failed = reported_as_input_error("the derivative cannot be written", target)
    with failed, temporary_folder(target) as partial:
        described = set()
        for subject, desc, stat in results.files:
            if subject in wanted:
                _copy_map(results, partial, subject, desc, stat)
                described.add(desc)
        (partial / DESCRIPTION).write_text(_json(_description(results)), encoding="utf-8")
        (partial / DESCRIPTIONS).write_text(tsv(_descriptions(results, sorted(described))), encoding="utf-8")
        (partial / BIDS_IGNORE).write_text(IGNORED, encoding="utf-8")
        (partial / README).write_text(ABOUT.format(name=results.study.get("name", "")), encoding="utf-8")
        move(partial, target)
    return target


def _copy_map(results: ReadResults, folder: Path, subject: str, desc: str, stat: str) -> None:
    """Copy the files of a map under their names in BIDS, each with its description."""
    paths = results.map_files(subject, desc, stat)
    results.check(*paths)
    match = MAP_FILE.match(paths[0].name)
    assert match is not None
    space = match["space"]
    whose = GROUP if subject == GROUP else f"sub-{subject}"
    place = folder / whose if subject == GROUP else folder / whose / "func"
    place.mkdir(parents=True, exist_ok=True)
    about = dict(results.sidecar(subject, desc, stat))
    if paths[0].suffix != ".tsv" and not space.startswith(TEMPLATES):
        about.setdefault("SpatialReference", "orig")  # the space of the subject itself
    for path in paths:
        hemi = next((f"_hemi-{one}" for one in "LR" if f"_hemi-{one}_" in path.name), "")
        suffix = path.name[path.name.index("_statmap") + len("_statmap") :]
        name = NAME.format(
            subject=whose,
            hemi=hemi,
            space=_space_label(space),
            stat=_label(stat),
            desc=_label(desc),
            suffix=suffix,
        )
        if (place / name).exists():
            fix = "rename one of them in study.toml: labels of BIDS hold Latin letters and digits alone"
            raise InputError("two maps would have the same name in BIDS", file=path, found=name, fix=fix)
        shutil.copyfile(path, place / name)
        (place / f"{name.split('.')[0]}.json").write_text(_json(about), encoding="utf-8")


def _space_label(name: str) -> str:
    """Label of a space, with the entities that its name has (``fsLR_den-91k``).

    Examples
    --------
    >>> _space_label("fsLR_den-91k"), _space_label("my T1w")
    ('fsLR_den-91k', 'myT1w')
    """
    label, *others = name.split("_")
    known = all(re.fullmatch(r"(den|res)-[a-zA-Z0-9]+", one) for one in others)
    return "_".join([_label(label), *others]) if known else _label(name)


def _label(text: str) -> str:
    """Letters and digits, which alone make a label of BIDS."""
    return "".join(one for one in entity(text) if one.isascii() and one.isalnum()) or "unnamed"


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _description(results: ReadResults) -> dict[str, Any]:
    """``dataset_description.json``, with the sources that the results name."""
    own = results.json(DESCRIPTION)
    return {
        "Name": f"{own.get('Name') or results.study.get('name') or 'study'}: maps",
        "BIDSVersion": own.get("BIDSVersion", "1.10.0"),
        "DatasetType": "derivative",
        "GeneratedBy": [*own.get("GeneratedBy", []), {"Name": f"{GENERATOR} to_bids", "Version": __version__}],
        **({"SourceDatasets": own["SourceDatasets"]} if own.get("SourceDatasets") else {}),
    }


def _descriptions(results: ReadResults, descs: Sequence[str]) -> pd.DataFrame:
    """What every ``desc`` stands for."""
    names = results.feature_spaces
    known = {
        "_".join(some): f"feature spaces {', '.join(some)}" for k in range(2, len(names) + 1)
        for some in combinations(names, k) if k <= 3
    } | {name: f"feature space {name}" for name in names} | {JOINT: "model of all feature spaces"}  # fmt: skip
    texts = {entity(name): text for name, text in known.items()}
    rows = [(f"desc-{_label(desc)}", texts.get(desc, f"{desc}; see the description of its maps")) for desc in descs]
    return pd.DataFrame(rows, columns=["desc_id", "description"])
