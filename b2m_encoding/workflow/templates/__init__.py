"""Study files to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.io.writing import write_all
from b2m_encoding.workflow.templates.compose import study_text
from b2m_encoding.workflow.templates.survey import is_bids, survey

FILES = {
    "musicgenre": {
        "study.toml": "musicgenre",
        "paper.toml": "musicgenre_paper",
        "decoding.toml": "musicgenre_decoding",
    }
}
"""Study files of each kind; one ``study.toml``, if it is not named."""


def template(kind: str) -> str:
    """Text of a template: ``demo``, ``musicgenre`` (also ``_paper``, ``_decoding``), ``bids`` or ``arrays``."""
    return files(__name__).joinpath(f"{kind}.toml").read_text(encoding="utf-8")


def write_template(kind: str, folder: Path, out: Path | None = None) -> list[Path]:
    """Write study files; existing ones are never overwritten.

    Parameters
    ----------
    kind : {"musicgenre", "bids", "arrays"}
    folder : Path
        Where to write. A BIDS data set (kind ``bids``) is looked at: the study names what is there.
    out : Path, optional
        Where to write instead.

    Raises
    ------
    InputError
        If there is a study already, the folder cannot be written, or the BIDS data set holds nothing to analyse.
    """
    target = out or folder
    if kind == "bids" and is_bids(folder):
        _check_new(target / "study.toml")
        texts = {"study.toml": study_text(survey(folder), target)}
    else:
        texts = {name: template(text) for name, text in FILES.get(kind, {"study.toml": kind}).items()}
    for name in texts:
        _check_new(target / name)
    try:
        return write_all({target / name: text for name, text in texts.items()}, "cannot write the study file")
    except UnicodeEncodeError as error:
        raise InputError("cannot write the study file", file=target, found=error) from error


def left_to_do(path: Path) -> list[InputError]:
    """What must be filled in or put right before a study passes its check; nothing, if it does."""
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
