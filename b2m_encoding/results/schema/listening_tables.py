"""Tables of a listening test: its key, the answers of listeners, and their summary."""

from __future__ import annotations

from b2m_encoding.results.schema.table import SUBJECT, Table

LISTENING_KEY = Table(
    "listening_key.tsv",
    {
        "page": "Identifier of the listening test",
        "trial": "Identifier of the trial",
        **SUBJECT,
        "clip": "Clip that is the reference of the trial",
        "other": "Clip whose reconstruction is the other alternative",
        "genre": "Group of the clip; n/a where it has none",
        "other_genre": "Group of the other clip",
        "method": "As in reconstruction.tsv",
        "right": "Alternative that was reconstructed from the responses to the reference: a or b",
    },
    described=False,
)
LISTENING_ANSWERS = Table(
    "listening_answers.tsv",
    {
        "page": "Identifier of the listening test",
        "listener": "Label of the listener",
        "place": "Place of the trial in the order of this listener, from 1",
        "trial": "Identifier of the trial",
        "first": "Alternative that was shown first: a or b",
        "chosen": "Alternative that was chosen: a or b",
        "seconds": "Time from the beginning of the trial to the choice, s",
        "plays": "Sounds that were played",
    },
    described=False,
)
LISTENING_SUMMARY = Table(
    "listening_summary.tsv",
    {
        "by": "What the answers were divided by: all, listener, genre, subject, method",
        "label": "The listener, genre, subject or method",
        "answers": "Number of answers",
        "right": "Right answers",
        "proportion": "Share of right answers; chance is 0.5",
        "low": "Lower end of the exact interval, for independent answers",
        "high": "Upper end",
        "p": "Two-sided p of the binomial test against 0.5, for independent answers",
        "clips": "Clips",
        "clips_low": "Lower end of the interval over clips, whose answers are related",
        "clips_high": "Upper end",
        "listeners": "Listeners",
        "listeners_low": "Lower end of the interval over listeners",
        "listeners_high": "Upper end",
    },
    described=False,
)
