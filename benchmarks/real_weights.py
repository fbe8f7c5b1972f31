"""Fetch published weights, run them on music, compare them with their own packages; for a machine with a connection.

    python benchmarks/real_weights.py [MODEL ...] [--weights FOLDER] [--record] [--quick]

Without names: every model of ``b2m models list``. Each is fetched by its pinned revision (MODEL of FOLDER is used
instead, where it is there), embeds a chirp and the recordings of the folder of real data (``$B2M_SHARED``), and is
compared with its published package where that is installed: transformers, sentence-transformers, muq. Numbers that
``--record`` wrote are compared, too (``results/real_weights_reference.json``), so that a later version of anything is
seen to change them. Joint models choose a caption for each recording; generators make three seconds of sound. The
table says of each model: what it gave, the largest relative difference, and seconds; a model that fails does not stop
the others. Nothing of this runs in the tests but the script itself, on small networks with random weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from harness import RESULTS, Row, environment, finish, save

from b2m_encoding.decoding.generators.base import Condition
from b2m_encoding.decoding.generators.registry import GENERATORS, load_generator
from b2m_encoding.features.audio import resample
from b2m_encoding.features.networks import AUDIO_ENCODERS, TEXT_ENCODERS, load_audio_encoder, load_text_encoder
from b2m_encoding.features.weights import Entry, catalogue, find_weights, is_installed
from b2m_encoding.features.weights.fetch import Fetch

REFERENCE = RESULTS / "real_weights_reference.json"
RATE, SECONDS, TOLERANCE = 48000, 10.0, 1e-3
CAPTIONS = {
    "198-209": "a woman reads a book aloud",
    "Hungarian": "a fast Hungarian dance played by a string orchestra",
    "Karissa": "a pop song with a woman's voice and guitar",
    "Sugar_Plum": "celesta and pizzicato strings, ballet music",
    "Vibe_Ace": "jazz with vibraphone, bass and drums",
    "trumpet": "a trumpet plays alone",
}
Vectors = dict[str, np.ndarray]


def chirp(rate: int, seconds: float) -> np.ndarray:
    """A tone that rises from 200 Hz: the same on every machine."""
    at = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * (200 * at + 90 * at**2))).astype(np.float32)


def recordings() -> dict[str, np.ndarray]:
    """Recordings that are here, 10 s of each, at 48 kHz."""
    from real_music import gather

    found = gather(quick=True).recordings
    cut = {name: resample(wave, rate, RATE)[: int(SECONDS * RATE)] for name, (wave, rate) in found.items()}
    return {name: wave for name, wave in cut.items() if len(wave) == int(SECONDS * RATE)}


def sounds_for(network: Any, waves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Chirp and recordings at the rate of a network, as long as its window."""
    seconds = network.window or min(SECONDS, 5.0)
    made = {"chirp": chirp(network.rate, seconds)}
    for name, wave in waves.items():
        made[name] = resample(wave, RATE, network.rate)[: len(made["chirp"])]
    return made


def vector(network: Any, wave: np.ndarray) -> np.ndarray:
    """Embedding of one sound: that of a window, or frames of all layers averaged over time."""
    output = network.embed(wave[None])[0]
    return output if network.window is not None else output.mean(axis=1).ravel()


def by_clap(folder: Path, network: Any, wave: np.ndarray) -> np.ndarray:
    """CLAP of transformers."""
    import torch
    from transformers import ClapFeatureExtractor, ClapModel

    model, extractor = ClapModel.from_pretrained(folder).eval(), ClapFeatureExtractor.from_pretrained(folder)
    inputs = extractor([wave], sampling_rate=network.rate, return_tensors="pt")
    inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
    with torch.no_grad():
        return np.asarray(model.get_audio_features(**inputs).pooler_output[0])


