"""Tables that ``b2m reconstruct`` writes."""

from __future__ import annotations

from b2m_encoding.results.schema.table import SUBJECT
from b2m_encoding.results.schema.table import Table as Table

EVALUATED = {
    "target": "Decoded feature space",
    "decoder": "Decoder",
    "corpus": "Corpus that was retrieved from",
}
RECONSTRUCTION = Table(
    "reconstruction.tsv",
    {
        **SUBJECT,
        "clip": "Presented test clip",
        "method": "heard, retrieved, oracle, chance, or the generator",
        "rank": "Place among the candidates of the clip, best first",
        "sample": "Number of the sample of a generator, in the order in which they were drawn",
        "file": "Sound file in the results folder",
        "about": "Origin of the sound",
        "recording": "Clip of the corpus that was retrieved",
        "cosine": "Cosine of the embedding of the sound and the decoded vector",
        "responses_r": "r of the responses that the encoding model predicts for the sound, and the measured ones",
        "target": "Decoded feature space",
        "decoder": "Decoder",
        "corpus": "Corpus that was retrieved from; with its hash where another one has that name",
        "corpus_key": "Hash of the recordings of the corpus and of how they were prepared",
    },
    described=False,
)
EVALUATION = Table(
    "evaluation.tsv",
    {
        **SUBJECT,
        "method": "As in reconstruction.tsv",
        "encoder": "Network that embeds the sounds",
        "measure": "Measure",
        "value": "Value of the measure",
        "chance": "Value at chance level",
        **EVALUATED,
    },
    described=False,
)
CLIP_EVALUATION = Table(
    "evaluation_clips.tsv",
    {
        **SUBJECT,
        "method": "As in evaluation.tsv, with its samples averaged",
        "encoder": "Network that embeds the sounds",
        "measure": "Measure",
        "clip": "Presented test clip",
        "group": "Group of the clip (genre, speaker); n/a where it has none",
        "value": "Value of the measure for the clip; of chance, its expectation",
        **EVALUATED,
    },
    described=False,
)
EVALUATION_TESTS = Table(
    "evaluation_tests.tsv",
    {
        "compared": "What differs between both: target, corpus or method",
        "first": "One of them",
        "second": "The other",
        "target": "Decoded feature space; n/a where it is compared",
        "corpus": "Corpus that was retrieved from; n/a where it is compared",
        "method": "As in evaluation.tsv; n/a where it is compared",
        "decoder": "Decoder",
        "encoder": "Network that embeds the sounds",
        "measure": "Measure",
        "subjects": "Subjects, over whom the values of a clip are averaged",
        "clips": "Clips whose signs are flipped",
        "difference": "Mean over clips of the first minus the second",
        "low": "Lower end of its interval, by Student's t over clips",
        "high": "Upper end",
        "p": "Two-sided p by flips of the signs of the differences of clips",
        "q": "Adjusted p over all rows (Benjamini-Hochberg)",
        "groups": "Groups of the clips (genres, speakers)",
        "p_groups": "p by flips of the mean differences of groups; n/a for fewer than six",
    },
    described=False,
)
NEIGHBOURS = Table(
    "neighbours.tsv",
    {
        "clip": "Presented test clip",
        "method": "Query: retrieved (decoded vector), oracle (true vector), or chance",
        "rank": "Rank by similarity, from 1",
        "recording": "Clip of the corpus",
        "cosine": "Cosine of the two vectors",
        "title": "Title of the recording",
        "artist": "Artist",
        "genre": "Genre",
        "licence": "Licence",
    },
    described=False,
)
