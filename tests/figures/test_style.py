import matplotlib
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style
from b2m_encoding.figures.style import FONTS


def test_table_of_a_study():
    style = Style.from_table({"width": "double", "dpi": 450, "colours": ["#000000", "#E69F00"], "underlay": "none"})
    assert (style.width, style.dpi, style.colours) == (183.0, 450, ("#000000", "#E69F00"))
    assert Style.from_table({}) == Style()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"widht": 89}, "width"),
        ({"width": "triple"}, "single"),
        ({"width": 10}, "60 to 250"),
        ({"dpi": "high"}, "dpi"),
        ({"small_size": 4}, "5 to 12"),
        ({"underlay": "wavy"}, "binary"),
        ({"cmap": "infernal"}, "colour map"),
        ({"colours": ["bleu"]}, "bleu"),
    ],
)
def test_what_cannot_be_used_is_named(table, words):
    with pytest.raises(InputError, match=words):
        Style.from_table(table)


def test_palette_that_cannot_be_told_apart_warns():
    with pytest.warns(UserWarning, match="look alike"):
        Style(colours=("red", "green"))


def test_font():
    assert Style().family in FONTS
    assert Style(font="DejaVu Sans").family == "DejaVu Sans"
    with pytest.raises(InputError, match="not installed"):
        _ = Style(font="No Such Font").family


def test_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    with Style().context():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before
