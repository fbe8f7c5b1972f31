"""Tables of a results folder: file name and description of every column; JSON sidecars are made from these."""

from __future__ import annotations

from b2m_encoding.results.schema.decoding_tables import BRAIN2MUSIC_TABLE2 as BRAIN2MUSIC_TABLE2
from b2m_encoding.results.schema.decoding_tables import IDENTIFICATION as IDENTIFICATION
from b2m_encoding.results.schema.decoding_tables import PENALTIES as PENALTIES
from b2m_encoding.results.schema.files import JOINT
from b2m_encoding.results.schema.listening_tables import LISTENING_ANSWERS, LISTENING_KEY, LISTENING_SUMMARY
from b2m_encoding.results.schema.reconstruction_tables import CLIP_EVALUATION as CLIP_EVALUATION
from b2m_encoding.results.schema.reconstruction_tables import EVALUATION as EVALUATION
from b2m_encoding.results.schema.reconstruction_tables import EVALUATION_TESTS as EVALUATION_TESTS
from b2m_encoding.results.schema.reconstruction_tables import NEIGHBOURS as NEIGHBOURS
from b2m_encoding.results.schema.reconstruction_tables import RECONSTRUCTION as RECONSTRUCTION
from b2m_encoding.results.schema.table import REGION, SUBJECT
from b2m_encoding.results.schema.table import TEXT_COLUMNS as TEXT_COLUMNS
from b2m_encoding.results.schema.table import Table as Table

