"""Write the study of a BIDS folder that was looked at, as TOML."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from b2m_encoding.data.bids import list_subjects
from b2m_encoding.data.clip_columns import ClipColumns
from b2m_encoding.io.names import first_of
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.workflow.templates.sounds import Sounds, lost_sounds
from b2m_encoding.workflow.templates.survey import MASK, MAX_CONDITIONS, Survey

CONFOUNDS = '# confounds = { strategy = ["motion", "wm_csf"] }   # from fMRIPrep; "scrub" censors volumes'
RESPONSE_DELAYS = (3.0, 8.0)  # s: where the haemodynamic response to a sound lies


def study_text(found: Survey, folder: Path, data: Sequence[str] = ()) -> str:
    """A study of what was found, as TOML; paths are relative to ``folder``.

    Parameters
    ----------
    found : Survey
    folder : Path
    data : sequence of str
        Lines of ``[data]``; those of a BIDS data set by default.
    """
    tr, name = found.recordings[0].responses.runs.tr, _name(found.root)
    delays = [round(k * tr, 4) for k in range(1, 100) if RESPONSE_DELAYS[0] <= k * tr <= RESPONSE_DELAYS[1]]
    delays = delays or [round(max(1, round(5 / tr)) * tr, 4)]
    parts = [
        f"# {name}: {len(found.subjects)} subject{'s' * (len(found.subjects) != 1)}, {', '.join(found.tasks)}",
        *(f"# left out: task {task}, {why}" for task, why in found.left_out.items()),
        f"name = {quoted(name)}",
        f"output = {_output(found.root, folder)}",
        "",
        *(data or _data(found, folder)),
        "",
        *_features(found, folder),
        "",
        f"[model]\ndelays = {delays}   # s, where responses are large; multiples of the repetition time, {tr:g} s",
        *_evaluation(found, delays),
    ]
    return "\n".join(parts) + "\n"


def _output(root: Path, folder: Path) -> str:
    """Results lie beside the study, or among the derivatives where the study lies in the data set itself."""
    within = folder.resolve().is_relative_to(root.resolve())
    return path_text(root / "derivatives" / "b2m_encoding", folder) if within else quoted("results")


def quoted(text: str) -> str:
    r"""A text as a TOML string.

    Examples
    --------
    >>> print(quoted('5" of "noise"'))
    "5\" of \"noise\""
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _data(found: Survey, folder: Path) -> list[str]:
    everyone = len(found.subjects) == len(list_subjects(found.root))
    subjects = (
        []
        if everyone
        else [f"subjects = {list_text(found.subjects)}   # others lack the tasks, or have another repetition time"]
    )
    return [
        "[data]",
        'reader = "bids"',
        f"root = {path_text(found.root, folder)}",
        *([] if found.derivatives is None else [f"derivatives = {path_text(found.derivatives, folder)}"]),
        f"space = {quoted(found.space)}",
        *(f"# space = {quoted(space)}" for space in found.spaces if space != found.space),
        *([] if found.mask is None else [f"mask = {path_text(found.mask / MASK, folder)}"]),
        f"tasks = {list_text(found.tasks)}",
        *subjects,
        *clip_lines(found),
        "# discard = 10.0                             # s at the start of each run",
        *([CONFOUNDS] if found.derivatives is not None else []),
    ]


def clip_lines(found: Survey) -> list[str]:
    """The columns of the events that name clips, where they are not those of BIDS."""
    if found.sounds is None:
        return []
    columns, parts = found.sounds.columns, []
    if columns.stimulus != ClipColumns.stimulus:
        parts.append(f"stimulus = {quoted(columns.stimulus)}")
    if columns.group is not None:
        parts.append(f"group = {quoted(columns.group)}")
    return [f"clips = {{ {', '.join(parts)} }}"] if parts else []


def _features(found: Survey, folder: Path) -> list[str]:
    if found.sounds is not None:
        return _of_sounds(found.sounds, folder)
    if found.conditions:
        column = [] if found.column == "trial_type" else [f"column = {quoted(found.column)}"]
        groups = [f"{toml_key(name)} = {list_text([name])}" for name in found.conditions[:MAX_CONDITIONS]]
        conditions = ["[features.events]", 'extractor = "conditions"', *column, "", "[features.events.groups]", *groups]
        return [*_lost(found), *conditions]
    runs = found.recordings[0].responses.runs
    return [
        "# FILL IN: no events of these runs tell what was heard. Put an array of features of each run here, a row per",
        "# volume and any number of columns:",
        *(f"#   features/{name}.npy   ({rows.stop - rows.start} rows)" for name, rows in runs.slices.items()),
        "[features.mine]",
        'extractor = "array"',
        'files = "features/{run}.npy"',
    ]


