from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.transcripts import Transcript, preceding_words, read_textgrid, read_transcript, word_rate

GRID = """File type = "ooTextFile"
item []:
    item [1]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 3.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "sp"
        intervals [2]:
            xmin = 0.5
            xmax = 1.2
            text = "Alice"
        intervals [3]:
            xmin = 1.2
            xmax = 2.1
            text = "was"
        intervals [4]:
            xmin = 2.1
            xmax = 3.5
            text = "sleepy"
"""


def test_textgrid_without_silences(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(GRID)
    words = read_textgrid(path)
    assert words.text == ("Alice", "was", "sleepy")
    assert words.onset.tolist() == [0.5, 1.2, 2.1]


def test_rate_counts_onsets_in_half_open_samples() -> None:
    words = Transcript(("a", "b", "c"), np.array([0.0, 1.9, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert word_rate(words, np.array([0.0, 2.0, 4.0]), 2.0)[:, 0].tolist() == [1.0, 0.5, 0.0]


def test_context_holds_only_preceding_words() -> None:
    words = Transcript(("a", "b", "c"), np.array([0.0, 1.0, 3.0]), np.array([1.0, 2.0, 4.5]))
    assert preceding_words(words, np.array([-2.0, 0.0, 2.0, 4.0]), 2.0, 2) == ["", "a b", "a b", "b c"]


def test_empty_transcript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text("nothing")
    with pytest.raises(InputError, match="no words"):
        read_textgrid(path)


PHONES = GRID.replace('"word"', '"phones"').replace("item [1]", "item [2]").replace("Alice", "AE1").split("item []:")[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "grid", [GRID + PHONES, GRID.split("item []:")[0] + "item []:" + PHONES + GRID.split("[]:")[1]]
)
def test_only_the_tier_of_words_is_read(tmp_path: Path, encoding: str, grid: str) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(grid, encoding)
    assert read_textgrid(path).text == ("Alice", "was", "sleepy")


def test_several_tiers_without_words_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(GRID.replace('"word"', '"syllables"') + PHONES)
    with pytest.raises(InputError, match="no word tier"):
        read_textgrid(path)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be"])
def test_grids_of_older_programs_are_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(GRID.replace("sleepy", "m\u00fcde" if encoding == "latin-1" else "sleepy"), encoding)
    assert read_textgrid(path).text[:2] == ("Alice", "was")


def test_no_word_is_lost_or_taken_from_another_tier(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(
        GRID.replace("xmin = 0.5\n", "xmin = 5e-1\n").replace(
            "xmax = 3.5\n            text", "xmax = 3.5E0\n            text"
        )
    )
    assert read_textgrid(path).text == ("Alice", "was", "sleepy")
    path.write_text(GRID + GRID.split("item []:")[1].replace("Alice", "Bob"))
    with pytest.raises(InputError, match="several word tiers"):
        read_textgrid(path)


SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
3.5
<exists>
3
"IntervalTier"
"phone"
0
3.5
1
0
3.5
"IntervalTier"
"TextTier"
"beats"
0
3.5
2
0.5
"one"
1
"two"
"IntervalTier"
"Words"
0
3.5
3
0
.5
""
0.5
1.2
"She said ""hi"" "
12e-1
3.5
"7 up"
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n", " "])
@pytest.mark.parametrize("head", ["ooTextFile", "ooTextFile short"])
def test_short_text_grids(tmp_path: Path, ends: str, head: str) -> None:
    """Praat reads texts in quotes and numbers that stand alone, whatever is around them."""
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT.replace("ooTextFile", head).replace("\n", ends), newline="")
    words = read_textgrid(path)
    assert words.text == ('She said "hi"', "7 up")
    assert words.onset.tolist() == [0.5, 1.2]
    assert words.end.tolist() == [1.2, 3.5]


@pytest.mark.parametrize(
    "text",
    [
        GRID[: GRID.index("intervals [4]")],
        SHORT[: SHORT.index("12e-1")],
        SHORT.replace('"Words"\n', ""),
        SHORT.replace("1.2\n", "", 1),
        SHORT.replace("3.5\n3\n0\n.5", "3.5\n2\n0\n.5"),
        '"Praat chronological TextGrid text file"\n0 1\n1\n"IntervalTier" "word" 0 2\n1 0 1\n"a"\n1 1 2\n"b"\n',
    ],
)
def test_text_grids_that_break_off(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(text)
    with pytest.raises(InputError, match="breaks off, or is in another format"):
        read_textgrid(path)


NOISES = ("{NS}", "{BR}", "<eps>", "[laughter]", "spn", "SENTENCE_START", "...", "\u2014")


@pytest.mark.parametrize("kind", ["grid", "table"])
def test_noises_are_no_words(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As the Montreal aligner, P2FA and the grids of published story data sets write them."""
    texts = [one for noise in NOISES for one in ("word", noise)] + ["<unk>"]
    rows = [(0.5 * i, 0.5 * i + 0.5, text) for i, text in enumerate(texts)]
    path = tmp_path / ("a.TextGrid" if kind == "grid" else "a.csv")
    if kind == "grid":
        body = "\n".join(f'{begin}\n{end}\n"{text}"' for begin, end, text in rows)
        path.write_text(
            f'"ooTextFile"\n"TextGrid"\n0\n9\n<exists>\n1\n"IntervalTier"\n"word"\n0\n9\n{len(rows)}\n{body}\n'
        )
    else:
        path.write_text("onset,end,word\n" + "".join(f"{begin},{end},{text}\n" for begin, end, text in rows))
    words = read_transcript(path)
    assert words.text == ("word",) * len(NOISES) + ("<unk>",)
    assert words.onset.tolist() == [float(i) for i in range(len(NOISES) + 1)]
    assert "what is no word is left out" in caplog.text


def test_words_of_speakers_who_interrupt_each_other() -> None:
    """A word that ends late must not hide those that ended before it."""
    words = Transcript(("whole", "a", "b", "c"), np.array([0.0, 0.5, 2.5, 4.5]), np.array([5.5, 1.0, 3.0, 5.0]))
    found = preceding_words(words, np.array([0.0, 2.0, 4.0]), 2.0, 3)
    expected = [
        " ".join(text for end, text in sorted(zip(words.end, words.text, strict=True)) if end <= time + 2)
        for time in (0.0, 2.0)
    ]
    assert found == [*expected, "b c whole"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset,end,word\n1,0.5,a\n", "ends before it begins"),
        ("onset,offset,word\n0.5,0,a\n0.9,2,b\n", "ends before it begins"),
        ("start,end,word\n500,800,a\n900,1000,b\n1300,1400,c\n", "cannot be seconds"),
        ("start,end,text\n0,4,well then\n4,7,it was late\n7,9,we went home\n", "phrases, not words"),
        ("0.5,0.8,hello\n0.9,1.2,world\n", "lacks a column"),
    ],
)
def test_transcripts_that_would_be_misread(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_transcript(tmp_path / "a.csv")


ALIGNED = (
    {"words": [{"word": "hello", "start": 0.5, "end": 0.8}, {"word": "world", "start": 0.9, "end": 1.2}]},
    {
        "segments": [
            {"words": [{"word": " hello", "start": 0.5, "end": 0.8}, {"text": " world", "start": 0.9, "end": 1.2}]}
        ]
    },
    {
        "tiers": {
            "words": {"entries": [[0.5, 0.8, "hello"], [0.9, 1.2, "world"]]},
            "phones": {"entries": [[0.5, 0.6, "h"]]},
        }
    },
    {
        "words": [
            {"word": "hello", "start": 0.5, "end": 0.8},
            {"word": "um"},
            {"word": "world", "start": 0.9, "end": 1.2},
        ]
    },
)


@pytest.mark.parametrize("content", ALIGNED)
def test_words_of_aligners_in_json(content: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    words = read_transcript(tmp_path / "a.json")
    assert (words.text, words.onset.tolist(), words.end.tolist()) == (("hello", "world"), [0.5, 0.9], [0.8, 1.2])


@pytest.mark.parametrize(
    "content", ["{}", "[1]", '{"words": [1]}', '{"words": [{"start": "x"}]}', "{", '{"tiers": {}}']
)
def test_json_without_words(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="holds no words of an aligner"):
        read_transcript(tmp_path / "a.json")


def test_words_beside_phones_in_one_table(tmp_path: Path) -> None:
    rows = "0.5,0.8,hello,words,a\n0.5,0.6,HH,phones,a\n0.9,1.2,world,words,a\n"
    (tmp_path / "a.csv").write_text(f"Begin,End,Label,Type,Speaker\n{rows}")
    assert read_transcript(tmp_path / "a.csv").text == ("hello", "world")


def test_ends_that_are_rounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Times of aligners have two or three decimals; one mistaken end among many words is no reason to stop."""
    (tmp_path / "a.csv").write_text("onset,end,word\n0.504,0.5,a\n0.9,1.2,b\n")
    words = read_transcript(tmp_path / "a.csv")
    assert words.end.tolist() == [0.504, 1.2]
    assert not caplog.text
    rows = [f"{0.5 * i},{0.5 * i + (0.4 if i != 7 else -1)},w{i}\n" for i in range(40)]
    (tmp_path / "b.csv").write_text("onset,end,word\n" + "".join(rows))
    assert read_transcript(tmp_path / "b.csv").end[7] == 3.5
    assert "1 words end before they begin" in caplog.text
    (tmp_path / "c.csv").write_text("onset,word\n3,hey\n180,yeah\n")  # two words in a long piece
    assert read_transcript(tmp_path / "c.csv").onset.tolist() == [3, 180]


def test_words_that_aligners_leave_without_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """WhisperX gives no times to numerals, and no words to segments that it could not align."""
    content = {
        "segments": [
            {
                "start": 0.0,
                "end": 4.0,
                "text": "In 1984 we met.",
                "words": [
                    {"word": "In", "start": 0.0, "end": 1.0},
                    {"word": "1984"},
                    {"word": "we", "start": 2.0, "end": None},
                    {"word": "met.", "start": None, "end": None},
                ],
            },
            {"start": 6.0, "end": 8.0, "text": " 10 20", "words": []},
            {"start": 9.0, "end": 9.5, "text": "", "words": []},
            {"start": None, "end": None, "words": [{"word": "end", "start": 10.0, "end": None}]},
        ]
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    words = read_transcript(tmp_path / "a.json")
    assert words.text == ("In", "1984", "we", "met.", "10", "20", "end")
    assert words.onset.tolist() == [0, 1, 2, 2, 6, 7, 10]
    assert words.end.tolist()[:3] == [1, 2, 2]
    assert words.end[3] == 4
    assert "4 words without times are placed between their neighbours" in caplog.text


@pytest.mark.parametrize(
    "content", ['{"text": "", "segments": []}', '{"words": []}', "[]", '{"segments": [{"text": ""}]}']
)
def test_nothing_was_sung(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    assert read_transcript(tmp_path / "a.json").text == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"segments": [{"start": 0, "end": 2, "text": "well then"}]}, "--word_timestamps True"),
        ({"segments": [{"words": [{"word": "a", "start": "x"}]}]}, "time 'x' of word 1 of segment 1"),
        ({"words": [{"start": 1.0}]}, "word 1: {'start': 1.0}"),
        ({"transcription": []}, "keys transcription"),
    ],
)
def test_json_messages_name_the_place(content: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="holds no words of an aligner") as error:
        read_transcript(tmp_path / "a.json")
    assert message in str(error.value)


def test_tiers_of_several_speakers(tmp_path: Path) -> None:
    """As the Montreal aligner names them."""
    first, second = GRID.replace('"word"', '"Ann - words"'), GRID.replace('"word"', '"Bob - words"')
    body = second.split("item []:")[1].replace("Alice", "Bob").replace("xmin = 0.5", "xmin = 0.6")
    phones = PHONES.replace('"phones"', '"Ann - phones"')
    (tmp_path / "a.TextGrid").write_text(first + body + phones)
    assert read_textgrid(tmp_path / "a.TextGrid").text == ("Alice", "Bob", "was", "was", "sleepy", "sleepy")


@pytest.mark.parametrize("name", ["pseudo-words", "key words"])
def test_a_tier_of_some_words_is_no_transcript(name: str, tmp_path: Path) -> None:
    body = PHONES.replace('"phones"', '"transcript"')
    (tmp_path / "a.TextGrid").write_text(GRID.replace('"word"', f'"{name}"') + body)
    with pytest.raises(InputError, match="has no word tier"):
        read_textgrid(tmp_path / "a.TextGrid")


SRT = "1\n00:00:00,500 --> 00:00:00,800\nhello\n\n2\n00:01:00,900 --> 00:01:01,200\n<i>world</i>\n"
VTT = "WEBVTT\n\nNOTE by hand\n\n00:00.500 --> 00:00.800 align:start\nhello\n\n01:00.900 --> 01:01.200\nworld\n"


@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_subtitles_of_one_word_each(name: str, tmp_path: Path) -> None:
    path, text = tmp_path / name, SRT if name == "a.srt" else VTT
    path.write_text(text.replace("\n", "\r\n"), newline="")
    words = read_transcript(path)
    assert (words.text, words.onset.tolist(), words.end.tolist()) == (("hello", "world"), [0.5, 60.9], [0.8, 61.2])
    path.write_text(text.replace("01:00", "01:00 s"))
    with pytest.raises(InputError, match=rf"{name}[\s\S]*line {text[: text.index('01:00')].count(chr(10)) + 1}: "):
        read_transcript(path)
    path.write_text("hello world")
    with pytest.raises(InputError, match=r"subtitles cannot be read[\s\S]*line 1: hello world"):
        read_transcript(path)
    path.write_text("")
    assert read_transcript(path).text == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GRID.replace("xmax = 2.1\n", "\n"), 'line 20: text = "was"'),
        (GRID.replace('text = "was"', "text = was"), "line 22: xmin = 2.1"),
        (GRID.replace("size = 4", "size = four"), "line 11: xmax = 0.5"),
        (GRID[: GRID.index("intervals [4]")], 'line 20: text = "was"'),
    ],
)
def test_broken_text_grids_name_the_line(text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_text(text)
    with pytest.raises(InputError, match=rf"{line}[\s\S]*expected"):
        read_textgrid(tmp_path / "a.TextGrid")
