"""Names of the files of a results folder, and the words that they share."""

from __future__ import annotations

import re

JOINT = "joint"
"""The model of all feature spaces."""
GROUP = "group"
"""Label, in place of a subject's, of maps of all subjects."""
CHANCE = 0.5
"""Identification accuracy of random predictions."""

STUDY = "study.toml"
"""The study file as the user wrote it."""
SETTINGS = "study.json"
"""The study with every default written out."""
ATLAS = "atlas.json"
"""Name, citation and licence of the atlas."""
PROVENANCE = "provenance.json"
"""Versions, seed, times, hashes of the inputs, cleaning steps, networks."""
MANIFEST = "manifest.json"
"""Hash of every file."""
DESCRIPTION = "dataset_description.json"
"""Description of a BIDS data set; ours names this package as its generator."""
IDENTIFICATION_SUMMARY = "identification.json"
"""Identification accuracy per subject, feature space and decoder."""
REGION_MODEL_SUMMARY = "region_model.json"
"""Formula, status, notes and variances of the mixed model of regions."""
BEING_WRITTEN = re.compile(r"\.(.+)\.partial-[0-9]+(?:-[0-9a-f]+)?")
"""Name of a results folder until it is complete."""
REPORT = "report.html"
"""The report: page of the study."""
VIEW = "view.html"
"""The interactive page."""
LISTEN = "listen.html"
"""The page that plays reconstructions."""
LISTENING_TEST = "listening_test.html"
"""The blind listening test: one file with its sounds."""
COMPARED = "comparison.html"
"""The page of a comparison of two results."""
FIGURES = "figures"
RECONSTRUCTION = "reconstruction"
PAPER = "paper"
"""Folder of figures and tables beside those of Brain2Music, and its page."""
README = "README"
BIDS_IGNORE = ".bidsignore"

SUBJECT_FOLDER = "sub-{subject}"
"""Folder of the files of a subject; a test compares all names here with what a run writes."""
SUBJECT_PAGE = "sub-{subject}.html"
"""The report: page of a subject."""
MAP = "sub-{subject}{hemi}_space-{space}_desc-{desc}_stat-{stat}_statmap{suffix}"
"""File of a map in the folder of its subject; ``hemi`` is ``_hemi-L``, ``_hemi-R`` or nothing."""
MAP_FILE = re.compile(
    r"sub-(?P<subject>[^_]+)(?:_hemi-[LR])?_space-(?P<space>.+)_desc-(?P<desc>[^_]+)_stat-(?P<stat>[^_]+)_statmap"
)
"""Pattern of the names that :data:`MAP` gives."""
CLIP_RESPONSES = "sub-{subject}_desc-heldout_responses.npz"
"""Measured and predicted responses to held-out clips, in short, for the interactive page."""
BLOCKS = "sub-{subject}_desc-heldout_blocks.npz"
"""Contribution of every held-out block to the accuracy of every model, to compare studies."""
DESIGN = "sub-{subject}_desc-features_design.npz"
"""Features of one run, and correlations of the features, in short, for the figure ``design``."""
WEIGHTS = f"sub-{{subject}}_desc-{JOINT}_weights.zarr"
"""Weights of the joint model, per feature space of shape (n_delays, n_features, n_targets)."""
STATISTICS = "sub-{subject}_statistics.zarr"
"""Sufficient statistics of the training runs."""
DECODED = "sub-{subject}_desc-{target}_decoder-{decoder}_decoded.npz"
"""Decoded features of the test clips, and the true ones."""
RERANKING_MODEL = "sub-{subject}_desc-{target}_encoder.npz"
"""Encoding model of the windows that ranks candidates of a reconstruction."""

IGNORED_BY_BIDS = f"""\
# Names that BIDS has not taken up yet: statistical maps, decoded features, weights, and tables of a whole study.
*_statmap.*
*_responses.*
*_blocks.npz
*_design.*
*_tuning.*
*_decoded.npz
*_encoder.npz
*_components.*
*.zarr
/*.tsv
/*.json
!/{DESCRIPTION}
*.html
*.toml
{FIGURES}
{RECONSTRUCTION}
{PAPER}
"""
README_TEXT = f"""\
Results of an analysis by b2m_encoding {{version}}: {{name}}

{REPORT} describes methods and results. sub-* hold maps (GIfTI, NIfTI, CIFTI or tables, each described by a JSON
sidecar) and weights (Zarr); the tables here have JSON files that explain their columns. {STUDY} is the analysis,
{PROVENANCE} names the software and the input files it was done with, {MANIFEST} holds the hash of every file.
Python: b2m_encoding.results.reader.Results.open(this folder).
"""
COMPARISON_README = f"""\
Comparison of two results by b2m_encoding {{version}}: {{name}}

{COMPARED} shows it. sub-* hold maps of the difference with its interval, p and q; the tables have JSON files that
explain their columns; {PROVENANCE} names the results that were compared.
"""


def entity(text: str) -> str:
    """Make a value of a BIDS entity, which holds letters and digits only.

    Examples
    --------
    >>> entity("w2v_bert"), entity("joint")
    ('W2VBert', 'joint')
    """
    return "".join(character for character in text.title() if character.isalnum()) if "_" in text else text