def _lost(found: Survey) -> list[str]:
    """A remark where the events name sounds of which some are not there."""
    lost = lost_sounds(found.root, found.recordings)
    some = first_of(lost, 3)
    where = "put them into stimuli, and run b2m init again for features of sounds"
    return [f"# stim_file of the events names sounds that are not there: {some}", f"# {where}"] if lost else []


def _of_sounds(sounds: Sounds, folder: Path) -> list[str]:
    """Feature spaces of sounds, of their texts and of their transcripts."""
    stimuli = path_text(sounds.folder, folder)
    lines = ["[features.acoustic]", 'extractor = "acoustic"', f"stimuli = {stimuli}", "# rms = 0   # keep their levels"]
    for name in sounds.texts:
        lines += ["", f"[features.{_space_name(name)}]", 'extractor = "caption"   # or "text", a sentence encoder']
        lines += [f"captions = {quoted(caption_file(name))}"]
    if sounds.transcripts:
        transcript = path_text(sounds.folder / f"{{clip}}{sounds.transcripts}", folder)
        lines += ["", "[features.word_rate]", 'extractor = "word_rate"', f"transcript = {transcript}"]
        lines += ["", "# [features.context]", '# extractor = "context"   # b2m models fetch minilm']
        lines += [f"# transcript = {transcript}"]
    return lines


def caption_file(column: str) -> str:
    """Name of the table of captions that is made of a column of the events."""
    return f"captions_{_space_name(column)}.tsv"


def caption_table(texts: Mapping[str, str]) -> str:
    """Table of captions: stimuli and their texts."""
    return (
        "\n".join(["stim_file\tcaption", *(f"{name}\t{' '.join(text.split())}" for name, text in texts.items())]) + "\n"
    )


def _space_name(column: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", column)
    return name if name[:1].isalpha() else f"text_{name}"


def _evaluation(found: Survey, delays: Sequence[float]) -> list[str]:
    """How runs are held out; what else the penalty needs, where one run is left to choose it."""
    runs, model = found.recordings[0].responses.runs, []
    test = [task for task in found.tasks if "test" in task.lower()]
    n_training = sum(f"task-{test[0]}" not in name for name in runs.names) if test else 0
    n_runs = min(len(r.responses.runs.names) for r in found.recordings)
    shortest = min(rows.stop - rows.start for r in found.recordings for rows in r.responses.runs.slices.values())
    if test and n_training > 1:
        lines = ['kind = "test"', f'test_runs = "*task-{test[0]}*"']
        if found.sounds is not None and found.sounds.repeats > 1:
            lines.append(
                f"average_repeats = true            # clips are played up to {found.sounds.repeats} times in a run"
            )
    elif n_runs > 1:
        lines = ['kind = "cross-validation"       # whole runs are left out']
        if n_runs == 2:
            model = ["blocks = 4                       # of the run that is left, to choose the penalty"]
    else:
        gap = max(delays)
        shortest = (shortest - 3 * int(np.ceil(gap / runs.tr))) // 4
        lines = ['kind = "cross-validation"', "blocks = 4                       # of the one run", f"gap = {gap:g}"]
    block = max(1, min(round(15 / runs.tr), shortest // 8)) * runs.tr
    return [*model, "", "[evaluation]", *lines, "", "[statistics]", f"block = {round(block, 4):g}   # s"]


def _name(root: Path) -> str:
    try:
        name = str(parse_json((root / "dataset_description.json").read_text("utf-8-sig"))["Name"])
    except (OSError, ValueError, KeyError, TypeError):
        name = ""
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(shown.split()) or root.resolve().name


def path_text(path: Path, folder: Path) -> str:
    """A path relative to a folder as a TOML string."""
    relative = os.path.relpath(path.resolve(), folder.resolve())
    return quoted(Path(relative).as_posix())


def list_text(names: Sequence[str]) -> str:
    """Texts as a TOML array."""
    return f"[{', '.join(map(quoted, names))}]"


def toml_key(name: str) -> str:
    """A key of TOML: as it is where that may be, else quoted, so that no two names become one key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)
