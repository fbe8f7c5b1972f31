"""Methods text: its numbers are those of the results, each option changes it, and what it cites is BibTeX."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from b2m_encoding.results.reader import Results
from b2m_encoding.results.report.checklist import JOINT_MODEL, checklist
from b2m_encoding.results.report.content import Lines
from b2m_encoding.results.report.findings import findings
from b2m_encoding.results.report.known_rates import simulated_rates
from b2m_encoding.results.report.methods import methods
from b2m_encoding.results.report.references import CITED, bibtex, by_doi, cited, references, with_names
from b2m_encoding.results.report.report_data import ReportData, percents
from b2m_encoding.results.report.result_sections import accuracy
from b2m_encoding.spaces.definition import atlas_folder

from .conftest import REGION, STUDY, Bundle


def decoded(accuracy: float, unheard: float | None = None) -> dict[str, Any]:
    """Results with a summary of one decoding."""
    row = {"subject": "01", "feature_space": "text", "identification_accuracy": accuracy,
           "chance_interval_95": [0.4, 0.6]}  # fmt: skip
    if unheard is not None:
        row |= {"identification_accuracy_unheard_group": unheard, "chance_interval_95_unheard_group": [0.41, 0.59]}
    return {"json": {"identification.json": {"subjects": [row]}}}


def partitioned(*doubts: str | None) -> dict[str, Any]:
    """Results with parts of one region, of which these things are to be doubted."""
    row = {"subject": "01", "hemisphere": "L", "region": "core", "r2": 0.1, "low": 0.0, "high": 0.2, "targets": 26,
           "negative": 1, "product": 0.1}  # fmt: skip
    names = ("sound", "text", "sound+text")
    parts = [row | {"part": part, "doubt": doubt} for part, doubt in zip(names, doubts, strict=True)]
    return {"tables": {"partition.tsv": pd.DataFrame(parts)}}


def parse_bibtex(text: str) -> dict[str, dict[str, str]]:
    """A small parser of its own: braces must balance, every entry has a key of its own and named fields."""
    found: dict[str, dict[str, str]] = {}
    place = 0
    while (start := text.find("@", place)) >= 0:
        head = re.compile(r"@(\w+)\{(\w+),").match(text, start)
        assert head, text[start : start + 40]
        depth, place = 1, head.end()
        fields: dict[str, str] = {}
        while depth:
            if field := re.compile(r"\s*(\w+) = \{").match(text, place):
                begin = place = field.end()
                level = 1
                while level:
                    level += {"{": 1, "}": -1}.get(text[place], 0)
                    place += 1
                fields[field[1]] = text[begin : place - 1]
                place += text[place] == ","
            else:
                closing = re.compile(r"\s*\}").match(text, place)
                assert closing, text[place : place + 40]
                depth, place = 0, closing.end()
        assert head[2] not in found
        found[head[2]] = fields
    return found


def text_of(bundle: Bundle, *args: object, **changes: object) -> str:
    return "\n".join(with_names(text) for text in methods(ReportData(bundle(*args, **changes))))


def test_every_number_is_that_of_the_results(bundle: Bundle) -> None:
    text = text_of(bundle)
    for needed in (
        "2 participants", "4 runs with 1,640 volumes", "repetition time 1.5 s", "20,484 targets", "20,410 were tested",
        "first 15 s", "cosines slower than 128 s", "17 penalties between 0.1 and 1e+07", "3, 4.5, 6 and 7.5 s before",
        "trained on 800 samples and evaluated on 200", "10,000 permutations", "q < 0.05",
        "in simulations of 12 designs of this kind",
        "20 blocks of 10 samples (15 s)", "18 blocks of up to 11 samples (16.5 s)",
        "from 3 presentations", "was 0.64", "sound (acoustic descriptors", "57 features", "numpy 2.4.6", "was 7",
        "These are simulated data", "Glasser et al. 2016", "12 checks: 12 pass",
    ):  # fmt: skip
        assert needed in text, needed
    assert not CITED.search(text)
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("change", "said", "not_said"),
    [
        ('[model]\nsolver = "banded"\nscalings = 15\n',
         ["banded ridge", "15 balances", "Dupré la Tour"], ["ridge regression (Hoerl"]),
        ('[model]\nsolver = "banded"\nrefine = 7\ncenter = "block"\n',
         ["improved by 7 gradient steps", "mean of every block was removed"], []),
        ("[model]\nfolds = 5\ndelays = [2.0]\n",
         ["in 5 folds", "the features 2 s before"], ["one training block at a time"]),
        ("[windows]\nlength = 10.0\n", ["window of 10 s", "4.5 s after the sound"], ["s before it"]),
        ('[cleaning]\ndetrend = "median"\ncutoff = 240.0\n', ["Denk et al. 2023"], []),
        ('[statistics]\ncorrection = "by"\nlevel = 0.9\nq = 0.01\n',
         ["Yekutieli", "q < 0.01", "Intervals of r of the joint model (90%)"], ["Hochberg 1995"]),
        ('[statistics]\ncorrection = "fwe"\n', ["family-wise error"], ["false discovery rate over targets"]),
        ('[statistics]\nclusters = "tfce"\ncluster_permutations = 500\n', ["threshold-free", "500 permutations"], []),
        ('[statistics]\npreference = "unique"\n',
         ["variance that each alone explains"], ["prediction accuracy of each"]),
        ('[statistics]\ngeneralise = ["group", "subject"]\n', ["no clip of that group", "model of all others"], []),
        ("[statistics]\nintervals = false\n", [], ["Intervals of r"]),
        ('[maps]\natlas = "schaefer-200"\nregions = ["x"]\n', ["Schaefer et al. 2018"], ["Glasser"]),
    ],
)  # fmt: skip
def test_an_option_changes_the_text_where_it_acts(
    bundle: Bundle, change: str, said: list[str], not_said: list[str]
) -> None:
    usual = [text_of(bundle)]
    text = text_of(bundle, STUDY + change)
    assert all(one in text for one in said), [one for one in said if one not in text]
    assert not any(one in text for one in not_said)
    assert all(one not in usual[0] for one in said if one not in ("Denk et al. 2023", "Glasser"))


def test_cross_validation_confounds_and_networks_are_told(bundle: Bundle) -> None:
    study = STUDY.replace('kind = "test"', 'kind = "cross-validation"\nblocks = 6\ngap = 8.0').replace(
        "discard = 15.0", 'confounds = { strategy = ["motion", "scrub"], fd_threshold = 0.4 }'
    )
    network = {"n_features": 96, "pretrained": {"model": "a/b", "revision": "0123456789abcdef", "files": {"w": "h"}}}
    text = text_of(bundle, study, runs={"censored": 41}, features={"text": network})
    for needed in ("cross-validation", "each run cut into 6, 8 s unused", "above 0.4 mm", "328 of 3,280 volumes",
                   "Power et al. 2012", "from a/b at revision 0123456789ab", "96 features",
                   "Esteban et al. 2019"):  # fmt: skip
        assert needed in text, needed
    assert "discarded" not in text


def test_what_there_is_not_is_not_claimed(bundle: Bundle) -> None:
    text = text_of(bundle, subjects={"ceiling": float("nan"), "no_ceiling": "no clip was repeated", "test": "paper"})
    assert "No noise ceiling is given: no clip was repeated." in text
    assert "Schoppe" not in text
    assert "as in Brain2Music" in text
    assert "does not control the false discovery rate over targets." in text
    assert "keeps the autocorrelation" not in text
    assert "decoded" not in text


def test_regions_and_a_group_mean_are_told(bundle: Bundle) -> None:
    text = text_of(bundle, subjects={"space": "regions", "targets": 6, "tested": 6})
    assert "Responses were means of 6 regions; all were tested." in text
    assert "Regions were those of" not in text


def test_bibtex_of_what_is_cited_parses(bundle: Bundle) -> None:
    keys = cited(methods(ReportData(bundle())))
    entries = parse_bibtex(bibtex(keys, "1.2.3"))
    assert list(entries) == keys
    assert "hoerl1970" in entries
    assert entries["b2m"]["version"] == "1.2.3"
    for key, fields in parse_bibtex(bibtex(references(), "1.2.3")).items():
        assert {"author", "title", "year"} <= fields.keys(), key
        assert re.fullmatch(r"\d{4}", fields["year"]), key
        assert re.fullmatch(r"10\.\d{4,9}/\S+", fields.get("doi", "10.1234/x")), key
    assert by_doi("Glasser et al. 2016, doi 10.1038/nature18933") == "glasser2016"
    assert by_doi("someone, 2020") is None


@pytest.mark.parametrize(
    ("changes", "question", "answer"),
    [
        ({}, "Is head motion reported?", "no"),
        ({"runs": {"mean_fd": 0.12}}, "Is head motion reported?", "yes"),
        ({}, "Is there a noise ceiling?", "yes"),
        ({"subjects": {"ceiling": float("nan"), "no_ceiling": "none"}}, "Is there a noise ceiling?", "no"),
        ({"subjects": {"permutations": 200}}, "Can p be small enough?", "no"),
        ({}, "Can p be small enough?", "yes"),
        ({"subjects": {"resemblance": 0.35}}, "Do rearranged predictions differ from the true ones?", "no"),
        ({"subjects": {"resemblance": 0.1}}, "Do rearranged predictions differ from the true ones?", "yes"),
        ({}, "Do rearranged predictions differ from the true ones?", "not known"),
        ({"subjects": {"test": "paper"}}, "Does the null distribution keep autocorrelation?", "no"),
        ({"subjects": {"test": "paper"}}, "Is there a correction for many targets?", "no"),
        ({}, "Does the test hold its level?", "yes"),
        ({"subjects": {"samples_tested": 4801}}, "Does the test hold its level?", "not known"),
        ({"subjects": {"test": "block", "samples_tested": 300}}, "Does the test hold its level?", "yes"),
        ({"subjects": {"test": "block", "samples_tested": 299}}, "Does the test hold its level?", "not known"),
        ({"subjects": {"test": "paper", "false_positives": 0.17}}, "Does the test hold its level?", "no"),
        ({"study": STUDY + "[windows]\nlength = 10.0\n", "subjects": {"test": "block", "samples_tested": 300}},
         "Does the test hold its level?", "not known"),
        ({}, "Is every model tested by itself?", "no"),
        ({}, "Are networks pinned by revision and hash?", "not applicable"),
        ({"features": {"text": {"pretrained": {"model": "a/b"}}}}, "Are networks pinned by revision and hash?", "no"),
        ({}, "Does time within the run alone predict nothing?", "yes"),
        ({}, "Is decoding better than chance?", "not applicable"),
        ({}, "Is the drift over runs removed from the responses?", "not known"),
        ({}, "Was every target tested?", "no"),
        ({"subjects": {"tested": 20484}}, "Was every target tested?", "yes"),
        ({}, "Was the lag of the response left to the data?", "yes"),
        ({"study": STUDY + "[model]\ndelays = [4.5]\n"}, "Was the lag of the response left to the data?", "no"),
        ({"study": STUDY + "[windows]\nlength = 10.0\n"}, "Was the lag of the response left to the data?", "no"),
        ({}, "Was the penalty chosen for every target?", "yes"),
        ({"study": STUDY + '[model]\nalpha_per = "all"\n'}, "Was the penalty chosen for every target?", "no"),
        ({}, "Were regions chosen beforehand?", "yes"),
        ({"study": STUDY + '[maps]\natlas = "mine-{hemi}.label.gii"\n'}, "Were regions chosen beforehand?",
         "not known"),
        ({"study": STUDY + '[maps]\natlas = "mine.toml"\n'}, "Were regions chosen beforehand?", "not known"),
        ({"subjects": {"space": "regions"}}, "Were regions chosen beforehand?", "not known"),
        (decoded(0.9), "Does decoding hold for groups of clips left out of training?", "not known"),
        (decoded(0.9, 0.49), "Does decoding hold for groups of clips left out of training?", "no"),
        (decoded(0.9, 0.64), "Does decoding hold for groups of clips left out of training?", "yes"),
        (decoded(0.52), "Is decoding better than chance?", "no"),
        ({}, JOINT_MODEL, "not known"),
        (partitioned(None, None, None), JOINT_MODEL, "yes"),
        (partitioned(None, None, "larger than the R2 of text"), JOINT_MODEL, "yes"),
        (partitioned(None, "significantly below zero; the joint model predicts worse than sound alone", None),
         JOINT_MODEL, "no"),
        (decoded(0.9), "Is decoding better than chance?", "yes"),
    ],
)  # fmt: skip
def test_the_checklist_answers_from_the_results(
    bundle: Bundle, changes: dict[str, Any], question: str, answer: str
) -> None:
    if "mine.toml" in changes.get("study", ""):  # a definition of the user, which the record of the atlas reads
        definition = atlas_folder() / "hcp-mmp1.toml"
        changes = changes | {"study": changes["study"].replace("mine.toml", str(definition))}
    items = {item.question: item for item in checklist(ReportData(bundle(**changes)))}
    assert items[question].answer == answer
    assert all(item.detail for item in items.values())
    assert {item.answer for item in items.values()} <= {"yes", "no", "not known", "not applicable"}


def test_where_the_joint_model_is_worse_is_named_first(bundle: Bundle) -> None:
    worse = "the joint model predicts worse than sound alone"
    report = ReportData(bundle(**partitioned("significantly below zero", f"significantly below zero; {worse}", None)))
    details = {item.question: item.detail for item in checklist(report)}
    assert details[JOINT_MODEL] == f"L core of sub-01 ({worse})"
    assert details["Are all parts of the variance possible?"].startswith("text in L core of sub-01")


def test_the_shipped_rates_are_those_of_the_benchmark() -> None:
    """Made by benchmarks/calibration_table.py from the committed results of benchmarks/calibration.py."""
    folder = Path(__file__).parents[3] / "benchmarks"
    script = runpy.run_path(str(folder / "calibration_table.py"))
    rows = json.loads((folder / "results" / "calibration.json").read_text())["rows"]
    assert list(simulated_rates()) == script["known_rates"](rows)


def test_results_of_an_earlier_version_are_read(bundle: Bundle) -> None:
    """Without block lengths and widening, and with a constant where a rate of false positives should be."""
    results = bundle(subjects={"samples_tested": 4801})
    table = results.table("subjects.tsv").drop(columns=["widening", "interval_block", "flip_blocks", "flip_block"])
    table.assign(false_positives=0.05).to_csv(results.path / "subjects.tsv", sep="\t", index=False, na_rep="n/a")
    report = ReportData(Results.open(results.path))
    [level] = [item for item in checklist(report) if item.question == "Does the test hold its level?"]
    assert level.answer == "not known"
    assert "signs of the differences were flipped in blocks," in "\n".join(methods(report))


def test_joined_folds_are_told(bundle: Bundle) -> None:
    own = {"false_positives": 0.051, "test": "shift", "samples_tested": 700, "widening": 1.3}  # of an earlier version
    results = bundle(STUDY.replace('kind = "test"', 'kind = "cross-validation"'), subjects=own)
    columns = {"refits": 20000, "fold_dependence": 1.37, "interval_widening": 1.2, "flip_widening": 1.0}
    table = results.table("subjects.tsv").assign(**columns)
    table.to_csv(results.path / "subjects.tsv", sep="\t", index=False, na_rep="n/a")
    report = ReportData(Results.open(results.path))
    text, details = "\n".join(methods(report)), {item.question: item.detail for item in checklist(report)}
    assert "models were fitted again to 20,000 responses" in text
    assert "1.370 times as wide" in text
    assert "widened by a factor of 1.200 because folds are joined" in text
    assert "(b + 1)" not in text
    assert "(15 s), widened" not in text
    [rate] = [one for one in simulated_rates() if one["evaluation"] == "cross-validation"]
    assert f"{percents(rate['rate'])} had p < .05, in simulations of {rate['designs']} designs of this kind" in text
    assert "refits: p has no smallest value" in details["Can p be small enough?"]
    assert "for the autocorrelation that is lost at cuts" not in text  # refits and responses are cut alike
    [*_, lines] = [block for block in accuracy(report) if isinstance(block, Lines)]
    assert "sub-01: 20,000 fits to rearranged responses; the joint model has family-wise p < .05" in lines.items[0]


@pytest.mark.parametrize(("widening", "warned"), [(1.05, False), (1.3, True), (float("nan"), False)])
def test_a_wide_null_distribution_is_told(bundle: Bundle, widening: float, warned: bool) -> None:
    report = ReportData(bundle(subjects={"widening": widening}))
    [*_, lines] = [block for block in accuracy(report) if isinstance(block, Lines)]
    assert any("widened by 1.30" in line for line in lines.items) == warned
    assert ("widened by a factor of" in "\n".join(methods(report))) == (widening > 1)


def test_a_failed_check_is_no_yes(bundle: Bundle) -> None:
    results = bundle()
    table = results.table("audit.tsv")
    table.loc[(table["name"] == "fold gap") & (table["subject"] == "02"), ["status", "value"]] = ["fail", 0.9]
    table.to_csv(results.path / "audit.tsv", sep="\t", index=False)
    [item] = [
        one for one in checklist(ReportData(results)) if one.question == "Are scores unlike those of shuffled folds?"
    ]
    assert item.answer == "no"
    assert item.detail.startswith("fail: 0.9")


def test_findings_say_why_nothing_is_significant(bundle: Bundle) -> None:
    alike = {"resemblance": 0.5}
    told = " ".join(findings(ReportData(bundle(subjects=alike | {"predicted": 0}))))
    assert "The test of sub-01 and sub-02 has little power" in told
    assert "little power" not in " ".join(findings(ReportData(bundle(subjects=alike))))


def test_findings_claim_nothing_where_nothing_is_found(bundle: Bundle) -> None:
    rows = [REGION | {"subject": "01", "feature_space": name, "score": score, "significant": 0.0}
            for name, score in (("sound", 0.01), ("text", -0.01))]  # fmt: skip
    none = [{"subject": "01", "preferred": name, "share": 0.0} for name in ("sound", "text", "no preference")]
    table = {"regions.tsv": pd.DataFrame(rows), "preference.tsv": pd.DataFrame(none)}
    told = " ".join(findings(ReportData(bundle(tables=table, subjects={"predicted": 0}, **decoded(0.55)))))
    assert "predict held-out responses of none of 20,410 tested targets of sub-01" in told
    assert "predicts better" not in told
    assert "prefer" not in told
    assert "no better than chance, with an accuracy of 55% (95% of chance: 40% to 60%)" in told
    table["regions.tsv"].loc[0, "significant"] = 0.1
    told = " ".join(findings(ReportData(bundle(tables=table, subjects={"predicted": 3}, **decoded(0.9)))))
    assert "held-out responses of 3 of 20,410" in told
    assert "sound predicts better in core" in told
    assert "an accuracy of 90% (chance 50%)" in told
