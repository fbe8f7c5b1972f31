"""The listening page: hostile text stays text, links stay beside the page, and a headless Chromium plays it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from b2m_encoding.errors import InputError
from b2m_encoding.figures.listening import Excerpt, Listening, Trial, listening_page

from ..chromium import Browser

HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'


def content(folder: str = "sub-01/a b#1") -> Listening:
    excerpts = tuple(Excerpt(label, f"{folder}/{label}.wav", HOSTILE) for label in ("heard", "retrieved", "musicldm"))
    trials = [Trial("01", "blues.00017", excerpts), Trial("02", HOSTILE, excerpts[:2], HOSTILE)]
    numbers = [["method", "identification"], [HOSTILE, "0.750"]]
    return Listening(f"A study {HOSTILE}", trials, HOSTILE, HOSTILE, numbers)


@pytest.mark.parametrize(
    "file", ["/etc/a.wav", "../a.wav", "a/../../b.wav", "https://x.org/a.wav", "", "a\\b.wav", "C:/a.wav"]
)
def test_sounds_lie_beside_the_page(file: str) -> None:
    with pytest.raises(InputError, match="beside the page"):
        Excerpt("heard", file)


def test_every_text_is_escaped() -> None:
    page = listening_page(content())
    assert page.count("<script") == 1
    assert "<img" not in page
    assert page.count("<audio") == 5
    assert 'src="sub-01/a%20b%231/heard.wav"' in page
    assert page.count("<h2>") == 2
    assert page.count("<tr>") == 2
    assert "Report" not in page
    assert '<a href="report.html">Report</a>' in listening_page(replace(content(), report="report.html"))


def test_it_plays_from_a_file(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "results é" / "sub-01" / "a b#1"
    folder.mkdir(parents=True)
    for i, label in enumerate(("heard", "retrieved", "musicldm")):
        soundfile.write(folder / f"{label}.wav", 0.1 * np.sin(np.arange(8000 * (3 + i)) / 5), 8000)
    file = tmp_path / "results é" / "listen.html"
    file.write_text(listening_page(content()), encoding="utf-8")
    browser.size(900, 700)
    browser.send("Page.navigate", url=file.as_uri())
    browser.wait("document.readyState === 'complete' && document.querySelectorAll('audio').length === 5")
    assert browser.run("document.title") == f"A study {HOSTILE}"
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    seconds = browser.run(
        "Promise.all([...document.querySelectorAll('audio')].slice(0, 3).map((sound) => new Promise((done) => {"
        " sound.onloadedmetadata = () => done(sound.duration); sound.onerror = () => done(-1);"
        " sound.preload = 'metadata'; sound.load(); })))"
    )
    assert np.allclose(seconds, [3, 4, 5])
    browser.tab_through()
    browser.click(400, 20)  # a page may not play before it is touched
    for i in range(2):
        browser.run(f"document.querySelectorAll('audio')[{i}].play()")
    browser.wait("document.querySelectorAll('audio')[1].currentTime > 0")
    time.sleep(0.05)
    assert browser.run("[...document.querySelectorAll('audio')].map((sound) => sound.paused)")[:2] == [True, False]
    assert not browser.failures
    assert not browser.console
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)
