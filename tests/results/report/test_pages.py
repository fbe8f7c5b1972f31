"""Pages of the report: complete from a folder alone, escaped, self-contained; a browser has no complaint."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.results.reader import Results
from b2m_encoding.results.report import write_report

from ...chromium import Browser
from .conftest import STUDY, Bundle

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\" {{ 7 * 7 }}"
PART = {"subject": "01", "hemisphere": "L", "r2": 0.1, "low": 0.0, "high": 0.2, "targets": 3, "negative": 1,
        "product": 0.05}  # fmt: skip
IDENTIFIED = {"subject": "01", "target": "text", "accuracy": 0.9, "identified": "pop.00001"}


class Content(HTMLParser):
    """Tags, links, anchors and visible text of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.names: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.tags.append(tag)
        self.handlers += [name for name in own if name.startswith("on")]
        if tag == "a":
            self.links.append(own["href"] or "")
        if "src" in own:
            self.sources.append(own["src"] or "")
        if "id" in own:
            self.names.append(own["id"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def hostile(bundle: Bundle) -> Results:
    name = HOSTILE.replace("'", "").replace('"', "").replace("\\", "")
    tables = {
        "partition.tsv": pd.DataFrame([PART | {"region": HOSTILE, "part": HOSTILE}]),
        "identification.tsv": pd.DataFrame([IDENTIFIED | {"clip": HOSTILE}]),
    }
    found = [{"subject": "01", "feature_space": "text", "identification_accuracy": 0.9,
              "chance_interval_95": [0.4, 0.6], "clips": 10,
              "notes": ["1 test clip was heard in training"]}]  # fmt: skip
    study, json = STUDY.replace('"A study"', f"'{name}'"), {"identification.json": {"subjects": found}}
    results = bundle(study, caption=HOSTILE, tables=tables, json=json)
    (results.path / "view.html").write_text("<!doctype html>")
    (results.path / "listen.html").write_text("<!doctype html>")
    return results


def test_pages_are_complete_escaped_and_self_contained(hostile: Results) -> None:
    pages = write_report(hostile)
    assert [page.name for page in pages] == ["report.html", "sub-01.html", "sub-02.html"]
    found = {page.name: Content(page) for page in pages}
    for page in found.values():
        assert not {"script", "iframe", "link rel=stylesheet", "object"} & {*page.tags}
        assert not page.handlers
        assert all(source.startswith("data:image/webp;base64,") for source in page.sources)
        assert "{{ 7 * 7 }}" in page.text
        assert "<script>alert(" in page.text
        for link in page.links:
            target = unquote(link)
            assert target[1:] in page.names if target.startswith("#") else (hostile.path / target).is_file(), link
    study, first, _ = found.values()
    assert {"summary", "methods", "quality", "audit", "accuracy", "decoding", "checklist",
            "provenance"} <= set(study.names)  # fmt: skip
    assert {"view.html", "listen.html"} <= set(study.links)
    assert "listen.html" in first.links
    assert "methods" not in first.names
    assert "91.2" in first.text
    assert "chance is 0.5. 1 test clip was heard in training." in study.text
    assert len(study.sources) == 3
    assert len(first.sources) == 1
    places = [study.names.index(name) for name in ("summary", "accuracy", "decoding", "methods", "audit")]
    assert places == sorted(places)
    assert re.search(r"Leakage audit: (\d) of \1 checks? passed\.", first.text), first.text[-3000:]


def test_the_folder_alone_is_enough(bundle: Bundle, tmp_path: Path) -> None:
    """Moved, without the study file's folder and data: the same report."""
    results = bundle()
    before = [page.read_bytes() for page in write_report(results)]
    moved = tmp_path / "elsewhere" / "kept"
    moved.parent.mkdir()
    shutil.move(results.path, moved)
    assert [page.read_bytes() for page in write_report(Results.open(moved))] == before


def test_older_results_are_told_what_they_lack(bundle: Bundle) -> None:
    results = bundle()
    (results.path / "study.json").unlink()
    with pytest.raises(InputError, match=r"(?s)study\.json.*b2m run"):
        write_report(results)
    assert not (results.path / "report.html").exists()


def test_what_differs_from_a_preset_is_listed(bundle: Bundle) -> None:
    preset = 'preset = "brain2music"\n' + STUDY + "[model]\ndelays = [3.0]\n[cleaning]\ncutoff = 128.0\n"
    page = Content(write_report(bundle(preset))[0])
    assert "Settings that differ from the preset" in page.text
    assert "cleaning.cutoff" in page.text
    assert "cleaning.detrend" not in page.text


def test_long_tables_are_cut_and_say_so(bundle: Bundle) -> None:
    rows = [{"subject": "01", "left_out": f"<{i}>", "r_with": 0.2, "r_without": 0.1, "targets": 5, "samples": 10}
            for i in range(300)]  # fmt: skip
    page = Content(write_report(bundle(tables={"generalisation.tsv": pd.DataFrame(rows)}))[0])
    assert "First 200 of 300 rows." in page.text
    assert "<199>" in page.text
    assert "<200>" not in page.text


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_them_without_complaint(browser: Browser, hostile: Results, width: int) -> None:
    for path in write_report(hostile):
        browser.size(width, 900)
        browser.show(path)
        assert browser.console == []
        assert browser.failures == []
        assert all(url.startswith(("file:", "data:")) for url in browser.requests)
        assert {url for url in browser.requests if url.startswith("file:")} == {path.as_uri()}
        assert browser.run("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.title").startswith("<script>alert(x)")
    browser.run("document.querySelector('nav a[href=\"sub-01.html\"]').click()")
    browser.wait("location.pathname.endsWith('sub-01.html') && document.readyState === 'complete'")


def test_the_keyboard_is_enough(browser: Browser, hostile: Results) -> None:
    """Every link and button is reached; a figure is enlarged and closed again, where it was."""
    browser.size(1280, 900)
    browser.show(write_report(hostile)[0])
    browser.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    browser.tab_through()
    figures = "document.querySelectorAll('figure')"
    for i, (key, code) in enumerate((("Enter", 13), (" ", 32))):
        browser.run(f"{figures}[{i}].querySelector('.enlarge').focus()")
        top = browser.run("scrollY")
        browser.press(key, code)
        browser.wait(f"{figures}[{i}].matches(':popover-open')")
        box = browser.run(f"(({{x, y, width}}) => [x, y, width])({figures}[{i}].getBoundingClientRect())")
        assert box == [0, 0, 1280]
        for _ in range(10):  # nothing behind it takes the focus
            browser.press("Tab", 9)
            assert browser.run(f"[{figures}[{i}], document.body].some((one) => one === document.activeElement || "
                               "(one.tagName === 'FIGURE' && one.contains(document.activeElement)))")  # fmt: skip
        browser.press("Escape", 27)
        browser.wait(f"!{figures}[{i}].matches(':popover-open')")
        assert browser.run("scrollY") == top
        assert browser.run("document.activeElement.className") == "enlarge"
    browser.click_on("figure .enlarge")
    browser.click_on(".close")
    assert not browser.run("document.querySelector(':popover-open')")


def test_it_prints(browser: Browser, hostile: Results) -> None:
    browser.show(write_report(hostile)[0])
    assert browser.pdf().startswith(b"%PDF")
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.send("Emulation.setEmulatedMedia", media="")
