"""References: works that a text cites, as author and year, and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FIELD = re.compile(r"^ {2}(\w+) = \{(.*)\},?$", re.MULTILINE)
CITED = re.compile(r"\[((?:@\w+(?:; )?)+)\]")
"""Citations in a text: ``[@hoerl1970]``, ``[@nichols2002; @phipson2010]``."""
ACCENTS = {r"{\'e}": "é", r"{\"u}": "ü", r"\_": "_"}


@dataclass(frozen=True)
class Reference:
    """One work.

    Parameters
    ----------
    key : str
    entry : str
        As BibTeX.
    fields : mapping
    """

    key: str
    entry: str
    fields: Mapping[str, str]

    @property
    def short(self) -> str:
        """Authors and year.

        Examples
        --------
        >>> references()["hoerl1970"].short, references()["duprelatour2022"].short
        ('Hoerl & Kennard 1970', 'Dupré la Tour et al. 2022')
        """
        names = [name.split(",")[0].strip("{}") for name in _plain(self.fields["author"]).split(" and ")]
        who = " & ".join(names) if len(names) < 3 and "others" not in names else f"{names[0]} et al."
        return f"{who} {self.fields['year']}"


@cache
def references() -> dict[str, Reference]:
    """Read every work that the report may cite, by its key."""
    text = files("b2m_encoding.results.report").joinpath("references.bib").read_text(encoding="utf-8")
    entries = [entry.strip() for entry in text.split("\n\n") if entry.strip()]
    keys = [entry[entry.index("{") + 1 : entry.index(",")] for entry in entries]
    return {key: Reference(key, entry, dict(FIELD.findall(entry))) for key, entry in zip(keys, entries, strict=True)}


def by_doi(text: str) -> str | None:
    """Key of the work whose DOI occurs in a text."""
    return next((key for key, one in references().items() if one.fields.get("doi", "no DOI") in text), None)


def cited(paragraphs: Iterable[str]) -> list[str]:
    """Find the keys of cited works, in the order of their first citation.

    Examples
    --------
    >>> cited(["Ridge [@hoerl1970] and its penalty [@hoerl1970; @duprelatour2022]."])
    ['hoerl1970', 'duprelatour2022']
    """
    found = [key for text in paragraphs for group in CITED.findall(text) for key in _keys(group)]
    return list(dict.fromkeys(found))


def with_names(text: str) -> str:
    """Replace citation keys in a text by authors and years.

    Examples
    --------
    >>> with_names("Ridge regression [@hoerl1970].")
    'Ridge regression (Hoerl & Kennard 1970).'
    """
    return CITED.sub(lambda found: f"({'; '.join(references()[key].short for key in _keys(found[1]))})", text)


def bibtex(keys: Iterable[str], version: str) -> str:
    """BibTeX entries of works; ``version`` is that of this package."""
    return "\n\n".join(references()[key].entry.replace("@VERSION@", version) for key in keys)


def _keys(group: str) -> list[str]:
    return [key.removeprefix("@") for key in group.split("; ")]


def _plain(text: str) -> str:
    for code, letter in ACCENTS.items():
        text = text.replace(code, letter)
    return text
