"""The study file: the whole analysis in one TOML table, read strictly and checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from b2m_encoding.config import Config, StudyPath, resolve_path
from b2m_encoding.data.cleaning import Cleaning, Detrend
from b2m_encoding.data.sources import AnySource
from b2m_encoding.decoding.decoders.registry import DECODERS
from b2m_encoding.errors import InputError, ProblemList, notice
from b2m_encoding.features.extractors import AnyExtractor, AudioExtractor
from b2m_encoding.figures.settings import FigureSettings
from b2m_encoding.io.toml import STUDY_FILE, parse_toml, read_bytes
from b2m_encoding.models.penalties import HIGHEST_ALPHA, LOWEST_ALPHA, N_ALPHAS, penalty_grid
from b2m_encoding.results.schema.brain2music import EMBEDDINGS, STANDS_FOR, with_preset
from b2m_encoding.spaces.atlas import LABEL_FILES

PAGE = 'the page "study.toml, every key" of the documentation'
"""Where keys are explained."""
RESERVED = {"joint", "preference"}
MAX_PARTITIONED = 6
SpaceName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0)]
Lag = Annotated[float, Field(ge=0, le=30)]
"""Seconds; after thirty the response to a sound is over."""
if TYPE_CHECKING:
    DecoderName = str
    EmbeddingName = str
else:  # a name of the registry; pydantic lists them in its error
    DecoderName = Literal[tuple(DECODERS)]
    EmbeddingName = Literal[EMBEDDINGS]


class CleaningTable(Config):
    """``[cleaning]``: what is done to the responses of each run."""

    detrend: Detrend = "cosine"
    """How slow drift is removed from each run."""
    cutoff: Positive = 128.0
    """Period above which drift is removed, s."""
    zscore: bool = True
    """Give each target mean 0 and variance 1 in each run."""

    def build(self) -> Cleaning:
        """The recipe."""
        return Cleaning(self.detrend, self.cutoff, self.zscore)


class AlphaTable(Config):
    """``[model.alphas]``: the grid of penalties, log-spaced, scikit-learn's scale."""

    low: Positive = LOWEST_ALPHA
    """Smallest penalty."""
    high: Positive = HIGHEST_ALPHA
    """Largest penalty."""
    number: Annotated[int, Field(ge=2, le=10_000)] = N_ALPHAS
    """Number of penalties."""

    def grid(self) -> NDArray[np.float64]:
        """The penalties."""
        return penalty_grid(self.low, self.high, self.number)


class ModelTable(Config):
    """``[model]``: delays, penalties, and how feature spaces are put together."""

    solver: Literal["stacked", "ridge", "banded"] = "stacked"
    """How several feature spaces make one model: ``stacked`` weighs the models of each, of all but one and of all by
    cross-validation; ``ridge`` has one penalty for all, so that a large space crowds out a small one; ``banded`` has a
    penalty for each."""
    scalings: Annotated[int, Field(ge=1)] = 50
    """How many balances between feature spaces a banded model tries; few are enough for few feature spaces."""
    refine: Annotated[int, Field(ge=0)] = 0
    """Gradient steps of a banded model from the best of these balances, for each target by itself; slow, and seldom
    worth more than further ``scalings``."""
    delays: tuple[float, ...] = (3.0, 4.5, 6.0, 7.5)
    """Delays of the features before the responses, s; multiples of the repetition time."""
    delay_prior: Literal["hrf", "flat"] = "hrf"
    """How large the weights at each delay are expected to be: as the haemodynamic response is there, so that more
    delays cost little, or the same at all."""
    smoothness: Positive | None = None
    """Width, s, of a Gaussian prior that makes weights at neighbouring delays alike; by default 1.5 s with the prior
    "hrf", and none with "flat"."""
    scoring: Literal["r2_pooled", "r2", "r"] = "r2_pooled"
    """Score that cross-validation maximises to choose penalties: R2 over all held-out samples, the mean over folds of
    the R2 of each, or that of the correlation."""
    center: Literal["all", "block"] = "all"
    """Remove one mean of all training samples from features and responses, or the mean of every block (run), which
    leaves differences between runs out of the fit."""
    filter_features: bool | None = None
    """Remove slow drift from the features as ``[cleaning]`` does from the responses, so that both hold the same
    frequencies; by default where that is by cosines, a running median or a Savitzky-Golay filter."""
    alphas: AlphaTable = AlphaTable()
    alpha_per: Literal["target", "all"] = "target"
    """Choose a penalty for each target, or one for all."""
    screening: bool = True
    """Compute exact scores only of penalties that can be the best of a target, where that is cheaper; false computes
    all."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of inner folds; by default one block is left out at a time."""
    blocks: Annotated[int, Field(ge=2)] | None = None
    """Cut the training part of each run into this many blocks, to choose the penalty where there is only one run."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models are fitted."""
    memory: Annotated[float, Field(gt=0, le=1e6)] = 2.0
    """Gigabytes that the statistics of the targets fitted at a time may take; more targets are fitted in parts."""
    parts: Annotated[int, Field(ge=1)] = 1
    """Fit the targets in at least this many parts: units of work for a cluster."""


