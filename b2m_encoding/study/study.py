"""The study: the whole analysis in one table, whose parts fit together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from b2m_encoding.config import Config, StudyPath
from b2m_encoding.data.sources import AnySource
from b2m_encoding.errors import notice
from b2m_encoding.features.extractors import AnyExtractor, AudioExtractor
from b2m_encoding.figures.settings import FigureSettings
from b2m_encoding.results.schema.brain2music import STANDS_FOR, with_preset
from b2m_encoding.study.tables import (
    CleaningTable,
    DecodingTable,
    EmbeddingName,
    EvaluationTable,
    MapsTable,
    ModelTable,
    ResultsTable,
    StatisticsTable,
    WindowsTable,
)

RESERVED = {"joint", "preference"}
MAX_PARTITIONED = 6
SpaceName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


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
        for key, asked in (
            ('generalise = ["group"]', "group" in self.statistics.generalise),
            ("learning_curve", self.statistics.learning_curve),
        ):
            if asked and self.evaluation.kind != "test":
                raise ValueError(f'statistics.{key} needs evaluation.kind = "test"')
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
            if self.evaluation.kind != "test":
                raise ValueError('decoding needs evaluation.kind = "test"')
        return self
