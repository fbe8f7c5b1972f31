"""Kinds of figures of decoding and reconstruction after Brain2Music: Figures 4a to 4c, 7a and A.1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from b2m_encoding import figures
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.tables import with_groups
from b2m_encoding.io.names import in_words
from b2m_encoding.results.schema import CHANCE, tables

DECODED, IDENTIFICATION = "decoded space", "identification"
ALL = "all clips"
SIGNIFICANT = 0.05


def _requested(context: FigureContext, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the requested subjects and targets; all where none is named."""
    for column, wanted in (("subject", context.request.subjects), ("target", context.request.models)):
        table = table[table[column].isin(wanted)] if wanted else table
    return table


def _evaluated(context: FigureContext) -> pd.DataFrame:
    """Scores of reconstructions clip by clip, of the requested subjects and targets."""
    if not context.results.has(tables.CLIP_EVALUATION):
        raise InputError(
            "the results hold no reconstructions that were evaluated clip by clip",
            file=context.results.path / tables.CLIP_EVALUATION.file,
            fix="b2m corpus build, then b2m reconstruct RESULTS --corpus CORPUS",
        )
    table = _requested(context, context.results.table(tables.CLIP_EVALUATION))
    several = table["decoder"].nunique() > 1
    return table.assign(source=table["corpus"].astype(str) + np.where(several, ", " + table["decoder"].astype(str), ""))


def _tested(context: FigureContext, encoder: str) -> str:
    """Differences of methods that are significant over clips, as a sentence; empty where they were not tested."""
    if not context.results.has(tables.EVALUATION_TESTS):
        return ""
    tests = context.results.table(tables.EVALUATION_TESTS)
    tests = tests[(tests["compared"] == "method") & (tests["encoder"] == encoder)]
    if not len(tests):
        return ""
    found: dict[str, list[str]] = {}
    for row in tests[tests["q"] < SIGNIFICANT].to_dict("records"):
        high, low = (row["first"], row["second"]) if row["difference"] > 0 else (row["second"], row["first"])
        found.setdefault(f"{high} above {low}", []).append(str(row["measure"]))
    shown = "; ".join(f"{pair} ({', '.join(dict.fromkeys(where))})" for pair, where in found.items()) or "none"
    units = f"{tests['clips'].max()} clips, averaged over {tests['subjects'].max()} subject(s)"
    return f" Differences with q < {SIGNIFICANT}, paired over {units}, signs flipped: {shown}."


def reconstruction(context: FigureContext, _: str) -> FigureResult:
    """Draw identification by reconstructions in the decoded space, by corpus or generator (Fig. 4a), and genre (4c)."""
    table = _evaluated(context)
    table = table[(table["measure"] == IDENTIFICATION) & (table["encoder"] == DECODED)]
    if not len(table):
        raise InputError("the results hold no identification by reconstructions, which takes two clips",
                         file=context.results.path / tables.CLIP_EVALUATION.file)  # fmt: skip
    whole = table.assign(panel=table["target"], condition=table["source"], series=table["method"])
    first = table[table["target"] == table["target"].iloc[0]]
    first = first[first["source"] == first["source"].iloc[0]]
    panel = f"{first['target'].iloc[0]}, {first['source'].iloc[0]}, by group"
    groups = first[first["group"].notna()].sort_values("group")
    by_group = groups.assign(panel=panel, condition=groups["group"], series=groups["method"])
    drawn = pd.concat([whole, by_group]).assign(chance=CHANCE)
    return figures.conditions(
        drawn,
        label="identification accuracy",
        about="Identification of presented clips by their reconstructions, in the decoded feature space. Chance is the "
        f"expectation of a random recording of the corpus; the dashed line is 0.5.{_tested(context, DECODED)}",
        **context.page_keywords(),
    )


def classes(context: FigureContext, _: str) -> FigureResult:
    """Draw the agreement of AudioSet classes of presented and reconstructed sounds (Fig. 4b)."""
    table = _evaluated(context)
    table = table[table["encoder"] == "AudioSet"]
    if not len(table):
        raise InputError(
            "the results hold no classes of sounds",
            file=context.results.path / tables.CLIP_EVALUATION.file,
            fix="b2m reconstruct RESULTS --corpus CORPUS --classes",
        )
    drawn = table.assign(panel=table["target"] + ", " + table["source"], condition=table["measure"],
                         series=table["method"])  # fmt: skip
    about = "Share of the most probable AudioSet classes that a sound and the presented one have in common."
    about += _tested(context, "AudioSet")
    return figures.conditions(drawn, label="agreement", about=about, **context.page_keywords())


def unheard(context: FigureContext, _: str) -> FigureResult:
    """Draw identification by decoders that were trained with and without the group of a clip (Fig. 7a)."""
    table = context.results.table(tables.IDENTIFICATION)
    if "accuracy_unheard" not in table:
        raise InputError(
            "no decoder was trained without a group of clips",
            file=context.results.path / tables.IDENTIFICATION.file,
            fix='set statistics.generalise = ["group"], and run the study again',
        )
    table, column = with_groups(table, context.results)
    group_name = in_words(column)
    table = _requested(context, table)
    drawn = pd.concat([part for _, own in table.groupby(["target", "decoder"], sort=False)
                       for part in _with_and_without(own, group_name)])  # fmt: skip
    about = f"Identification among all test clips, by decoders trained with and without the {group_name} of the clip."
    keywords = context.page_keywords()
    return figures.conditions(drawn.assign(chance=CHANCE), label="identification accuracy", about=about, **keywords)


def _with_and_without(own: pd.DataFrame, group_name: str) -> Iterator[pd.DataFrame]:
    """Rows of one target and decoder: all clips, then each group."""
    target, decoder = own["target"].iloc[0], own["decoder"].iloc[0]
    title = target if decoder == "regions" else f"{target}, {decoder}"
    groups = own["group"].where(own["group"].notna(), "")
    series = {"accuracy": "trained with all", "accuracy_unheard": f"without its {group_name}"}
    for column, name in series.items():
        shown = {"panel": title, "series": name, "subject": own["subject"], "value": own[column]}
        yield pd.DataFrame({**shown, "condition": ALL})
        yield pd.DataFrame({**shown, "condition": groups})[(groups != "").to_numpy()].sort_values("condition")


def penalties(context: FigureContext, _: str) -> FigureResult:
    """Draw scores of the decoders at every penalty, fitted and left-out windows (Fig. A.1)."""
    table = _requested(context, context.results.table(tables.PENALTIES))
    names = {"r_training": "fitted windows", "r_validation": "left-out windows"}
    drawn = pd.concat([
        pd.DataFrame({"panel": table["target"], "condition": table["alpha"], "series": name,
                      "subject": table["subject"], "value": table[column]})
        for column, name in names.items()
    ])  # fmt: skip
    return figures.conditions(
        drawn,
        label="correlation",
        about="Decoders of the best regions at every penalty, the same for all dimensions; cross-validated.",
        lines=True,
        axis="penalty (alpha)",
        **context.page_keywords(),
    )
