"""Commands of a study: begin one, check it, fetch its data, run it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from b2m_encoding.cli.app import StudyFile, Subjects, app, clip_reporter, console, finish, progress_bar, reporter, short
from b2m_encoding.errors import InputError, merged

MEASURES = {
    "subjects": "subjects",
    "targets_tested": "targets tested",
    "targets_not_tested": "targets not tested",
    "median_r_driven": "median r, where a feature space drives the response",
    "median_r_undriven": "median r, where none does",
    "significant_driven": "share found (q < .05) where one does",
    "false_positive_rate": "share found where none does",
    "preference_accuracy": "share of right preferences",
    "preference_accuracy_where_significant": "share of right preferences, where one is significant",
    "preference_share_in_both": "share with a preference, where both drive",
    "preference_share_in_one": "share with a preference, where one drives",
    "identification_accuracy": "clips identified, of pairs (chance 0.5)",
    "identification_chance_95": "95% of chance",
}
"""Rows of the summary of a demonstration in words."""
STOPPED = 130
"""Exit code of a run that was interrupted, as shells have it."""


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write into.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    null: Annotated[bool, typer.Option("--null", help="Simulate responses that follow no stimulus.")] = False,
    captions: Annotated[
        bool, typer.Option("--captions", help="Words of captions instead of tags by musicnn, which is fetched.")
    ] = False,
) -> None:
    """Simulate a small study and analyse it, in two minutes.

    A demo that was interrupted goes on; one that is finished is replaced.
    """
    from b2m_encoding.results.schema.files import FIGURES, REPORT, STUDY
    from b2m_encoding.workflow.demo import run_demo

    with progress_bar() as bar:
        summary = run_demo(out, seed=seed, null=null, trained=not captions, progress=reporter(bar))
        finish(bar)
    table = Table("measure", "value", title="SIMULATED study: what was found, against the known truth")
    for key, value in summary.items():
        if key in MEASURES and value is not None:  # of a simulation without a drive there is less to compare
            numbers = value if isinstance(value, list) else [value]
            shown = (f"{one:,}" if isinstance(one, int) else f"{one:.3g}" for one in numbers)
            table.add_row(MEASURES[key], " to ".join(shown))
    console.print(table)
    console.print(f"took {summary['wall_s']:.0f} s and {summary['peak_mb'] / 1000:.1f} GB of memory")
    for label, path in {"report": f"results/{REPORT}", "figures": f"results/{FIGURES}", "study": STUDY}.items():
        console.print(f"{label + ':':<9}{short(out / path)}", soft_wrap=True, markup=False)


@app.command()
def init(
    kind: Annotated[Literal["musicgenre", "bids", "arrays"], typer.Argument(help="What the data look like.")],
    folder: Annotated[
        Path,
        typer.Argument(help="Where to put study.toml; data there are looked at."),
    ] = Path(),
    out: Annotated[Path | None, typer.Option(help="Put study.toml there instead.")] = None,
    mask: Annotated[
        bool, typer.Option("--mask", help="Make masks of raw volumes, where there is no fMRIPrep.")
    ] = False,
) -> None:
    """Write study.toml for the data of a folder.

    In a BIDS folder, or one of arrays or NIfTI series, it is a study of what is there; else a template to fill in.
    """
    from b2m_encoding.workflow.templates import left_to_do, template, write_template

    written = write_template(kind, folder, out, masks=mask)
    paths = list(written)
    for path, about in written.items():
        console.print(f"wrote {short(path)}: {about}", soft_wrap=True, markup=False)
    if kind in ("bids", "arrays") and paths[0].read_text(encoding="utf-8") == template(kind):
        what = "BIDS data set" if kind == "bids" else "arrays and no series of volumes"
        console.print(f"no {what} in {folder}: this is a template to fill in", soft_wrap=True, markup=False)
    elif kind in ("bids", "arrays"):
        problems = left_to_do(paths[0])
        console.print("fill in before it can run:" if problems else "b2m check finds no problems")
        for problem in merged(problems):
            console.print(str(problem), soft_wrap=True, markup=False)


@app.command()
def check(study: StudyFile) -> None:
    """Report every problem of a study at once."""
    from b2m_encoding.analysis.intervals import describe_intervals
    from b2m_encoding.analysis.splits import describe_cues, describe_repeats, split_samples
    from b2m_encoding.device import resolve_device
    from b2m_encoding.spaces import reason_not_drawn
    from b2m_encoding.study import load_study
    from b2m_encoding.workflow.check import check_study
    from b2m_encoding.workflow.memory import memory_line

    loaded = load_study(study)
    recordings = check_study(loaded, file=study)
    if loaded.model.device == "cuda":  # not asked of a run, whose workers may have one; torch is loaded for this alone
        resolve_device("cuda")
    for subject, recording in recordings.items():
        responses, runs = recording.responses, recording.responses.runs
        size = f"{len(runs.names)} runs, {len(runs)} samples of {runs.tr:g} s, {responses.n_targets} targets"
        console.print(f"sub-{subject}: {size} on {responses.space.name}", markup=False)
        used, splits = split_samples(runs, loaded.evaluation)
        for remark in (describe_cues(runs, used), describe_repeats(used, splits, loaded.evaluation)):
            if remark:
                console.print(f"sub-{subject}: {remark}", markup=False, soft_wrap=True)
    hints = [hint for recording in recordings.values() if (hint := describe_intervals(recording, loaded))]
    for hint in dict.fromkeys(hints):
        console.print(f"note: {hint}", markup=False, soft_wrap=True)
    spaces = {recording.responses.space.name: recording.responses for recording in recordings.values()}
    for responses in spaces.values():
        for step in responses.steps:
            console.print(f"cleaning: {step}", markup=False, soft_wrap=True)
        if reason := reason_not_drawn(responses.space):
            console.print(reason, markup=False, soft_wrap=True)
    console.print(memory_line(loaded, recordings), markup=False, soft_wrap=True)
    console.print("no problems found")


@app.command()
def fetch(
    dataset: Annotated[Literal["ds003720"], typer.Argument(help="The data set (OpenNeuro).")],
    subject: Subjects = None,
    to: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path("ds003720"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Download a data set.

    What has been fetched before is not fetched again.
    """
    from b2m_encoding.data.fetch import Download

    download = Download(dataset, tuple(subject or ()), to)
    console.print(download.describe(), markup=False, soft_wrap=True)
    if not yes and not typer.confirm("Download?"):
        raise typer.Exit(1)
    download.run()
    console.print(f"downloaded to {to}", soft_wrap=True, markup=False)


