"""Study files to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.io.writing import write_all
from b2m_encoding.workflow.templates.arrays import arrays_study, find_arrays
from b2m_encoding.workflow.templates.compose import caption_file, caption_table, study_text
from b2m_encoding.workflow.templates.hcp import hcp_study, is_hcp
from b2m_encoding.workflow.templates.survey import Survey, is_bids, survey
from b2m_encoding.workflow.templates.volumes import find_volumes, survey_volumes

FILES = {
    "musicgenre": {
        "study.toml": "musicgenre",
        "paper.toml": "musicgenre_paper",
        "decoding.toml": "musicgenre_decoding",
    }
}
"""Study files of each kind; one ``study.toml``, if it is not named."""


ABOUT = {
    "paper.toml": "the same data, as Brain2Music analysed them",
    "decoding.toml": "Table 2 of Brain2Music: decoding with open models",
}
"""What the other study files are for."""


def template(kind: str) -> str:
    """Text of a template: ``demo``, ``musicgenre`` (also ``_paper``, ``_decoding``), ``bids`` or ``arrays``."""
    return files(__name__).joinpath(f"{kind}.toml").read_text(encoding="utf-8")


def write_template(
    kind: str, folder: str | Path, out: str | Path | None = None, *, masks: bool = False
) -> dict[Path, str]:
    """Write study files; existing ones are never overwritten.

    Parameters
    ----------
    kind : {"musicgenre", "bids", "arrays"}
    folder : Path
        Where to write. A BIDS data set or folders of the HCP pipelines (kind ``bids``), and arrays or else NIfTI series
        with a mask (kind ``arrays``) are looked at: the study names what is there.
    out : Path, optional
        Where to write instead.
    masks : bool
        Whether to make masks of raw volumes, where nothing was preprocessed.

    Returns
    -------
    dict of Path to str
        What was written, and what it is for.

    Raises
    ------
    InputError
        If there is a study already, the folder cannot be written, or the data hold nothing to analyse.
    """
    folder = Path(folder)
    out = None if out is None else Path(out)
    target = out or folder
    if out is not None and not folder.is_dir():
        raise InputError("the folder of the data does not exist", file=folder, fix="name a folder that is there")
    if target.is_file():
        fix = f"name a folder, such as {target.parent / 'my_study'}"
        raise InputError("study.toml goes into a folder, and this is a file", file=target, fix=fix)
    about = {"study.toml": "the study: data, feature spaces, model, evaluation; every key is in the documentation"}
    found, data = _looked_at(kind, folder, target, masks)
    if found is not None:
        texts = {"study.toml": study_text(found, target, data)}
        for column, captions in (found.sounds.texts if found.sounds else {}).items():
            texts[caption_file(column)] = caption_table(captions)
            about[caption_file(column)] = f"texts of the sounds, from the column {column} of the events"
    elif kind == "bids" and is_hcp(folder):
        texts = {"study.toml": hcp_study(folder, target)}
    elif kind == "arrays" and (arrays := find_arrays(folder)):
        texts = {"study.toml": arrays_study(arrays, folder, target)}
    else:
        texts = {name: template(text) for name, text in FILES.get(kind, {"study.toml": kind}).items()}
    for name in texts:
        _check_new(target / name)
    try:
        write_all({target / name: text for name, text in texts.items()}, "cannot write the study file")
    except UnicodeEncodeError as error:
        raise InputError("cannot write the study file", file=target, found=error) from error
    made = {target / name: about.get(name, ABOUT.get(name, "a study")) for name in texts}
    if kind == "bids" and masks and (target / "masks").is_dir():
        made[target / "masks"] = "a brain mask of each subject, made of the raw volumes by nilearn: look at them"
    return made


def _looked_at(kind: str, folder: Path, target: Path, masks: bool) -> tuple[Survey | None, list[str]]:
    """What a BIDS data set holds, or series of volumes where there are no arrays, with their lines of ``[data]``."""
    if kind == "bids" and is_bids(folder):
        _check_new(target / "study.toml")
        return survey(folder, target / "masks" if masks else None), []
    if kind == "arrays" and find_arrays(folder) is None and (series := find_volumes(folder))[0]:
        return survey_volumes(*series, folder, target)
    return None, []


def left_to_do(path: str | Path) -> list[InputError]:
    """What must be filled in or put right before a study passes its check; nothing, if it does."""
    path = Path(path)
    from b2m_encoding.study import load_study
    from b2m_encoding.workflow.check import check_study  # loads all that a study may need

    try:
        check_study(load_study(path))
    except ProblemList as error:
        return error.problems
    except InputError as error:
        return [error]
    return []


def _check_new(path: Path) -> None:
    if path.exists():
        raise InputError("there is a study file already", file=path, fix="choose another folder or delete it")