class WindowsTable(Config):
    """``[windows]``: windows of clips are the samples, instead of volumes, as in Brain2Music.

    Features of a window go with the mean of the responses ``lag`` seconds later; there are no delays.
    """

    length: Positive = 10.0
    """Length of a window, s."""
    step: Positive = 1.5
    """Distance between the starts of windows, s."""
    lag: Lag = 4.5
    """Seconds from a sound to the response that goes with it."""
    own: dict[str, Positive] = Field(default_factory=dict)
    """Length of the windows of some feature spaces, s, as in Table 1 of Brain2Music: each is fitted once more by itself
    with them (maps ``rown``, ``pown``, ``qown``), and decoded from them. What compares feature spaces keeps ``length``,
    for all of them then predict the same responses."""

    def of(self, name: str) -> WindowsTable:
        """The windows of one feature space."""
        return self.model_copy(update={"length": self.own.get(name, self.length), "own": {}})


class EvaluationTable(Config):
    """``[evaluation]``: samples that models are evaluated on."""

    kind: Literal["test", "cross-validation"]
    """Test runs, or cross-validation over runs or blocks."""
    test_runs: str = "task-Test*"
    """Pattern of the names of the test runs (``kind = "test"``)."""
    average_repeats: bool = False
    """Average the presentations of each clip in the test runs."""
    blocks: Annotated[int, Field(ge=2)] | None = None
    """Cut each run into this many blocks."""
    gap: Annotated[float, Field(ge=0)] = 0.0
    """Seconds left out between blocks, at least the longest delay."""

    @property
    def presentations(self) -> Literal["average", "repeat"]:
        """What is scored: the average over repeats, or every presentation by itself."""
        return "average" if self.average_repeats else "repeat"


class StatisticsTable(Config):
    """``[statistics]``: significance, comparison of feature spaces, and the audit."""

    test: Literal["auto", "shift", "block", "clip", "paper"] = "auto"
    """How the null distribution is made; "auto" moves clips where repeats are averaged, else takes circular shifts, or
    the longest blocks that are enough."""
    permutations: Annotated[int, Field(ge=100)] = 10_000
    """Number of permutations."""
    refits: Annotated[int, Field(ge=1000)] = 20_000
    """Rearranged responses that models are fitted to for the null distribution of joined folds (cross-validation)."""
    block: Positive = 15.0
    """Length of a block of the bootstrap, and of ``test = "block"``, s; one clip, as a rule."""
    q: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Error rate that is allowed."""
    correction: Literal["bh", "by", "fwe"] = "bh"
    """False discovery rate (Benjamini-Hochberg, -Yekutieli), or family-wise error by the largest statistic."""
    bootstraps: Annotated[int, Field(ge=100)] = 1000
    """Number of bootstrap samples of intervals."""
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Coverage of intervals."""
    intervals: bool = True
    """Maps of the interval of r."""
    preference: Literal["r", "unique", "deltas"] = "r"
    """Compare feature spaces by r of each alone, by what only it explains, or by the penalties of a banded model, which
    describe but do not test."""
    clusters: Literal["none", "mass", "extent", "tfce"] = "none"
    """Family-wise p of clusters, or of threshold-free enhancement, on the mesh of a surface."""
    cluster_threshold: Positive = 3.09
    """z of the vertices of a cluster (mass, extent)."""
    cluster_permutations: Annotated[int, Field(ge=100)] = 1000
    """Number of permutations of clusters."""
    inter_subject: bool = False
    """Ceiling from the responses of the other subjects to the same test stimuli, on one surface or template."""
    partition: bool | None = None
    """Variance partitioning, 2^k - 1 models; by default of two or three feature spaces."""
    audit: bool = True
    """Look for leaks from test to training."""
    generalise: tuple[Literal["group", "subject"], ...] = ()
    """Predict (and decode) groups of clips (genres, speakers) that were left out of training, or subjects by a model of
    the others."""

    def partitions(self, n_features: int) -> bool:
        """Whether the variance is partitioned among this many feature spaces."""
        return 2 <= n_features <= 3 if self.partition is None else self.partition and n_features > 1