@app.command()
def run(
    study: StudyFile,
    subject: Subjects = None,
    step: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Only this step and what it needs; may be repeated.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what would be done, and why; do nothing.")] = False,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Instead of model.device.")] = None,
    cluster: Annotated[str | None, typer.Option(help="tcp://HOST:PORT (dask), slurm, or local:N.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Jobs of --cluster slurm.")] = 4,
    memory: Annotated[float | None, typer.Option(min=0.5, help="Gigabytes of each worker, or of this process.")] = None,
) -> None:
    """Run the analysis of a study file.

    What is done already is not done again.
    """
    from b2m_encoding.cli.decoding import print_decoding
    from b2m_encoding.results.schema.files import REPORT
    from b2m_encoding.study import load_study
    from b2m_encoding.workflow.engine.cluster import ClusterSpec
    from b2m_encoding.workflow.run import explain_study, run_study, work_folder

    loaded = load_study(study).on_machine(device, memory)
    subjects, steps = tuple(subject or ()), tuple(step or ())
    if explain:
        for name, state in explain_study(loaded, subjects, steps).items():
            console.print(f"{'done ' if state.done else 'to do'} {name}  {state.reason}", markup=False, soft_wrap=True)
        return
    place = ClusterSpec(cluster, workers, memory) if cluster else None
    try:
        with progress_bar() as bar:
            found = run_study(loaded, study, subjects=subjects, steps=steps, cluster=place, progress=reporter(bar))
            finish(bar)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from here")
        raise typer.Exit(STOPPED) from None
    if found is not None and found.decodings:
        print_decoding(found.decodings, loaded)
    if found is not None:
        _print_findings(loaded.output)
        console.print(f"results: {short(loaded.output)}", soft_wrap=True, markup=False)
        console.print(f"report:  {short(loaded.output / REPORT)}", soft_wrap=True, markup=False)
    kept = work_folder(loaded)
    console.print(
        f"work:    {short(kept.path)} ({kept.size / 1e9:.1f} GB; may be deleted)", soft_wrap=True, markup=False
    )


