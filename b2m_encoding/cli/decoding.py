"""Commands of decoding: a corpus of recordings, decoding, and reconstruction of presented music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from b2m_encoding.cli.app import (
    ResultsFolder,
    StudyFile,
    Subjects,
    app,
    clip_reporter,
    console,
    progress_bar,
    reporter,
    short,
)
from b2m_encoding.errors import InputError
from b2m_encoding.io.names import in_words

if TYPE_CHECKING:
    from b2m_encoding.analysis.decoding.decode import Decoding
    from b2m_encoding.study import Study

corpus = typer.Typer(no_args_is_help=True, help="A corpus of recordings to retrieve from.")
app.add_typer(corpus, name="corpus")


@corpus.command("build")
def build(
    recordings: Annotated[Path, typer.Argument(help="Folder of recordings, of any depth (FMA as it comes).")],
    model: Annotated[str | None, typer.Option(help="acoustic, or an audio model of b2m models list.")] = None,
    study: Annotated[Path | None, typer.Option(help="Study file: embed as its decoded feature space.")] = None,
    target: Annotated[str | None, typer.Option(help="Feature space of the study; the first decoded one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the corpus; default: RECORDINGS-MODEL beside it.")] = None,
    seconds: Annotated[
        float, typer.Option(help="Length of each recording that is embedded, from its beginning.")
    ] = 15.0,
    window: Annotated[float, typer.Option(help="Length of the windows that are averaged, s; as in [decoding].")] = 10.0,
    step: Annotated[float, typer.Option(help="Step between windows, s.")] = 1.5,
    layer: Annotated[str | None, typer.Option(help="Layer of a network, by number or name.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of the weights.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks run.")] = "auto",
    as_it_is: Annotated[bool, typer.Option("--as-it-is", help="No fades, no common level.")] = False,
    metadata: Annotated[Path | None, typer.Option(help="tracks.csv of FMA, or a table with a column path.")] = None,
) -> None:
    """Embed a folder of recordings, to retrieve from.

    A stopped command goes on where it was.
    """
    from b2m_encoding.decoding import Preparation, build_corpus
    from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
    from b2m_encoding.reconstruction.embedding_space import decoded_space

    if (model is None) == (study is None):
        raise InputError("name a model or a study", expected="--model clap, or --study study.toml")
    if study is not None:
        space = decoded_space(study, target)
        label = target or "study"
    else:
        assert model is not None
        label = model
        space = AudioEmbeddingSpace.of_model(
            model, layer=layer, weights=weights, device=device, length=window, step=step
        )
    folder = out or recordings.absolute().parent / f"{recordings.absolute().name}-{label.replace('/', '-')}"
    usual = Preparation()  # a study has its own
    fade, rms = (usual.fade, usual.rms) if study is None else (space.table.fade, space.table.rms)
    fade, rms = (0.0, 0.0) if as_it_is else (fade, rms)
    with progress_bar() as bar:
        report = clip_reporter(bar)
        made = build_corpus(
            recordings, folder, space, Preparation(seconds, fade, rms), metadata=metadata,
            report=lambda done, total: report("recordings", done, total),
        )  # fmt: skip
    console.print(f"{len(made):,} recordings in {folder}", soft_wrap=True, markup=False)
    if made.record["skipped"]:
        console.print(f"{made.record['skipped']} left out: {folder / 'skipped.tsv'}", soft_wrap=True, markup=False)


@corpus.command("info")
def info(folder: Annotated[Path, typer.Argument(help="Folder of a corpus.")]) -> None:
    """Print the content of a corpus and the options of its embedding."""
    from b2m_encoding.decoding.retrieval.corpus import Corpus

    opened = Corpus.open(folder)
    space = opened.record["space"]
    options = ", ".join(f"{key} {value}" for key, value in space["options"].items() if value is not None)
    windows, network = space["windows"], space.get("pretrained", {})
    with_genre = opened.table["genre"].ne("").sum()
    rows = {
        "recordings": f"{len(opened):,} ({opened.record['skipped']} left out), {with_genre:,} with a genre",
        "vectors": f"{opened.record['dimensions']} dimensions; {options}",
        "network": f"{network.get('model')}, revision {network.get('revision')}" if network else "none",
        "windows": f"{windows['length']:g} s every {windows['step']:g} s of the first {space['seconds']:g} s, averaged",
        "audio": f"{opened.audio}{'' if opened.audio.is_dir() else ' (missing)'}",
        "made with": opened.record["software"],
    }
    for key, value in rows.items():
        console.print(f"{key + ':':<12}{value}", soft_wrap=True, markup=False)


def print_decoding(decodings: Mapping[str, Sequence[Decoding]], study: Study) -> None:
    """Print decoding accuracies, beside those of Brain2Music where it has such."""
    from b2m_encoding.analysis.tables.brain2music_table2 import decoding_table, shown

    lines = shown(decoding_table(decodings, study))
    beside = any(published != "-" for *_, published in lines)
    caption = "Identification of a clip among two: chance is 0.5."
    caption += " Brain2Music: Table 2 of arXiv 2307.11078." if beside else ""
    table = Table("decoded, by", "measure", title="Decoding: mean over subjects (standard deviation)", caption=caption)
    for name in ("here", *(["Brain2Music"] if beside else [])):
        table.add_column(name, no_wrap=True)
    for number, line in enumerate(lines):
        if line[0] and number:
            table.add_section()
        table.add_row(*line[: len(table.columns)])
    console.print(table)


@app.command()
def decode(
    study: StudyFile,
    subject: Subjects = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Instead of model.device.")] = None,
) -> None:
    """Decode the feature spaces that [decoding] names.

    Results of an earlier run are used again.
    """
    from b2m_encoding.analysis.tables.brain2music_table2 import warnings_of
    from b2m_encoding.study import load_study
    from b2m_encoding.workflow.run import run_study

    loaded = load_study(study).on_machine(device, None)
    if loaded.decoding is None:
        raise InputError("the study decodes nothing", file=study, fix='add [decoding] with targets = ["..."]')
    with progress_bar() as bar:
        found = run_study(loaded, study, subjects=tuple(subject or ()), progress=reporter(bar))
    assert found is not None
    if not found.decodings:
        raise InputError("nothing could be decoded: no target was tested", file=study)
    if loaded.note:
        console.print(loaded.note, markup=False, soft_wrap=True)
    print_decoding(found.decodings, loaded)
    for note in warnings_of(found.decodings):
        console.print(f"warning: {note}", markup=False, soft_wrap=True)
    console.print(f"decoded features: {loaded.output}/sub-*/*_decoded.npz", soft_wrap=True, markup=False)


@app.command()
def reconstruct(
    results: Annotated[Path, typer.Argument(help="Results of a study with [decoding], or its study file.")],
    corpus: Annotated[Path, typer.Option(help="Folder of a corpus (b2m corpus build).", show_default=False)],
    generator: Annotated[str, typer.Option(help="retrieved, musicldm, musicgen, magenta_rt.")] = "retrieved",
    target: Annotated[str | None, typer.Option(help="Decoded feature space; default: the first.")] = None,
    decoder: Annotated[str, typer.Option(help="Decoder whose predictions are used.")] = "regions",
    subject: Subjects = None,
    n: Annotated[int, typer.Option(min=1, help="Candidates per clip; the encoding model ranks them.")] = 1,
    k: Annotated[int, typer.Option(min=1, help="Number of nearest recordings that are listed.")] = 10,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="musicldm: start from the retrieved recording; 0 keeps it.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of a diffusion model.")] = None,
    similarity: Annotated[
        Literal["auto", "cosine", "centred", "standardised"], typer.Option(help="Metric of the search.")
    ] = "auto",
    seconds: Annotated[
        float | None, typer.Option(help="Length of sounds, s; default: the embedded length of the corpus.")
    ] = None,
    leave_out: Annotated[
        Path | None, typer.Option(help="Text file of recordings that may not be retrieved, one a line.")
    ] = None,
    training: Annotated[
        bool, typer.Option("--training/--no-training", help="Whether training clips may be retrieved.")
    ] = True,
    follow: Annotated[
        bool | None, typer.Option("--follow/--hold", help="magenta_rt: the decoded embedding over time, or its mean.")
    ] = None,
    sounds: Annotated[Path | None, typer.Option(help="Folder of the stimuli, for the page.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of the generator's weights.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the generator runs.")] = "auto",
    evaluator: Annotated[
        str | None, typer.Option(help="A second encoder for the evaluation: a model, or acoustic.")
    ] = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="Compare AudioSet classes (b2m models fetch audioset).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of random numbers.")] = 0,
) -> None:
    """Retrieve and reconstruct presented music.

    And write a page to listen to it.
    """
    from b2m_encoding.decoding.evaluation import over_subjects
    from b2m_encoding.decoding.retrieval.corpus import Corpus
    from b2m_encoding.gallery.report import write_pages
    from b2m_encoding.reconstruction.request import ReconstructionRequest
    from b2m_encoding.reconstruction.run import reconstruct as run
    from b2m_encoding.results.reader import Results
    from b2m_encoding.results.schema.files import LISTEN, REPORT

    settings = {"weights": weights, "device": device, "strength": strength, "steps": steps, "follow": follow}
    request = ReconstructionRequest(
        target=target,
        decoder=decoder,
        generator=generator,
        settings={key: value for key, value in settings.items() if value is not None},
        n=n,
        k=k,
        similarity=similarity,
        seconds=seconds,
        subjects=tuple(subject or ()),
        leave_out=() if leave_out is None else _lines(leave_out),
        training=training,
        sounds=sounds,
        seed=seed,
        evaluator=evaluator,
        classes=classes,
    )
    unlinked = (results / REPORT).is_file() and not (results / LISTEN).is_file()
    with progress_bar() as bar:
        page, evaluation = run(results, Corpus.open(corpus), request, reporter(bar))
    table = Table("method", "encoder", "measure", "mean over subjects", "95%")
    for row in over_subjects(evaluation, by=["method", "encoder", "measure"]).to_dict("records"):
        limits = f"{row['low']:.3f} to {row['high']:.3f}" if row["subjects"] > 1 else ""
        table.add_row(row["method"], row["encoder"], in_words(row["measure"]), f"{row['mean']:.3f}", limits)
    console.print(table)
    console.print(f"listen:  {page}", soft_wrap=True, markup=False)
    if unlinked:
        write_pages(Results.open(results))  # which leads to the page


@app.command()
def listen(
    results: ResultsFolder,
    answers: Annotated[
        list[Path] | None, typer.Argument(metavar="answers", help="Answers of listeners: analyse them.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="retrieved, or the generator; default: the generator.")] = None,
    target: Annotated[str | None, typer.Option(help="Decoded feature space; default: the first.")] = None,
    decoder: Annotated[str | None, typer.Option(help="Decoder; default: the first.")] = None,
    corpus: Annotated[str | None, typer.Option(help="Name of the corpus; default: the first.")] = None,
    subject: Subjects = None,
    trials: Annotated[int | None, typer.Option(min=2, help="Clips per subject; default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random numbers.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The page; default: listening_test.html in the results.")] = None,
) -> None:
    """Write a blind listening test, or analyse its answers.

    One HTML file with its sounds: which of two reconstructions is that of the reference?
    """
    from b2m_encoding.reconstruction import analyse_answers, write_listening_test
    from b2m_encoding.results.schema.listening_tables import LISTENING_KEY, LISTENING_SUMMARY

    if not answers:
        page = write_listening_test(
            results, method=method, target=target, decoder=decoder, corpus=corpus, subjects=subject or (),
            trials=trials, seed=seed, out=out,
        )  # fmt: skip
        size = f"{page.stat().st_size / 1e6:.1f} MB"
        console.print(f"test: {short(page)} ({size}; hand it to listeners)", soft_wrap=True, markup=False)
        console.print(f"key:  {short(results / LISTENING_KEY.file)} (keep it)", soft_wrap=True, markup=False)
        return
    found = analyse_answers(results, answers)
    table = Table("", "", "answers", "right", "95%, exact", "p", "95%, over clips")
    for row in found.to_dict("records"):
        ends = [f"{row[f'{name}low']:.3f} to {row[f'{name}high']:.3f}" for name in ("", "clips_")]
        table.add_row(
            row["by"],
            row["label"],
            str(row["answers"]),
            f"{row['proportion']:.3f}",
            ends[0],
            f"{row['p']:.2g}",
            ends[1],
        )
    console.print(table)
    console.print(f"table: {short(results / LISTENING_SUMMARY.file)}", soft_wrap=True, markup=False)


def _lines(path: Path) -> tuple[str, ...]:
    """Lines of a text file."""
    try:
        return tuple(path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "the list of recordings cannot be read", file=path, found=error, expected="a text file, UTF-8"
        ) from error
