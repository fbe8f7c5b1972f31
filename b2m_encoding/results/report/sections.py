"""Sections of the report, of a whole study or of one subject; empty sections are left out."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from b2m_encoding import __version__
from b2m_encoding.io.shares import percent
from b2m_encoding.results.report.checklist import checklist
from b2m_encoding.results.report.content import Block, Code, Lines, Link, Section, Table, Text
from b2m_encoding.results.report.findings import audit_line, findings
from b2m_encoding.results.report.methods import methods
from b2m_encoding.results.report.references import bibtex, cited, references, with_names
from b2m_encoding.results.report.report_data import ReportData, listed, number, score
from b2m_encoding.results.report.result_sections import SECTIONS, Build, cut, figures_of
from b2m_encoding.results.schema import files, tables
from b2m_encoding.results.schema.brain2music import deviations


def study_sections(report: ReportData) -> list[Section]:
    """Sections of the page of the study."""
    return _sections(
        report,
        {
            "summary": ("Results", summary),
            **SECTIONS,
            "methods": ("Methods", methods_text),
            "quality": ("Data quality", quality),
            "audit": ("Leakage audit", audit),
            "checklist": ("Reviewer's checklist", checklist_section),
            "provenance": ("Provenance", provenance),
        },
    )


FOLDED = ("methods", "quality", "audit", "checklist", "provenance")
"""Sections that are opened on demand."""


def subject_sections(report: ReportData) -> list[Section]:
    """Sections of the page of a subject."""
    parts = {"quality": ("Data quality", quality), "audit": ("Leakage audit", audit)}
    return _sections(report, {"summary": ("Results", summary), **SECTIONS, **parts})


def _sections(report: ReportData, parts: Mapping[str, tuple[str, Build]]) -> list[Section]:
    made = [(name, title, build(report)) for name, (title, build) in parts.items()]
    return [Section(name, title, blocks, name in FOLDED) for name, title, blocks in made if blocks]


def summary(report: ReportData) -> list[Block]:
    """The results in a paragraph, the audit in a line, the subjects in a table, and links to other pages."""
    columns = [
        "subject",
        "targets tested",
        "not tested",
        "predicted",
        "best r",
        "median r of predicted",
        "noise ceiling",
    ]
    rows = [
        [f"sub-{one.subject}", number(one.tested), number(one.targets - one.tested), number(one.predicted),
         score(one.best_r), score(one.median_r), number(one.ceiling, 2)]
        for one in report.subjects.itertuples()
    ]  # fmt: skip
    q = number(report.get("statistics", "q"))
    about = f"Predicted: q < {q} in the joint model. Noise ceiling: of r, median over the predicted targets."
    blocks: list[Block] = [Text([" ".join(findings(report))]), Table(columns, rows, about)]
    if line := audit_line(report):
        blocks.insert(1, Lines([line]))
    if reason := report.results.unverified:
        text = "The results cannot be verified to be as they were written"
        blocks.insert(0, Lines([f"{text}: {reason}. b2m run the study again restores them."]))
    if reasons := dict.fromkeys(report.subjects["figures"].dropna()):
        blocks.append(Lines([str(reason) for reason in reasons]))
    view = report.results.path / files.VIEW
    if view.is_file():
        size = f"{view.stat().st_size / 1e6:.1f} MB"
        about = f"every map, with the numbers of a vertex under the mouse ({size}, opens from the file)"
        blocks.append(Link(files.VIEW, "Interactive flatmap", about))
    if report.results.has(files.LISTEN):
        blocks.append(Link(files.LISTEN, "Listening page", "presented, retrieved and reconstructed, clip by clip"))
    return blocks


def methods_text(report: ReportData) -> list[Block]:
    """Methods text, and BibTeX of the works that it cites."""
    texts = methods(report)
    keys = cited(texts)
    works = [_cited_work(key) for key in keys]
    version = report.results.json(files.DESCRIPTION)["GeneratedBy"][0]["Version"]
    return [
        Text([with_names(text) for text in texts]),
        *preset_deviations(report),
        Lines(works),
        Code("BibTeX of these works", bibtex(keys, version)),
    ]


def preset_deviations(report: ReportData) -> list[Block]:
    """Settings that are not those of the preset that the study names."""
    if report.get("preset") is None:
        return []
    rows = [[key, theirs, ours] for key, theirs, ours in deviations(report.study)]
    about = "Settings that differ from the preset of the study, which are those that the paper states."
    return [Table(["setting", "preset", "this study"], rows or [["none", "", ""]], about)]


def _cited_work(key: str) -> str:
    work = references()[key]
    title = work.fields["title"].strip("{}").replace("\\_", "_")
    where = work.fields.get("journal") or work.fields.get("booktitle")
    parts = [work.short, title, *([where] if where else [])]
    return ". ".join(parts) + (f". doi {work.fields['doi']}" if "doi" in work.fields else "")


def quality(report: ReportData) -> list[Block]:
    """Data quality: a row per run of a subject, or a row per subject of a study."""
    runs = report.quality
    if runs is None:
        return []
    if report.subject is not None or runs["subject"].nunique() == 1:
        rows = [
            [one.run, one.role, number(one.volumes), number(one.seconds, 4), number(one.discarded),
             number(one.censored), number(one.tsnr, 3), number(one.mean_fd, 3)]
            for one in runs.itertuples()
        ]  # fmt: skip
        columns = ["run", "role", "volumes", "seconds", "discarded", "censored", "tSNR", "mean FD, mm"]
    else:
        columns = [
            "subject",
            "runs",
            "volumes",
            "censored",
            "tSNR",
            "mean FD, mm",
            "constant targets",
            "missing targets",
        ]
        rows = [_subject_quality(report, str(subject), own) for subject, own in runs.groupby("subject", sort=False)]
    about = (
        "tSNR: median over targets of mean over standard deviation, before cleaning. FD: framewise displacement. "
        "n/a: not known from the data."
    )
    blocks: list[Block] = [*figures_of(report, ("quality", "design")), cut(Table(columns, rows, about))]
    steps = report.results.provenance.get("cleaning", {})
    alike = len({*map(tuple, steps.values())}) == 1
    for subject, own in [*steps.items()][: 1 if alike else None]:
        if alike or report.subject in (None, subject):
            whose = "each run by itself" if alike else f"sub-{subject}"
            blocks.append(Lines([f"Cleaning, {whose}: {step}" for step in own or ["none"]]))
    return blocks


def _subject_quality(report: ReportData, subject: str, own: pd.DataFrame) -> list[str]:
    [row] = report.subjects[report.subjects["subject"] == subject].itertuples()
    share = own["censored"].sum() / own["volumes"].sum()
    return [f"sub-{subject}", number(len(own)), number(own["volumes"].sum()), percent(share),
            number(own["tsnr"].mean(), 3), number(own["mean_fd"].mean(), 3), number(row.constant),
            number(row.missing)]  # fmt: skip


def audit(report: ReportData) -> list[Block]:
    """All checks of the leakage audit."""
    if (checks := report.table(tables.AUDIT)) is None:
        return []
    rows = [[f"sub-{one.subject}", one.name, one.status, number(one.value, 3),
             one.meaning.split(";")[0] if one.status == "pass" else one.meaning]
            for one in checks.itertuples(index=False)]  # fmt: skip
    columns = ["subject", "check", "status", "value", "what was measured"]
    return [cut(Table(columns, rows, states=[row[2] for row in rows]))]


def checklist_section(report: ReportData) -> list[Block]:
    """Checklist for reviewers, with the count of answers."""
    items = checklist(report)
    counts = [
        f"{sum(one.answer == kind for one in items)} {kind}" for kind in ("yes", "no", "not known", "not applicable")
    ]
    rows = [[one.topic, one.question, one.answer, one.detail] for one in items]
    about = (
        f"{len(items)} lines after COBIDAS (doi 10.1038/nn.4500): {listed(counts)}. A no is not an error, but needs an "
        "explanation."
    )
    return [Table(["", "question", "answer", "found"], rows, about, states=[one.answer for one in items])]


def provenance(report: ReportData) -> list[Block]:
    """Provenance: versions, seed, times, inputs."""
    record = report.results.provenance
    rows = [[key, str(record[key])] for key in ("started", "finished", "python", "platform", "seed") if key in record]
    rows += [[f"{name}", str(version)] for name, version in record.get("versions", {}).items() if version]
    rows.append(["inputs", f"{len(record.get('inputs', {})):,} files and folders, hashes in {files.PROVENANCE}"])
    blocks: list[Block] = [Table(["", ""], rows, f"Report written by b2m_encoding {__version__}.")]
    return blocks + [Link(path.name, path.name) for path in sorted(report.results.path.glob("*.tsv"))]
