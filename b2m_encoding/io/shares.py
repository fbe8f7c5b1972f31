"""Shares in words: never 0 % of something that occurs, nor 100 % of something that has exceptions."""

from __future__ import annotations


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent, ``<`` or ``>`` the last step where rounding would make it none or all.

    Parameters
    ----------
    share : float
        0 to 1; NaN stands for a share of nothing.
    digits : int
        Digits after the point.

    Examples
    --------
    >>> percent(0.1234), percent(23 / 204840), percent(0.004, 0), percent(0), percent(0.9999)
    ('12.3%', '<0.1%', '<1%', '0%', '>99.9%')
    """
    step = 10.0 ** -(digits + 2)
    if share != share:
        return "n/a"
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < step:
        return f"<{step:.{digits}%}"
    if 1 - step < share < 1:
        return f">{1 - step:.{digits}%}"
    return f"{share:.{digits}%}"


def counted_share(count: int, total: int, noun: str = "") -> str:
    """Return a count with its share in brackets, which none does not need.

    Parameters
    ----------
    count, total : int
    noun : str
        What is counted.

    Examples
    --------
    >>> counted_share(23, 20484), counted_share(0, 20484), counted_share(5000, 20484, "vertices")
    ('23 of 20,484 (0.1%)', '0 of 20,484', '5,000 of 20,484 vertices (24.4%)')
    """
    text = f"{count:,} of {total:,}{f' {noun}' if noun else ''}"
    return f"{text} ({percent(count / total)})" if count else text