class DecodingTable(Config):
    """``[decoding]``: which feature spaces are decoded from the responses, and how."""

    targets: tuple[str, ...] = Field(min_length=1)
    """Feature spaces that are decoded."""
    decoders: tuple[DecoderName, ...] = Field(("regions",), min_length=1)
    """``regions`` is that of Brain2Music; ``ridge`` and ``contrastive`` decode from the whole cortex, ``inverse``
    inverts an encoding model, ``ensemble`` averages the others named here."""
    window: Positive = 10.0
    """Length of a window, s."""
    own_windows: dict[str, Positive] = Field(default_factory=dict)
    """Length of the windows of some targets (the paper has 5 s for w2v-BERT, 15 s for captions)."""
    step: Positive = 1.5
    """Distance between the starts of windows, s."""
    lag: Lag = 4.5
    """Of the windows that are decoded; those of ``[windows]`` where the study has that table."""
    lags: tuple[Lag, ...] = ()
    """Choose the lag among these, by cross-validated r in training."""
    regions: Annotated[int, Field(ge=1)] = 6
    """How many of the best regions are averaged."""
    best_targets: Annotated[int, Field(ge=1)] | Literal["all"] = 2000
    """How many targets the other decoders use: those that an encoding model predicts best in training."""
    calibrate: Literal["none", "all", "dimension"] = "all"
    """Give decoded features the spread of training features, by cross-validated predictions of training windows: all
    dimensions together, or each by itself, which weighs up those that are decoded badly."""
    alphas: AlphaTable | None = None
    """Penalties that the decoders try; by default those of ``[model.alphas]`` where the study has that table, else a
    grid that suits the number of targets: 1 to 10^6 (``regions``), 10 to 10^9 (``ridge``, ``contrastive``)."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of inner folds of the decoders, of whole runs; by default those of ``model.folds``."""
    align: Literal["none", "ridge", "procrustes", "srm"] = "none"
    """Align subjects by the clips they share in training, and decode each by all of them, and by the others alone."""

    @property
    def windows(self) -> WindowsTable:
        """The windows that are decoded."""
        return WindowsTable(length=self.window, step=self.step, lag=self.lag)

    def windows_of(self, target: str, lag: float | None = None) -> WindowsTable:
        """The windows of one target, at a lag that is tried."""
        length = self.own_windows.get(target, self.window)
        return WindowsTable(length=length, step=self.step, lag=self.lag if lag is None else lag)


class ResultsTable(Config):
    """``[results]``: what is kept beside maps and tables, in Zarr."""

    weights: bool = True
    """Weights of the model of all feature spaces."""
    statistics: bool = False
    """Sufficient statistics of the training runs: any penalty and set of feature spaces can be fitted from them."""


def _atlas_path(name: str, info: ValidationInfo) -> str:
    """A file of the user's lies relative to the study; a name stays a name."""
    return str(resolve_path(Path(name), info)) if name.endswith((".toml", *LABEL_FILES)) else name


AtlasName = Annotated[str, AfterValidator(_atlas_path)]


class MapsTable(Config):
    """``[maps]``: atlas and region set of the figures and the region table."""

    atlas: AtlasName = "hcp-mmp1"
    """One that ``b2m atlases`` lists, or the path of a definition or of label files."""
    zoom: str = "auditory_zoom"
    """Region set that detail maps show."""
    regions: tuple[str, ...] = ("core", "belt", "association", "inferior_frontal")
    """Region sets, or names of regions."""


