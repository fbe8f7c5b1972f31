import matplotlib
import pytest
from pydantic import ValidationError

from b2m_encoding.figures import FigureSettings, Style
from b2m_encoding.figures.style import FONT


def test_table_of_a_study():
    settings = FigureSettings(width_mm=89, dpi=450, colours=["#000000", "#E69F00"], underlay="none", labels=False)
    assert (settings.width_mm, settings.dpi, settings.colours) == (89.0, 450, ("#000000", "#E69F00"))
    assert (settings.underlay, settings.labels) == ("none", False)
    added = {"formats", "limits", "note", "report"}
    assert FigureSettings().model_dump(exclude=added) == Style().model_dump()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"widht_mm": 89}, "widht_mm"),
        ({"width_mm": 10}, "greater than or equal to 60"),
        ({"dpi": "high"}, "dpi"),
        ({"small_size": 4}, "greater than or equal to 5"),
        ({"underlay": "wavy"}, "binary"),
        ({"colour_map": "infernal"}, "colour map"),
        ({"colours": ["bleu"]}, "bleu"),
        ({"font": "No Such Font"}, "not installed"),
        ({"limits": [0.4, 0.1]}, "rise"),
        ({"formats": ["bmp"]}, "png"),
        ({"report": ["accuracies"]}, "timecourses"),
        ({"formats": []}, "formats"),
    ],
)
def test_what_cannot_be_used_is_named(table, words):
    with pytest.raises(ValidationError, match=words):
        FigureSettings(**table)


def test_palette_that_cannot_be_told_apart_warns():
    with pytest.warns(UserWarning, match="look alike"):
        Style(colours=("red", "green"))


def test_font():
    assert Style().family == FONT  # it comes with the package
    assert Style(font="DejaVu Sans").family == "DejaVu Sans"
    with pytest.raises(ValidationError, match="not installed"):
        Style(font="No Such Font")


def test_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    with Style().context():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before