def by_layers(folder: Path, network: Any, wave: np.ndarray) -> np.ndarray:
    """Hidden states of transformers, averaged over time."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = AutoFeatureExtractor.from_pretrained(folder)([wave], sampling_rate=network.rate, return_tensors="pt")
    model = getattr(model, "encoder") if hasattr(model, "decoder") else model  # noqa: B009
    inputs.pop("attention_mask", None)
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True)
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    n_frames = network.embed(wave[None]).shape[2]
    return np.concatenate([np.asarray(state[0, :n_frames].mean(dim=0)) for state in states])


def by_encodec(folder: Path, network: Any, wave: np.ndarray) -> np.ndarray:
    """Latents of the encoder of EnCodec in transformers."""
    import torch
    from transformers import EncodecModel

    with torch.no_grad():
        latents = EncodecModel.from_pretrained(folder).eval().encoder(torch.tensor(wave)[None, None])
    return np.asarray(latents[0].mean(dim=1))


def by_muq(folder: Path, network: Any, wave: np.ndarray) -> np.ndarray:
    """The package muq, which needs transformers 4 and a torchaudio of the same build as torch."""
    import torch
    from muq import MuQMuLan

    with torch.no_grad():
        return np.asarray(MuQMuLan.from_pretrained(str(folder)).eval()(wavs=torch.tensor(wave)[None])[0])


PUBLISHED: dict[str, tuple[str, Callable[[Path, Any, np.ndarray], np.ndarray]]] = {
    "clap": ("transformers", by_clap),
    "w2v_bert": ("transformers", by_layers),
    "transformers_audio": ("transformers", by_layers),
    "codec": ("transformers", by_encodec),
    "muq_mulan": ("muq", by_muq),
}
"""Package, and what it gives for a sound, by network."""


def judge(
    entry: Entry, folder: Path | None, waves: dict[str, np.ndarray], known: dict[str, Any]
) -> tuple[Row, Vectors]:
    """Run one model; returns its row of the table and numbers to record."""
    started, given = time.perf_counter(), {}
    agreement: dict[str, Any] = {}
    if entry.name in GENERATORS:
        wave, rate = _generate(entry.name, folder)
        given["sound"] = np.array([len(wave) / rate, float(np.sqrt(np.mean(np.square(wave))))])
        told = f"{len(wave) / rate:.2f} s, root mean square {given['sound'][1]:.3f}"
    elif entry.network in AUDIO_ENCODERS:
        network = load_audio_encoder(entry.name, weights=folder, device="cpu")
        sounds = sounds_for(network, waves)
        given = {name: vector(network, wave) for name, wave in sounds.items()}
        told = f"{len(given)} sounds, {given['chirp'].size} numbers each"
        agreement |= _published(entry, folder, network, sounds["chirp"], given["chirp"])
        if entry.network in TEXT_ENCODERS and len(given) > 2:
            agreement["captions"] = _captions(entry, folder, given)
    elif entry.network in TEXT_ENCODERS:
        texts = list(CAPTIONS.values())
        rows = load_text_encoder(entry.name, weights=folder, device="cpu").embed_text(texts)
        given = dict(zip(CAPTIONS, rows, strict=True))
        told = f"{len(given)} texts, {rows.shape[1]} numbers each"
    else:
        raise NotImplementedError(f"{entry.network} is no encoder and no generator")
    if bad := [name for name, values in given.items() if not np.isfinite(values).all()]:
        raise ValueError(f"values that are not finite for {', '.join(bad)}")
    both = [(values, np.array(known[name])) for name, values in given.items() if name in known]
    if both:
        agreement["recorded"] = max(relative(values[:8], before) for values, before in both)
    return Row(entry.name, told, ours_s=time.perf_counter() - started, agreement=agreement), given


def _generate(name: str, folder: Path | None) -> tuple[np.ndarray, int]:
    """Three seconds of sound from a condition that any generator can use."""
    generator = load_generator(name, weights=folder, device="cpu")
    dim = {"musicldm": 512, "magenta_rt": 768}.get(name, 512)
    dim = getattr(generator, "dim", dim)
    embedding = np.random.default_rng(0).standard_normal(dim).astype(np.float32)
    condition = Condition("chirp", embedding / np.linalg.norm(embedding), text=CAPTIONS["Vibe_Ace"])
    return generator.generate(condition, 3.0, 0)


def _published(entry: Entry, folder: Path | None, network: Any, wave: np.ndarray, ours: np.ndarray) -> dict[str, Any]:
    package, compute = PUBLISHED.get(entry.network, ("", None))
    if compute is None:
        return {}
    if find_spec(package) is None:
        return {"published": f"{package} is not installed"}
    return {"published": relative(ours, compute(find_weights(entry, folder).folder, network, wave))}


def _captions(entry: Entry, folder: Path | None, given: Vectors) -> str:
    """Recordings whose own caption is nearest, of all captions."""
    vectors = load_text_encoder(entry.name, weights=folder, device="cpu").embed_text(list(CAPTIONS.values()))
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    right, parts = 0, [name for name in given if name != "chirp"]
    for name in parts:
        best = list(CAPTIONS)[int(np.argmax(vectors @ given[name]))]
        right += best in name
    return f"{right} of {len(parts)}"


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of two vectors, in units of the length of the second."""
    return float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-12))


def weights_of(entry: Entry, folders: Path | None) -> Path | None:
    """Folder of local weights if there is one, else fetch them."""
    if folders is not None and (folders / entry.name).is_dir():
        return folders / entry.name
    if entry.package is None and not is_installed(entry):
        Fetch(entry, allow_pickle=entry.pickle).run()
    return None


def run(models: Sequence[str], folders: Path | None, record: bool) -> tuple[list[Row], bool]:
    """Rows of all models, and whether all of them agree."""
    known: dict[str, dict[str, Any]] = json.loads(REFERENCE.read_text()) if REFERENCE.is_file() else {}
    rows, agreed, waves = [], True, recordings()
    for name in models:
        entry = catalogue()[name]
        try:
            row, given = judge(entry, weights_of(entry, folders), waves, {} if record else known.get(name, {}))
        except Exception as error:  # one model shall not stop the others
            first = (str(error) or type(error).__name__).splitlines()[0]
            row, given = Row(name, f"failed: {type(error).__name__}: {first}"), {}
            agreed = False
        agreed &= all(v <= TOLERANCE for v in (row.agreement or {}).values() if isinstance(v, float))
        rows.append(row)
        print(f"{name}: {row.ours}; {row.agreement}", flush=True)
        if record and given:
            known[name] = {key: np.round(values[:8], 6).tolist() for key, values in given.items()}
    if record:
        REFERENCE.write_text(json.dumps(known, indent=1) + "\n")
    return rows, agreed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="models of b2m models list; all by default")
    parser.add_argument("--weights", type=Path, help="folder of folders of weights, named like models")
    parser.add_argument("--record", action="store_true", help="write the numbers that later runs are compared with")
    parser.add_argument("--quick", action="store_true", help="models below 0.1 GB")
    options = parser.parse_args()
    usual = [name for name, one in catalogue().items() if not options.quick or (one.megabytes or 1000) < 100]
    env = environment()
    rows, agreed = run(options.models or usual, options.weights, options.record)
    save("real_weights", rows, env, quick=options.quick)
    finish("real_weights", rows, env, agreed=agreed, quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
