"""The blind listening test: it tells nothing, runs to its end in Chromium, and is analysed as by hand."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.stats import beta

from b2m_encoding.errors import InputError
from b2m_encoding.reconstruction import analyse_answers, write_listening_test
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.schema import listening_tables, tables
from b2m_encoding.spaces import RegionSpace

from ..chromium import Browser

CLIPS = ("blues.00001", "blues.00002", "jazz.00003", "jazz.00004")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results with reconstructions of four clips, as sounds with telling titles."""
    folder = tmp_path / "results"
    with ResultsWriter(folder, "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.array([0.3]), RegionSpace(("A1",)), {})
        writer.file("study.toml").write_text('note = "simulated data"\n')
        rows = []
        for i, clip in enumerate(CLIPS):
            for j, method in enumerate(("heard", "retrieved", "musicldm", "oracle")):
                file = writer.file("sub-01", "reconstruction", clip, f"{method}.wav")
                with soundfile.SoundFile(file, "w", 8000, 1) as stream:
                    stream.title = f"{method} of {clip}"
                    stream.write(0.1 * np.sin(np.arange(1600) * (i + 1) * (j + 1) / 20))
                rows.append({"subject": "01", "clip": clip, "method": method, "rank": 1,
                             "file": file.relative_to(writer.folder).as_posix(), "target": "acoustic",
                             "decoder": "regions"})  # fmt: skip
        writer.write_table(tables.RECONSTRUCTION, rows)
        writer.write_table(tables.CLIPS, [{"clip": clip, "group": clip[:-6]} for clip in CLIPS])
    return folder


def content_of(page: Path) -> dict[str, object]:
    return json.loads(re.search(r'id="test">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])


def test_the_page_tells_nothing(results: Path) -> None:
    page = write_listening_test(results, seed=1)
    html = page.read_text(encoding="utf-8")
    key = pd.read_csv(results / "listening_key.tsv", sep="\t")
    assert key["method"].unique().tolist() == ["musicldm"]
    assert set(key["clip"]) == set(key["other"]) == set(CLIPS)
    assert (key["clip"] != key["other"]).all()
    assert key["right"].value_counts().tolist() == [2, 2]
    for word in (*CLIPS, "musicldm", "retrieved", "sub-01", ".wav"):
        assert word not in html
    sounds = [base64.b64decode(text.split(",", 1)[1]) for text in content_of(page)["sounds"].values()]
    assert len(sounds) == 8
    assert not any(word.encode() in sound for sound in sounds for word in (*CLIPS, "musicldm", "heard"))
    assert len({len(sound) for sound in sounds}) == 1
    right = dict(zip(key["trial"], key["right"], strict=True))
    for trial in content_of(page)["trials"]:
        own = key[key["trial"] == trial["trial"]].iloc[0]
        sent = base64.b64decode(content_of(page)["sounds"][trial[right[trial["trial"]]]].split(",", 1)[1])
        stored, _ = soundfile.read(results / "sub-01" / "reconstruction" / own["clip"] / "musicldm.wav", dtype="int16")
        assert stored.tobytes() in sent
    assert write_listening_test(results, seed=1).read_text(encoding="utf-8") == html
    assert write_listening_test(results, seed=2).read_text(encoding="utf-8") != html
    assert pd.read_csv(results / "listening_key.tsv", sep="\t")["page"].nunique() == 2


def test_sounds_of_two_corpora_are_not_mixed(results: Path) -> None:
    file = results / tables.RECONSTRUCTION.file
    table = pd.read_csv(file, sep="\t")
    other = table.assign(corpus="b", file=table["file"].str.replace("retrieved", "oracle"))
    pd.concat([table.assign(corpus="a"), other]).iloc[::-1].to_csv(file, sep="\t", index=False)
    shown = {}
    for corpus in (None, "a", "b"):
        page = write_listening_test(results, method="retrieved", corpus=corpus)
        shown[corpus] = set(content_of(page)["sounds"].values())
    assert shown[None] == shown["b"]
    assert shown["a"] != shown["b"]
    with pytest.raises(InputError, match="no such reconstructions"):
        write_listening_test(results, corpus="c")


def test_a_listener_answers_to_the_end(results: Path, browser: Browser, b2m: Callable[..., tuple[int, str]]) -> None:
    page = write_listening_test(results)
    key = pd.read_csv(results / "listening_key.tsv", sep="\t").set_index("trial")
    orders, files = [], []
    for listener in ("anna b", "c"):
        browser.size(700, 600)
        browser.show(page)
        browser.wait("document.documentElement.dataset.ready === 'true'")
        browser.click_on("#listener")
        for letter in listener:
            browser.press(letter)
        browser.press("Enter", 13)
        browser.press("ArrowLeft")  # nothing was played yet: no answer
        for i in range(len(CLIPS)):
            browser.wait(f"document.getElementById('place').textContent.startsWith('{i + 1} of')")
            for number, name in (("r", "reference"), ("1", "first"), ("2", "second")):
                browser.press(number)
                browser.wait(f"document.querySelector('[data-sound={name}]').classList.contains('heard')")
            browser.press("ArrowLeft" if i else "ArrowRight")
        browser.wait("document.documentElement.dataset.done === 'true'")
        text = browser.run("document.getElementById('answers').value")
        assert browser.run("document.getElementById('save').download") == f"answers_{listener.replace(' ', '-')}.tsv"
        files.append(results.parent / f"{listener}.tsv")
        files[-1].write_text(text, encoding="utf-8")
        assert not browser.failures
        assert all(url.startswith(("file:", "data:", "blob:")) for url in browser.requests)
        orders.append(pd.read_csv(files[-1], sep="\t")["trial"].tolist())
    assert orders[0] != orders[1]
    given = pd.concat([pd.read_csv(file, sep="\t") for file in files])
    assert given["listener"].value_counts().to_dict() == {"anna b": 4, "c": 4}
    assert (given["plays"] == 3).all()
    second = given["place"] == 1
    assert (given["chosen"] == given["first"]).tolist() == (~second).tolist()
    right = int((given["chosen"].to_numpy() == key.loc[given["trial"], "right"].to_numpy()).sum())
    code, printed = b2m("listen", results, *files)
    assert code == 0, printed
    summary = pd.read_csv(results / "listening_summary.tsv", sep="\t")
    assert summary.loc[0, ["by", "answers", "right", "clips", "listeners"]].tolist() == ["all", 8, right, 4, 2]


def test_answers_are_analysed_as_by_hand(results: Path, tmp_path: Path) -> None:
    """Five of eight right: the interval from the beta distribution, the binomial p by counting."""
    write_listening_test(results, method="retrieved", seed=3)
    key = pd.read_csv(results / "listening_key.tsv", sep="\t").sort_values("clip")
    correct = {"u": [True, True, True, False], "v": [True, False, True, False]}
    for listener, values in correct.items():
        rows = [
            (page, listener, i, trial, "a", right if good else "ab".replace(right, ""), 1.0, 3)
            for i, (page, trial, right, good) in enumerate(
                zip(key["page"], key["trial"], key["right"], values, strict=True)
            )
        ]
        table = pd.DataFrame(rows, columns=list(listening_tables.LISTENING_ANSWERS.columns))
        table.to_csv(tmp_path / f"{listener}.tsv", sep="\t", index=False)
    found = analyse_answers(results, [tmp_path / "u.tsv", tmp_path / "v.tsv"]).set_index(["by", "label"])
    everything = found.loc[("all", "all")]
    assert everything[["answers", "right", "proportion"]].tolist() == [8, 5, 5 / 8]
    assert everything["low"] == pytest.approx(beta.ppf(0.025, 5, 4))
    assert everything["high"] == pytest.approx(beta.ppf(0.975, 6, 3))
    assert everything["p"] == pytest.approx(2 * (56 + 28 + 8 + 1) / 256)
    assert found.loc[("listener", "u"), "right"] == 3
    assert found.loc[("genre", "blues"), ["answers", "right"]].tolist() == [4, 3]
    assert found.loc[("genre", "jazz"), ["answers", "right"]].tolist() == [4, 2]
    ends = found[["low", "high", "clips_low", "clips_high", "listeners_low", "listeners_high"]].stack().dropna()
    assert ends.between(0, 1).all()
    assert everything["clips_low"] < 5 / 8 < everything["clips_high"]
    with pytest.raises(InputError, match="answers a trial twice"):
        analyse_answers(results, [tmp_path / "u.tsv", tmp_path / "u.tsv"])
    text = (tmp_path / "u.tsv").read_text()
    (tmp_path / "x.tsv").write_text(text.replace(key["page"].iloc[0], "p0"))
    with pytest.raises(InputError, match="another listening test"):
        analyse_answers(results, [tmp_path / "x.tsv"])
    (tmp_path / "x.tsv").write_text(text.replace("\ta\t", "\tq\t").replace("\tb\t", "\tq\t"))
    with pytest.raises(InputError, match="no valid answers"):
        analyse_answers(results, [tmp_path / "x.tsv"])
    (tmp_path / "x.tsv").write_text("listener\n")
    with pytest.raises(InputError, match="lack columns"):
        analyse_answers(results, [tmp_path / "x.tsv"])


def test_what_is_missing_is_named(results: Path) -> None:
    with pytest.raises(InputError, match="no such reconstructions"):
        write_listening_test(results, method="magenta_rt")
    with pytest.raises(InputError, match="no such reconstructions"):
        write_listening_test(results, subjects=["07"])
    with pytest.raises(InputError, match="two clips"):
        write_listening_test(results, trials=1)