SUBJECTS = Table(
    "subjects.tsv",
    {
        **SUBJECT,
        "space": "Space of the targets",
        "figures": "Why there are no maps on the cortex; n/a where there are",
        "targets": "Number of targets",
        "tested": "Targets that were tested",
        "constant": "Targets that do not vary",
        "missing": "Targets with missing values",
        "predicted": "Targets with q below the threshold (joint model)",
        "best_r": "Largest r of the joint model",
        "median_r": "Median r of the predicted targets",
        "samples_trained": "Samples of a training set (mean over splits)",
        "samples_tested": "Held-out samples",
        "test": "How the null distribution was made",
        "permutations": "Permutations",
        "arrangements": "Arrangements that there are",
        "family_wise": "Targets with family-wise p < .05; n/a for the null of the paper, which has none",
        "false_positives": "Share of targets without signal below p = .05, if computed from these data; else n/a",
        "widening": "Factor by which the null distribution was widened for autocorrelation lost at cuts",
        "refits": "Rearranged responses that models were fitted to, where folds are joined; n/a for one test set",
        "refit_method": "How these were rearranged: as in the test, or by random phases over whole runs (phase)",
        "fold_dependence": "Factor by which the null distribution is wider than that of rearranged predictions",
        "test_block": "Samples of a block that changes its place in the test; n/a for other tests",
        "resemblance": "Root mean square of r between predictions and their rearrangements, median of the 100 targets "
        "with the largest r; from .3 on little can become significant",
        "repeats": "Presentations that the noise ceiling follows from",
        "ceiling": "Median noise ceiling of r over the predicted targets",
        "no_ceiling": "Why there is no noise ceiling",
        "interval_blocks": "Blocks that intervals were drawn from; n/a where there are none",
        "interval_block": "Samples of such a block",
        "interval_widening": "Factor of the intervals of r for joined folds, median over the predicted targets",
        "flip_blocks": "Blocks whose signs are flipped, to compare feature spaces",
        "flip_block": "Samples of such a block",
        "flip_widening": "Factor of flipped differences for joined folds, median over the predicted targets",
        "cluster_targets": "Targets in significant clusters",
        "between_low": "Lower inter-subject ceiling of r, mean over the predicted targets",
        "between_high": "Upper inter-subject ceiling of r",
        "no_between": "Why there is no inter-subject ceiling",
    },
)
MODELS = Table(
    "models.tsv",
    {
        **SUBJECT,
        "feature_space": f"Feature space of the model; {JOINT} has all",
        "tested": "Targets that were tested",
        "predicted": "Targets with q below the threshold, of this model",
        "only": f"Those of them that the {JOINT} model does not predict",
        "best_r": "Largest r",
        "median_r": "Median r of the predicted targets",
    },
)
QUALITY = Table(
    "quality.tsv",
    {
        **SUBJECT,
        "run": "Run",
        "role": "training, test, or cross-validated",
        "volumes": "Volumes of the run",
        "tr": "Repetition time, s",
        "seconds": "Length of the run, s",
        "discarded": "Volumes left out at the start",
        "censored": "Other volumes that enter no fit and no score",
        "share_censored": "Share of the volumes after the start that were censored",
        "tsnr": "Temporal signal-to-noise ratio before cleaning: median over targets of mean / standard deviation",
        "mean_fd": "Mean framewise displacement, mm; n/a where confounds do not tell",
        "max_fd": "Largest framewise displacement, mm",
    },
)
AUDIT = Table(
    "audit.tsv",
    {
        **SUBJECT,
        "name": "Check",
        "status": "pass, warn, fail, or not possible",
        "value": "Number that the status follows from; n/a if the check was not possible",
        "warn": "Value from which on the status is warn",
        "fail": "Value from which on the status is fail",
        "meaning": "What was measured",
    },
)
BREAKDOWN = Table(
    "breakdown.tsv",
    {
        **SUBJECT,
        "by": "What the samples were divided by: run, clip, or the column of the groups of clips (genre, speaker)",
        "label": "The run, clip or group",
        "score": "Mean Pearson r of the joint model over the predicted targets, within the samples of this label",
        "targets": "Predicted targets",
        "samples": "Held-out samples of this label",
    },
)
REGIONS = Table(
    "regions.tsv",
    {
        **SUBJECT,
        **REGION,
        "feature_space": f"Feature space of the model; {JOINT} has all",
        "score": "Mean Pearson r over the tested targets of the region, on held-out samples",
        "targets": "Tested targets in the region",
        "significant": "Share of them with q below the threshold, of this model",
    },
)
REGION_TESTS = Table(
    "region_tests.tsv",
    {
        "region": REGION["region"],
        "first": "First feature space",
        "second": "Second feature space",
        "n_subjects": "Subjects with a score of both",
        "difference": "Mean over subjects of the score of the first minus that of the second",
        "low": "Lower end of the t interval of the difference (Fisher's transformation); n/a below three subjects",
        "high": "Upper end of the interval",
        "effect_size": "Hedges' g of the paired differences; n/a below three subjects",
        "effect_low": "Lower end of the interval of Hedges' g",
        "effect_high": "Upper end of the interval",
        "p": "Two-sided p of the difference",
        "q": "The same, adjusted over all rows (Benjamini-Hochberg)",
        "test": "Units whose signs were flipped, or why no test was possible",
        "n_significant": "Subjects with a significant difference of their own",
        "prevalence": "Estimated share of the population with a difference",
        "prevalence_low": "Lower end of the interval of the prevalence",
        "prevalence_high": "Upper end of the interval",
    },
)
REGION_MEANS = Table(
    "region_means.tsv",
    {
        "region": REGION["region"],
        "feature_space": "Feature space of the model",
        "mean": "Mean score over subjects, hemispheres averaged first",
        "n_subjects": "Subjects with a score",
        "low": "Lower end of the t interval over subjects (Fisher's transformation); n/a below three",
        "high": "Upper end of the interval",
    },
)
REGION_MODEL = Table(
    "region_model.tsv",
    {
        "term": "Factor or interaction of the mixed model",
        "statistic": "F",
        "df": "Degrees of freedom of the term, times the epsilon of Greenhouse and Geisser",
        "df_error": "Degrees of freedom of the error, times epsilon",
        "p": "p of the term; n/a where the model was not possible",
    },
    described=False,  # region_model.json holds formula and status of the model
)
PARTITION = Table(
    "partition.tsv",
    {
        **SUBJECT,
        **REGION,
        "part": "Feature spaces that explain this part, each of them and no other",
        "r2": "Mean part of held-out R2 over the tested targets; may be negative",
        "low": "Lower end of the interval (bootstrap over blocks)",
        "high": "Upper end of the interval",
        "targets": "Tested targets in the region",
        "negative": "Targets whose own part is below zero",
        "product": "Mean share of a single feature space in the R2 of the joint model (product measure)",
        "doubt": "What speaks against the part: it is significantly below zero, the joint model predicts worse than "
        "one without its feature spaces, or it is larger than the R2 of one of them",
    },
)
PREFERENCE = Table(
    "preference.tsv",
    {
        **SUBJECT,
        "preferred": "Feature space, or none where no one predicts better than all others",
        "share": "Share of the predicted targets",
    },
)
OVERLAP = Table(
    "overlap.tsv",
    {
        **SUBJECT,
        "first": "First feature space",
        "second": "Second feature space",
        "dice": "Dice coefficient of the targets that each predicts, by its own q",
        "correlation": "Pearson r of the two maps of scores over the tested targets",
        "rank_correlation": "Spearman's rank correlation of the two maps",
        "shared_variance": "Share of the R2 of both together that either explains alone, over targets that either "
        "predicts",
        "n_both": "Targets that both predict",
        "n_first": "Targets that the first alone predicts",
        "n_second": "Targets that the second alone predicts",
    },
)
GENERALISATION = Table(
    "generalisation.tsv",
    {
        **SUBJECT,
        "left_out": "Group of clips (genre, speaker) left out of training, or this subject",
        "r_with": "Mean r over the predicted targets, trained with it",
        "r_without": "Mean r over the predicted targets, trained without it",
        "targets": "Predicted targets",
        "samples": "Held-out samples",
    },
)
LEARNING = Table(
    "learning_curve.tsv",
    {
        **SUBJECT,
        **REGION,
        "feature_space": "Feature space, or joint",
        "draw": "Number of the draw of training runs, whose subsets are nested; 0: all runs",
        "runs": "Training runs",
        "minutes": "Training samples, in minutes",
        "r": "Mean r over the targets on the test samples, which are the same for all",
        "targets": "Tested targets",
    },
)
COMPONENTS = Table(
    f"sub-{{subject}}_desc-{JOINT}_components.tsv",
    {
        "feature_space": "Feature space",
        "feature": "Number of the feature in its space, from 0",
        **{f"pc{i}": f"Loading of the feature on component {i} of the weights" for i in (1, 2, 3)},
    },
)
TAGS = Table(
    "sub-{subject}_desc-names_tuning.tsv",
    {
        **REGION,
        "feature_space": "Feature space whose features have names: tags, acoustic features, words of captions",
        "feature": "Name of the feature",
        "r": "Correlation over held-out clips: mean response of the tested targets of the region, and the feature "
        "(of a word: 1 where the caption contains it)",
        "low": "Lower end of the interval of r (Fisher's transformation), for independent clips",
        "high": "Upper end of the interval of r",
        "q": "False discovery rate among the features of the feature space, in this region",
        "clips": "Held-out clips",
    },
)
DELAYS = Table(
    "sub-{subject}_desc-delays_tuning.tsv",
    {
        "region": "Region, both hemispheres together",
        "delay": "Delay of the features, s",
        "lower_quartile": "Lower quartile over targets of the delay curve (its largest value 1)",
        "median": "Median over targets of the delay curve",
        "upper_quartile": "Upper quartile over targets of the delay curve",
        "targets": "Predicted targets of the region",
    },
)
MOTION = Table(
    "sub-{subject}_desc-motion_timeseries.tsv",
    {
        "run": "Name of the run",
        "volume": "Number of the volume in its run, from 0",
        "fd": "Framewise displacement, mm",
    },
)


