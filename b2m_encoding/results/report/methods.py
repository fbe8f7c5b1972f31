"""Methods text of a study: every number comes from the results, every option changes the text where it acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.decoding.decoders.registry import DECODERS
from b2m_encoding.features.networks import AUDIO_ENCODERS
from b2m_encoding.models.penalties import SMOOTHNESS
from b2m_encoding.results.report.inference import statistics_texts
from b2m_encoding.results.report.report_data import ReportData, counted, listed, many, number, span
from b2m_encoding.results.schema import CHANCE, files, tables

EXTRACTORS = {
    "acoustic": "acoustic descriptors of the sound",
    "caption": "hashed words of the caption of each clip",
    "text": "embeddings of the caption of each clip",
    "labels": "one feature per label",
    "conditions": "the amount of each condition in each sample",
    "word_rate": "words per second",
    "context": "a sentence embedding of the last words presented",
    "array": "features made elsewhere",
    "mulan_precomputed": "embeddings of the clips made elsewhere",
    "w2v_bert": "activations of w2v-BERT",
    "codec": "latents of a neural codec before quantisation",
}
CALIBRATIONS = {
    "none": "",
    "all": ", and decoded features were given the spread of training features, one factor for all dimensions, from "
    "cross-validated predictions of training windows",
    "dimension": ", and decoded features were given the spread of training features, a factor for each dimension, from "
    "cross-validated predictions of training windows",
}
SURFACES = {"fsaverage": "fischl1999", "fsLR": "vanessen2012", "MNI152": "fonov2011"}


def methods(report: ReportData) -> list[str]:
    """Paragraphs ready to paste, with citations as keys (``[@hoerl1970]``)."""
    texts = (
        _data(report),
        _cleaning(report),
        _features(report),
        _model(report),
        _evaluation(report),
        *statistics_texts(report),
        _decoding(report),
        _software(report),
    )
    return [text for text in texts if text]


def _data(report: ReportData) -> str:
    people = many(report.n_listeners, "participant")
    reader, mean = report.get("data", "reader"), GROUP_MEAN in set(report.subjects["subject"])
    source = " of the Music Genre neuroimaging data set [@nakai2022]" if reader in ("musicgenre", "zenodo") else ""
    text = [f"Functional MRI responses of {people}{source} were analysed"]
    text += [", and their mean response. " if mean else ". "]
    if note := report.study.get("note"):
        text.append(f"These are {note}. ")
    if (runs := report.quality) is not None:
        own = runs.groupby("subject", sort=False)
        who = "Each" if own.ngroups > 1 else "The participant"
        text.append(
            f"{who} contributed {counted(own['run'].count(), 'run')} with {counted(own['volumes'].sum(), 'volume')} "
            f"in all (repetition time {span(runs['tr'])} s). "
        )
    text.append(_targets(report))
    if reader in ("bids", "musicgenre"):
        text.append(" Data were organised as a BIDS data set [@gorgolewski2016].")
    return "".join(text)


def _targets(report: ReportData) -> str:
    """Sentence on the space of the responses and the targets that were tested."""
    own = report.listeners
    space, count = listed(dict.fromkeys(own["space"])), span(own["targets"])
    kind = next((f" [@{key}]" for name, key in SURFACES.items() if space.startswith(name)), "")
    where = {
        "regions": f"Responses were means of {counted(own['targets'], 'region')}",
        "unplaced": f"There were {count} responses per participant, without places in the brain",
    }.get(space, f"Responses lay in the space {space}{kind}: {count} targets per participant")
    if (own["tested"] == own["targets"]).all():
        return f"{where}; all were tested."
    return (
        f"{where}; {span(own['tested'])} were tested, the others were constant or held missing values and were left "
        "out of every analysis."
    )


def _cleaning(report: ReportData) -> str:
    steps = {name: own for name, own in report.results.provenance.get("cleaning", {}).items() if name != GROUP_MEAN}
    common = [step for step in next(iter(steps.values()), []) if not step.startswith("leave out")]
    same = all([s for s in one if not s.startswith("leave out")] == common for one in steps.values())
    text = []
    if discard := report.get("data", "discard"):
        text.append(f"The first {number(discard)} s of every run were discarded. ")
    if common and same:
        cites = " [@lindquist2019]" if report.get("data", "confounds") else ""
        cites = " [@denk2023]" if report.get("cleaning", "detrend") == "median" and not cites else cites
        text.append(
            "Each run was cleaned by itself, estimated from the volumes that were kept, in this order: "
            f"{'; '.join(common)}{cites}. "
        )
    elif common:
        text.append(f"Each run was cleaned by itself; the steps differ between participants ({files.PROVENANCE}). ")
    if confounds := report.get("data", "confounds"):
        text.append(_confounds(report, confounds))
    return "".join(text).strip()


def _confounds(report: ReportData, confounds: Any) -> str:
    """Sentence on confounds from a table or from fMRIPrep."""
    strategy = confounds.get("strategy", ()) if isinstance(confounds, dict) else ()
    if not strategy:
        return "Confounds were regressed out. "
    text = f"Confounds came from fMRIPrep [@esteban2019], read with Nilearn [@nilearn] (strategy: {listed(strategy)}). "
    if "scrub" in strategy and (runs := report.quality) is not None:
        text += (
            f"Volumes with a framewise displacement above {number(confounds['fd_threshold'])} mm or standardised DVARS "
            f"above {number(confounds['std_dvars_threshold'])} entered no fit and no score [@power2012]: "
            f"{number(runs['censored'].sum())} of {number(runs['volumes'].sum())} volumes. "
        )
    return text


def _features(report: ReportData) -> str:
    made = report.results.provenance.get("features", {})
    parts = [_feature(name, table, made.get(name, {})) for name, table in report.get("features").items()]
    return (
        f"Stimuli were described by {many(len(parts), 'feature space')}: {'; '.join(parts)}. Features were "
        "standardised with the mean and standard deviation of training samples alone."
    )


def _feature(name: str, table: dict[str, Any], made: dict[str, Any]) -> str:
    extractor = table["extractor"]
    what = EXTRACTORS.get(extractor, f"activations of the network {extractor}")
    if extractor == "acoustic":
        what += f" ({listed(table['groups'])})"
    if size := made.get("n_features"):
        what += f", {many(size, 'feature')}"
    if network := made.get("pretrained"):
        layer = f", layer {_layer(extractor, table['layer'])}" if table.get("layer") is not None else ""
        what += f", from {network.get('model')} at revision {str(network.get('revision'))[:12]}{layer}"
        if network.get("shuffled_seed") is not None:
            what += f", its weights shuffled as a control (seed {network['shuffled_seed']})"
    if (pca := table.get("pca")) is not None:
        kept = f"{pca} principal components" if pca >= 1 else f"principal components with {pca:.0%} of the variance"
        what += f", reduced to {kept} fitted to training samples"
    return f"{name} ({what})"


def _layer(extractor: str, layer: int) -> str:
    """Name of a layer, where the layers of the network have names; else its number."""
    network = AUDIO_ENCODERS.get(extractor)
    return network.layers[layer] if network is not None and layer < len(network.layers) else str(layer)


STACKED = (
    " A model of several feature spaces is stacked [@breiman1996; @lin2024]: a weighted mean of the ridge models of "
    "each of them, of all but one, and of all, in which every feature space has the same prior variance. The weights "
    "of each target are not negative, sum to one, and are the posterior mean given the squared error of "
    "cross-validated predictions in the training samples [@bissiri2016], of which a quarter count as independent."
)


def _model(report: ReportData) -> str:
    grid, model = report.get("model", "alphas"), report.study["model"]
    penalties = (
        f"{grid['number']} penalties between {number(grid['low'])} and {number(grid['high'])} "
        f"(log-spaced, added to the sums of squares of the features)"
    )
    where = "each target" if model["alpha_per"] == "target" else "all targets together"
    if model["blocks"]:
        folds = f"by leaving out blocks of the training samples (each run cut into {model['blocks']})"
    elif model["folds"]:
        folds = f"by cross-validation in {model['folds']} folds of whole training blocks"
    else:
        folds = "by leaving out one training block at a time"
    if windows := report.get("windows"):
        lag = (
            f"The mean response to each window of {number(windows['length'])} s of a clip (one every "
            f"{number(windows['step'])} s, {number(windows['lag'])} s after the sound) was predicted from the "
            "features of the window"
        )
        if own := windows.get("own"):
            lengths = listed(f"{name} {number(length)} s" for name, length in own.items())
            lag += f" (maps rown: by windows of its own length for {lengths}, each feature space by itself)"
    else:
        delays = listed(f"{one:g}" for one in model["delays"])
        lag = f"The response at each volume was predicted from the features {delays} s before it"
    ridge = f"ridge regression [@hoerl1970]. Of {penalties} the best for {where} was chosen {folds}"
    if model["solver"] == "banded":
        ridge = (
            "banded ridge regression, which gives every feature space a penalty of its own [@nunezelizalde2019; "
            f"@duprelatour2022]. {model['scalings']} balances between the feature spaces and {penalties} were tried, "
            f"and the best for {where} was chosen {folds}"
        )
        if model.get("refine"):
            ridge += f", then improved by {model['refine']} gradient steps"
    several = len(report.feature_spaces) > 1
    fitted = " One model was fitted with all feature spaces (the joint model) and one with each." if several else ""
    if several and model["solver"] == "stacked":
        fitted += STACKED
    elif several and model["solver"] == "ridge":
        fitted += " All feature spaces of a model shared one penalty."
    centred = (
        " The mean of every block was removed from its training samples." if model.get("center") == "block" else ""
    )
    return f"{lag}, by {ridge}; held-out samples took no part in the choice.{_priors(report)}{centred}{fitted}"


def _priors(report: ReportData) -> str:
    """Priors of the weights over delays, and the filter of the features."""
    model, text = report.study["model"], ""
    if report.get("windows") is None and len(model["delays"]) > 1:
        if model.get("delay_prior") == "hrf":
            text += (
                " The prior standard deviation of the weights at each delay was the height of the canonical "
                "haemodynamic response there, at least a fifth of its peak [@glover1999]."
            )
        width = model.get("smoothness") or (SMOOTHNESS if model.get("delay_prior") == "hrf" else None)
        if width:
            text += (
                f" A Gaussian prior {number(width)} s wide made weights at neighbouring delays alike "
                "[@nunezelizalde2019]."
            )
    asked, detrend = model.get("filter_features", False), report.get("cleaning", "detrend")
    default = detrend in ("cosine", "median", "savgol")
    if report.get("windows") is None and (default if asked is None else asked):
        text += " Slow drift was removed from the features as from the responses."
    return text


def _evaluation(report: ReportData) -> str:
    table = report.study["evaluation"]
    trained, tested = (span(report.listeners[f"samples_{which}"]) for which in ("trained", "tested"))
    size = f"(models trained on {trained} samples and evaluated on {tested})"
    gap = f"{number(table['gap'])} s unused between two" if table["gap"] else "no gap between them"
    blocks = table["blocks"] and f"blocks (each run cut into {table['blocks']}, {gap})"
    if table["kind"] == "test":
        text = f"Models were evaluated on the runs that match {table['test_runs']}, which entered no fit {size}."
    else:
        held_out = f"{blocks or 'whole runs'} were left out in turn"
        text = f"Models were evaluated by cross-validation: {held_out} {size}.{_folds(report)}"
    if table["average_repeats"] and report.repeats_presented:
        text += " Responses to the repeats of a test clip, and their predictions, were averaged before scoring."
    return (
        f"{text} Prediction accuracy is the Pearson correlation r of predicted and measured responses; R2 is given "
        "beside it."
    )


def _folds(report: ReportData) -> str:
    """Sentence on presentations of one stimulus in different runs; empty where there are none."""
    if not (shared := [one for one in report.held_out if one.shared]):
        return ""
    if report.get("evaluation", "blocks"):
        return " A block is the same part of every run, and holds all presentations of its stimuli."
    if all(one.folds < one.runs for one in shared):
        folds = counted([one.folds for one in shared], "fold")
        return f" Runs that present the same stimuli were left out together ({folds})."
    return " Stimuli of runs that were left out are presented in training too."


def _decoding(report: ReportData) -> str:
    if (table := report.get("decoding")) is None or (clips := report.table(tables.IDENTIFICATION)) is None:
        return ""
    windows = report.get("windows") or table
    length = windows.get("length", windows.get("window"))
    own = {**windows.get("own", {}), **table.get("own_windows", {})}
    shorter = "".join(f", of {number(own[name])} s for {name}" for name in table["targets"] if name in own)
    averaged = ". Responses to the repeats of a test clip were averaged before decoding"
    averaged = averaged if report.repeats_presented else ""
    text = (
        f"{_spaces(table['targets'])} decoded from responses averaged over windows of "
        f"{number(length)} s{shorter} (one every {number(windows['step'])} s, {_lag(table, windows)}): "
        f"{listed(_decoders(table))}{averaged}{CALIBRATIONS[table.get('calibrate', 'all')]}. "
        "Identification accuracy is the share of the other test clips "
        f"({span(clips.groupby(['subject', 'target', 'decoder']).size())} clips in all) whose true features are "
        "less like the "
        f"decoded ones than those of the presented clip; chance is {CHANCE:g}, and its 95% interval comes from "
        "assigning predictions to clips at random. Features and predictions were compared in standard units of the "
        "training features, in which all dimensions weigh the same; accuracy in their raw units is given beside it."
    )
    if "accuracy_unheard" in clips:
        text += f" The same was done with decoders trained without any clip of the decoded {report.group_name}."
    return text


def _lag(table: Mapping[str, Any], windows: Mapping[str, Any]) -> str:
    if lags := table.get("lags"):
        return f"as late after the sound as decoded best in training, among {listed(map(number, lags))} s"
    return f"{number(windows['lag'])} s after the sound"


def _decoders(table: Mapping[str, Any]) -> list[str]:
    """Description of every decoder of a study."""
    best = table.get("best_targets", "all")
    where = "all targets" if best == "all" else f"the {number(best)} targets that were predicted best in training"
    texts = [DECODERS[name].methods for name in table.get("decoders", ("regions",))]
    weight = table.get("transport", 0.0)
    term = f" and the Sinkhorn divergence of decoded and true features (weight {number(weight)}) [@feydy2019]"
    keys = {"regions": table["regions"], "targets": where, "transport": term if weight else ""}
    found = [text.format(**keys) for text in texts]
    if (align := table.get("align", "none")) != "none":
        found.append(f"decoders of all subjects, aligned ({align}) by the training clips that they share")
    return found


def _spaces(names: list[str]) -> str:
    return f"The feature space {names[0]} was" if len(names) == 1 else f"The feature spaces {listed(names)} were"


def _software(report: ReportData) -> str:
    versions, used = report.results.provenance.get("versions", {}), []
    cites = {"numpy": "harris2020", "scipy": "virtanen2020", "torch": "paszke2019", "nibabel": "nibabel",
             "nilearn": "nilearn", "statsmodels": "seabold2010", "matplotlib": "hunter2007"}  # fmt: skip
    for name, key in cites.items():
        if versions.get(name):
            used.append(f"{name} {versions[name]} [@{key}]")
    hashes = report.results.provenance.get("inputs")
    seed = report.results.provenance.get("seed", report.study.get("seed"))
    return (
        f"Analyses were done with b2m_encoding {versions.get('b2m-encoding') or _made_by(report)} [@b2m]"
        f"{f', which rests on {listed(used)}' if used else ''}; the seed of all random numbers was {seed}. Maps, "
        f"tables{', the study file and hashes of all inputs' if hashes else ' and the study file'} are in the results "
        "folder, under BIDS-derivatives names."
    )


def _made_by(report: ReportData) -> str:
    return str(report.results.json(files.DESCRIPTION)["GeneratedBy"][0]["Version"])
