from . import decoders, evaluation, generators, retrieval
from .chance import chance_interval, chance_of_scores
from .decoders.alignment import Alignment
from .decoders.base import Decoder
from .decoders.calibration import Calibration
from .decoders.contrastive import ContrastiveDecoder
from .decoders.ensemble import EnsembleDecoder
from .decoders.inverse import InverseDecoder
from .decoders.pooled import PooledDecoder
from .decoders.region import RegionDecoder
from .decoders.registry import DECODERS, DecoderKind, DecoderSettings, build_decoders
from .decoders.ridge import RidgeDecoder
from .evaluation.classes import GROUPS, class_agreement
from .evaluation.distances import kernel_distance
from .evaluation.sounds import sound_identification
from .evaluation.summary import over_subjects
from .evaluation.tagger import AudioSetTagger
from .generators.base import Condition, Exemplar, Generator
from .generators.rank import rank_by_responses
from .generators.registry import GENERATORS, load_generator
from .groups import by_label, group_scores
from .identification import (
    correlations,
    identification_accuracy,
    identification_scores,
    identified,
    n_way,
    ranks,
    shared_clips,
    top_k,
)
from .retrieval.build import build_corpus
from .retrieval.corpus import Corpus, Vectors
from .retrieval.embedding_space import AudioEmbeddingSpace
from .retrieval.exact_search import search
from .retrieval.shards import Preparation
from .retrieval.similarity import Metric, Neighbours

__all__ = [
    "DECODERS",
    "GENERATORS",
    "GROUPS",
    "Alignment",
    "AudioEmbeddingSpace",
    "AudioSetTagger",
    "Calibration",
    "Condition",
    "ContrastiveDecoder",
    "Corpus",
    "Decoder",
    "DecoderKind",
    "DecoderSettings",
    "EnsembleDecoder",
    "Exemplar",
    "Generator",
    "InverseDecoder",
    "Metric",
    "Neighbours",
    "PooledDecoder",
    "Preparation",
    "RegionDecoder",
    "RidgeDecoder",
    "Vectors",
    "build_corpus",
    "build_decoders",
    "by_label",
    "chance_interval",
    "chance_of_scores",
    "class_agreement",
    "correlations",
    "decoders",
    "evaluation",
    "generators",
    "group_scores",
    "identification_accuracy",
    "identification_scores",
    "identified",
    "kernel_distance",
    "load_generator",
    "n_way",
    "over_subjects",
    "rank_by_responses",
    "ranks",
    "retrieval",
    "search",
    "shared_clips",
    "sound_identification",
    "top_k",
]