def _print_findings(output: Path) -> None:
    """A table of the subjects, and what was found in words."""
    from b2m_encoding.results.reader import Results
    from b2m_encoding.results.report.findings import audit_line, findings
    from b2m_encoding.results.report.report_data import ReportData, number

    report = ReportData(Results.open(output))
    table = Table("subject", "targets tested", "predicted", "best r", "median r", "ceiling")
    for one in report.subjects.itertuples():
        counts = number(one.tested), number(one.predicted)
        table.add_row(f"sub-{one.subject}", *counts, number(one.best_r), number(one.median_r), number(one.ceiling, 2))
    console.print(table)
    for sentence in (*findings(report), audit_line(report)):
        if sentence:
            console.print(sentence, soft_wrap=True, markup=False)


@app.command(context_settings={"allow_extra_args": True})
def bids(
    more: typer.Context,
    bids_dir: Annotated[Path, typer.Argument(help="The BIDS data set.", show_default=False)],
    output_dir: Annotated[Path, typer.Argument(help="Where results go.", show_default=False)],
    level: Annotated[Literal["participant", "group"], typer.Argument(help="The level of a BIDS App.")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--participant-label", "--participant_label", metavar="LABEL", help="Only these subjects: 01, or 01 02."
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work-dir", "-w", help="Folder of study.toml and of what is kept; default: OUTPUT_DIR_study."),
    ] = None,
) -> None:
    """Analyse a BIDS data set, called as a BIDS App.

    Writes study.toml as b2m init does, or takes one that is there, and runs it: of the chosen subjects, which join
    those that are finished, or (group) of all. Calls for several subjects may run at once.
    """
    from b2m_encoding.results.schema.files import REPORT, STUDY
    from b2m_encoding.workflow.bids_app import run_bids_app

    folder = work or output_dir.parent / f"{output_dir.name}_study"
    chosen = tuple(one.removeprefix("sub-") for one in (*(label or ()), *more.args))
    if chosen and (not label or level == "group"):
        fix = "name subjects after participant --participant-label, and none for group"
        raise InputError("subjects that this level does not take", found=", ".join(chosen), fix=fix)
    console.print(f"study:   {short(folder / STUDY)}", soft_wrap=True, markup=False)
    with progress_bar() as bar:
        run_bids_app(bids_dir, output_dir, folder, chosen, reporter(bar))
        finish(bar)
    _print_findings(output_dir)
    console.print(f"report:  {short(output_dir / REPORT)}", soft_wrap=True, markup=False)


@app.command()
def features(
    study: StudyFile,
    subject: Subjects = None,
    stimuli: Annotated[Path | None, typer.Option(help="Write the clips as they were heard into this folder.")] = None,
) -> None:
    """Compute the features of a study and keep them.

    Every run, and every other study of the same clips, then only reads them.
    """
    from b2m_encoding.features.store import check_store
    from b2m_encoding.study import load_study
    from b2m_encoding.workflow.extract_features import fill_features, write_stimuli

    loaded, chosen = load_study(study), tuple(subject or ())
    if stimuli is not None:
        written = write_stimuli(loaded, stimuli, chosen)
        console.print(f"{len(written)} clips written to {stimuli}", markup=False, soft_wrap=True)
    with progress_bar() as bar:
        filled = fill_features(loaded, chosen, clip_reporter(bar))
    table = Table("feature space", "samples x features", "computed", "seconds")
    for name, found in filled.items():
        size = " x ".join(f"{n:,}" for n in found.shape)
        table.add_row(name, size, f"{found.computed} clips" if found.computed else "-", f"{found.seconds:.0f}")
    console.print(table)
    console.print(f"kept in {check_store()}", markup=False, soft_wrap=True)