class Study(Config):
    """A study file.

    Read one with :func:`load_study`.
    """

    name: str = Field(min_length=1)
    """Name of the study, on its pages."""
    preset: Literal["brain2music"] | None = None
    """Settings of a publication for every key that this file leaves out: ``brain2music`` (arXiv 2307.11078). The report
    lists every key that differs from them."""
    output: StudyPath
    """Folder of the results."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all random numbers."""
    note: str | None = None
    """Printed on every figure and page (simulated data say so here)."""
    data: AnySource
    cleaning: CleaningTable = CleaningTable()
    features: dict[SpaceName, AnyExtractor] = Field(min_length=1)
    model: ModelTable = ModelTable()
    windows: WindowsTable | None = None
    evaluation: EvaluationTable
    statistics: StatisticsTable = StatisticsTable()
    maps: MapsTable = MapsTable()
    figures: FigureSettings = FigureSettings()
    results: ResultsTable = ResultsTable()
    decoding: DecodingTable | None = None
    stands_for: dict[str, EmbeddingName] = Field(default_factory=dict)
    """Embedding of Brain2Music that a feature space is compared with, where its extractor does not tell."""
    _source: bytes | None = PrivateAttr(None)

    @property
    def source(self) -> bytes | None:
        """Content of the study file as it was parsed; None for a study that was not read from a file."""
        return self._source

    def decoded_windows(self, target: str, lag: float | None = None) -> WindowsTable:
        """Windows of a decoded feature space, at a lag that is tried."""
        assert self.decoding is not None
        if self.windows is None:
            return self.decoding.windows_of(target, lag)
        windows = self.windows.of(target)
        length = self.decoding.own_windows.get(target, windows.length)
        return windows.model_copy(update={"length": length, "lag": windows.lag if lag is None else lag})

    def embedding(self, name: str) -> str | None:
        """Embedding of Brain2Music that a feature space stands for."""
        return self.stands_for.get(name) or STANDS_FOR.get(self.features[name].extractor)

    def with_source(self, content: bytes) -> Study:
        """The same study with the content of its file."""
        study = self.model_copy()
        study._source = content
        return study

    def on_machine(self, device: Literal["auto", "cpu", "cuda"] | None, memory: float | None) -> Study:
        """The same study on another device, or in so many gigabytes: a quarter of them is for statistics."""
        changes = {"device": device, "memory": memory and memory / 4}
        model = self.model.model_copy(update={key: value for key, value in changes.items() if value is not None})
        return self.model_copy(update={"model": model})

    @model_validator(mode="before")
    @classmethod
    def _windows_have_no_delays(cls, table: Any) -> Any:
        """Windows have a lag instead: none is the only delay."""
        if isinstance(table, dict) and "windows" in table and isinstance(table.get("model", {}), dict):
            if "delays" in table.get("model", {}):
                raise ValueError("model.delays are of volumes; the responses to [windows] come windows.lag later")
            return {**table, "model": {**table.get("model", {}), "delays": (0.0,)}}
        return table

    @model_validator(mode="before")
    @classmethod
    def _genre_was_a_group(cls, table: Any) -> Any:
        """Read ``generalise = ["genre"]`` of earlier versions: groups of clips by the column genre."""
        statistics = table.get("statistics") if isinstance(table, dict) else None
        if not isinstance(statistics, dict) or "genre" not in (statistics.get("generalise") or ()):
            return table
        notice('statistics.generalise = ["genre"] is read as ["group"], with clips = { group = "genre" } under [data]')
        wanted = ["group" if one == "genre" else one for one in statistics["generalise"]]
        data = table.get("data")
        if isinstance(data, dict) and data.get("reader") != "zenodo":
            clips = data.get("clips") or {}
            data = {**data, "clips": {"group": "genre", **clips}} if isinstance(clips, dict) else data
        return {**table, "data": data, "statistics": {**statistics, "generalise": wanted}}

    @model_validator(mode="before")
    @classmethod
    def _preset_completes(cls, table: Any) -> Any:
        """Read what the study leaves out from its preset; the last validator before the fields comes first."""
        return with_preset(table)

    @model_validator(mode="after")
    def _stimuli_are_played_as_the_data_set_did(self) -> Study:
        """Fades of a published data set, where the study names none."""
        for table in self.features.values():
            if isinstance(table, AudioExtractor) and "fade" not in table.model_fields_set and self.data.fade:
                table.__dict__["fade"] = self.data.fade
        return self

    @model_validator(mode="after")
    def _decoders_follow_the_model(self) -> Study:
        """Folds and penalties of ``[model]``, where the study names them, are those of the decoders."""
        table, model = self.decoding, self.model
        if table is not None and table.folds is None and model.folds is not None:
            table.__dict__["folds"] = model.folds
        if table is not None and table.alphas is None and "alphas" in model.model_fields_set:
            table.__dict__["alphas"] = model.alphas
        return self

    @model_validator(mode="after")
    def _statistics_are_possible(self) -> Study:
        if self.statistics.partition and len(self.features) > MAX_PARTITIONED:
            raise ValueError(
                f"statistics.partition fits 2^k - 1 models: at most {MAX_PARTITIONED} feature spaces, not "
                f"{len(self.features)}"
            )
        if self.statistics.test == "paper" and self.statistics.correction == "fwe":
            raise ValueError('statistics.correction = "fwe" needs permutations; test = "paper" has none')
        if self.statistics.test == "paper" and self.statistics.clusters != "none":
            raise ValueError('statistics.clusters needs permutations; test = "paper" has none')
        model = self.model
        if model.refine and (model.solver != "banded" or model.scoring == "r" or model.alpha_per == "all"):
            raise ValueError(
                'model.refine goes with solver = "banded", scoring = "r2" or "r2_pooled" and alpha_per = "target"'
            )
        if self.statistics.preference == "deltas" and self.model.solver != "banded":
            raise ValueError('statistics.preference = "deltas" needs model.solver = "banded"')
        if self.windows is not None and self.model.filter_features:
            raise ValueError("model.filter_features filters the features of volumes; samples of [windows] are none")
        if "group" in self.statistics.generalise and self.evaluation.kind != "test":
            raise ValueError('statistics.generalise = ["group"] needs evaluation.kind = "test"')
        if "subject" in self.statistics.generalise and any(one.pca for one in self.features.values()):
            raise ValueError('statistics.generalise = ["subject"]: components of features.pca differ between subjects')
        return self

    @model_validator(mode="after")
    def _tables_fit_together(self) -> Study:
        longest, what = max(self.model.delays, default=0.0), "the longest delay"
        if self.windows is not None:
            longest, what = self.windows.length, "the length of a window"
        if self.evaluation.blocks and self.evaluation.gap < longest:
            raise ValueError(f"evaluation.gap must be at least {what}, {longest:g} s, or blocks share stimuli")
        for name in set(self.features) & RESERVED:
            raise ValueError(f"features.{name}: this name is taken by a map of the results")
        return self

    @model_validator(mode="after")
    def _decoding_fits_together(self) -> Study:
        own = self.windows.own if self.windows else {}
        for key, names in (("windows.own", own), ("stands_for", self.stands_for)):
            for name in names:
                if name not in self.features:
                    raise ValueError(f"{key} names {name}, which is no table under [features]")
        if self.decoding:
            for name in (*self.decoding.targets, *self.decoding.own_windows):
                if name not in self.features:
                    raise ValueError(f"decoding.targets names {name}, which is no table under [features]")
            if self.windows and {"window", "step", "lag"} & self.decoding.model_fields_set:
                raise ValueError("decoding takes the windows of [windows]: leave decoding.window, step and lag out")
            if "ensemble" in self.decoding.decoders and len(set(self.decoding.decoders)) < 3:
                raise ValueError('decoding.decoders: "ensemble" averages the others named there, at least two')
            if self.evaluation.kind != "test":
                raise ValueError('decoding needs evaluation.kind = "test"')
        return self


