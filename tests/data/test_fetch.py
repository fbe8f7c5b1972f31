"""Downloading, up to the edge of the network: what is said first, what is called, and what is refused."""

from __future__ import annotations

import inspect
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from b2m_encoding.data import fetch
from b2m_encoding.data.fetch import BYTES_PER_SUBJECT, Download
from b2m_encoding.errors import InputError


def stub_tool(folder: Path, code: int = 0) -> Path:
    """A ``datalad`` that only writes down how it was called (the real one is not installed here)."""
    folder.mkdir()
    for name in ("datalad", "git-annex", "git"):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho "$0 $@" >> "{folder}/calls"\nexit {code}\n')
        script.chmod(0o755)
    return folder / "calls"


def only_datalad(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(fetch, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_size_and_licence_are_said_first(tmp_path: Path) -> None:
    text = Download("ds003720", ("001", "sub-004"), tmp_path / "data").describe()
    for expected in ("18.6 GB", "CC0", "001, 004", "re-identify", "openneuro.ds003720.v1.0.0"):
        assert expected in text
    assert Download("ds003720", (), tmp_path).n_bytes == 5 * BYTES_PER_SUBJECT


def test_nothing_is_fetched_unless_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, b2m: Callable[..., tuple[int, str]]
) -> None:
    calls = stub_tool(tmp_path / "bin")
    only_datalad(monkeypatch, tmp_path / "bin")
    monkeypatch.setattr("typer.confirm", lambda text: False)
    code, printed = b2m("fetch", "ds003720", "--subject", "001", "--to", tmp_path / "data")
    assert code == 1
    assert "9.3 GB" in printed
    assert not calls.exists()


def test_datalad_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, b2m: Callable[..., tuple[int, str]]
) -> None:
    calls = stub_tool(tmp_path / "bin")
    only_datalad(monkeypatch, tmp_path / "bin")
    monkeypatch.setattr(Download, "free_bytes", 10**12)
    data = tmp_path / "data"
    assert b2m("fetch", "ds003720", "--subject", "002", "--to", data, "--yes")[0] == 0
    lines = [line.split(" ", 1)[1] for line in calls.read_text().splitlines()]
    assert lines == [
        f"clone https://github.com/OpenNeuroDatasets/ds003720.git {data}",
        f"-C {data} checkout --quiet 1.0.0",
        f"get --dataset {data} {data / 'sub-002'}",
    ]
    calls.unlink()
    (data / ".datalad").mkdir(parents=True)
    assert b2m("fetch", "ds003720", "--subject", "002", "--to", data, "--yes")[0] == 0
    assert "clone" not in calls.read_text()


def test_the_version_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real git on a data set that went on after the version; only datalad is made up, from git clone."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(tmp_path / "source")]
    (tmp_path / "source").mkdir()
    commit = ["commit", "-q", "--allow-empty", "-m"]
    for command in (["init", "-q"], [*commit, "first"], ["tag", "1.0.0"], [*commit, "later"]):
        subprocess.run([*git, *command], check=True)
    stub_tool(tmp_path / "bin")
    (tmp_path / "bin/git").unlink()
    (tmp_path / "bin/datalad").write_text('#!/bin/sh\nif [ "$1" = clone ]; then git clone -q "$2" "$3"; fi\n')
    only_datalad(monkeypatch, tmp_path / "bin")
    monkeypatch.setattr(Download, "free_bytes", 10**12)
    monkeypatch.setattr(fetch, "SOURCE", str(tmp_path / "source"))
    Download("ds003720", ("001",), tmp_path / "data").run()
    told = subprocess.run(
        ["git", "-C", str(tmp_path / "data"), "log", "-1", "--format=%s"], capture_output=True, text=True
    )
    assert told.stdout == "first\n"


def test_what_cannot_be_fetched_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, b2m: Callable[..., tuple[int, str]]
) -> None:
    code, printed = b2m("fetch", "ds003720", "--subject", "009", "--to", tmp_path)
    assert (code, "not in the data set" in printed) == (2, True)
    monkeypatch.setattr(Download, "free_bytes", 10**9)
    with pytest.raises(InputError, match="too little room"):
        Download("ds003720", ("001",), tmp_path).run()
    monkeypatch.setattr(Download, "free_bytes", 10**12)
    only_datalad(monkeypatch, tmp_path / "nothing")
    with pytest.raises(InputError, match="neither openneuro-py nor datalad"):
        Download("ds003720", ("001",), tmp_path).run()
    stub_tool(tmp_path / "broken", code=1)
    only_datalad(monkeypatch, tmp_path / "broken")
    with pytest.raises(InputError, match="run the same command again"):
        Download("ds003720", ("001",), tmp_path / "data").run()


def test_openneuro_takes_our_arguments() -> None:
    openneuro = pytest.importorskip("openneuro", reason="openneuro-py is in the extra fetch: the call is untested here")
    inspect.signature(openneuro.download).bind(dataset="ds003720", tag="1.0.0", target_dir="x", include=["sub-001"])