def of_subject(table: Table, subject: str) -> str:
    """Path of a table that every subject has of its own, in the results folder."""
    return f"sub-{subject}/{table.file.format(subject=subject)}"


def named_table(subject: str) -> str:
    """Path of the table of named features of a subject in the results folder."""
    return of_subject(TAGS, subject)


CLIPS = Table(
    "clips.tsv",
    {
        "clip": "Label of the clip in all tables",
        "stimulus": "File below the folder of the stimuli, as the events name it",
        "start": "Start of the clip in the file, s",
        "duration": "Length of the clip, s",
        "group": "Group of the clip (its genre, speaker); n/a where it has none",
        "grouped_by": "Column of the events that holds the group; n/a where the study names none",
    },
)
TABLES = (
    SUBJECTS, MODELS, QUALITY, AUDIT, BREAKDOWN, REGIONS, REGION_TESTS, REGION_MEANS, REGION_MODEL, PARTITION,
    PREFERENCE, OVERLAP, GENERALISATION, LEARNING, IDENTIFICATION, PENALTIES, BRAIN2MUSIC_TABLE2, COMPONENTS, TAGS,
    DELAYS, MOTION, CLIPS, RECONSTRUCTION, EVALUATION, CLIP_EVALUATION, EVALUATION_TESTS, NEIGHBOURS, LISTENING_KEY,
    LISTENING_ANSWERS, LISTENING_SUMMARY,
)  # fmt: skip
"""Every table."""