def load_study(path: Path) -> Study:
    """Read a study file; relative paths start at its folder.

    Raises
    ------
    InputError
        If the file is missing or no TOML.
    ProblemList
        With every unknown key and wrong value; the nearest known key is suggested.
    """
    content = read_bytes(path, *STUDY_FILE)
    table = parse_toml(content, path, STUDY_FILE[0])
    try:
        return Study.model_validate(table, context={"folder": path.resolve().parent}).with_source(content)
    except ValidationError as error:
        raise ProblemList([_problem(path, detail) for detail in _causes(error.errors())]) from error


def _causes(details: Sequence[Any]) -> list[Any]:
    """Complaints without those that a list is too short because what it holds was refused."""

    def follows(detail: Any) -> bool:
        place = detail["loc"]
        return detail["type"] == "too_short" and any(
            other["loc"] != place and other["loc"][: len(place)] == place for other in details
        )

    return [detail for detail in details if not follows(detail)]


def _problem(path: Path, detail: Any) -> InputError:
    """Turn one of pydantic's complaints into ours."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return InputError(cause.problem, file=path, found=cause.found, expected=cause.expected, fix=cause.fix)
    where = ".".join(map(str, written_keys(detail["loc"])))
    heading, meaning = documented(detail["loc"])
    fix = f"see {heading} on {PAGE}"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(detail["loc"][:-1])
        near = get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0.5)
        return InputError(
            "unknown key", file=path, found=where, expected=near[0] if near else ", ".join(known), fix=fix
        )
    if detail["type"] == "missing":
        return InputError("a key is missing", file=path, expected=f"{where}: {meaning}" if meaning else where, fix=fix)
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "path_type":
        message = "a path is needed, as text"
    found = f"{where} = {detail['input']!r}" if where else None
    return InputError(message, file=path, found=found, expected=meaning or None, fix=fix)


def documented(location: tuple[Any, ...]) -> tuple[str, str]:
    """The table of a key, as it is headed on the page of all keys, and the meaning of the key.

    Examples
    --------
    >>> documented(("features", "mel", "acoustic", "stimuli"))[0]
    '[features.NAME] with extractor = "acoustic"'
    >>> documented(("data", "bids", "confounds", "n_compcor"))
    ('[data.confounds]', 'Number of these components.')
    >>> documented(("statistics", "q")), documented(("nothing",))
    (('[statistics]', 'Error rate that is allowed.'), ('Top level', ''))
    """
    models: list[type[Config]] = [Study]
    heading: list[str] = []
    choice, meaning = "", ""
    for part in map(str, location):
        meaning = next((one.meanings()[part] for one in models if part in one.model_fields), meaning)
        if not (below := _children(models, part)):
            continue
        if any(part in one.model_fields for one in models):
            heading, choice = [*heading, part], ""
        else:
            choice = f' with {"reader" if heading == ["data"] else "extractor"} = "{part}"'
        models = below
    table = ".".join(heading).replace("features", "features.NAME")
    return (f"[{table}]{choice}" if heading else "Top level"), meaning


def written_keys(location: tuple[Any, ...]) -> list[Any]:
    """Keys as they are written in the file: without the name of the reader or extractor that pydantic adds.

    Examples
    --------
    >>> written_keys(("features", "category", "conditions", "groups")), written_keys(("data", "bids", "tasks"))
    (['features', 'category', 'groups'], ['data', 'tasks'])
    """
    keys = list(location)
    place = {"data": 1, "features": 2}.get(str(keys[0]) if keys else "")
    if place is not None and len(keys) > place:
        del keys[place]
    return keys


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys of the table at a location of the schema."""
    models: list[type[Config]] = [Study]
    for part in location:
        models = _children(models, str(part)) or models
    return sorted({name for model in models for name in model.model_fields})


def _children(models: list[type[Config]], key: str) -> list[type[Config]]:
    """Table types found below a key, or picked by the value of a discriminator."""
    fields = [(m, f) for m in models for f in m.model_fields.values() if f.is_required()]
    picked = [m for m, f in fields if key in getattr(f.annotation, "__args__", ())]
    if picked:
        return picked
    annotations = [m.model_fields[key].annotation for m in models if key in m.model_fields]
    found: list[type[Config]] = []
    while annotations:
        annotation = annotations.pop()
        if isinstance(annotation, type) and issubclass(annotation, Config):
            found.append(annotation)
        annotations.extend(getattr(annotation, "__args__", ()))
    return found
