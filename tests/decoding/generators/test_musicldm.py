"""Our sampler against the pipeline of diffusers, with tiny random parts; starting from a recording; the spectrogram."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("diffusers", reason="generators are in the extra generate")

from b2m_encoding.decoding.generators import Condition, Exemplar, load_generator
from b2m_encoding.decoding.generators.mel import log_mel
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import resample
from b2m_encoding.features.networks.loading import transformers

from ...tiny_models import DIM, save_musicldm
from ..conftest import tone

RATE, SECONDS = 16_000, 0.64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every part, as they lie on disk; never change it, take a copy."""
    made = tmp_path_factory.mktemp("musicldm")
    save_musicldm(made)
    return made


@pytest.fixture(scope="module")
def exemplar(tmp_path_factory: pytest.TempPathFactory) -> Exemplar:
    path = tmp_path_factory.mktemp("exemplar") / "a.wav"
    soundfile.write(path, tone(2, 220, 0, rate=22_050), 22_050)
    return Exemplar(path, 2.0)


def load(folder: Path, **settings: Any) -> Any:
    return load_generator("musicldm", weights=folder, device="cpu", **settings)


def condition(exemplar: Exemplar | None = None, seed: int = 0) -> Condition:
    embedding = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return Condition("x", embedding, exemplar)


@pytest.mark.parametrize("guidance", [2.0, 1.0])
def test_samples_are_those_of_the_pipeline(folder: Path, guidance: float) -> None:
    """Called in the one way that works: both embeddings given, none computed."""
    from diffusers.pipelines.deprecated import MusicLDMPipeline

    generator = load(folder, steps=4, guidance=guidance)
    told = condition()
    wave, rate = generator.generate(told, SECONDS, random_state=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = generator.parts
        reader = transformers().ClapModel.from_pretrained(folder / "text_encoder").eval()
        pipeline = MusicLDMPipeline(
            vae=parts.vae, unet=parts.unet, vocoder=parts.vocoder, scheduler=parts.scheduler, tokenizer=None,
            text_encoder=reader, feature_extractor=None,
        )  # fmt: skip
        pipeline.set_progress_bar_config(disable=True)
        expected = pipeline(
            audio_length_in_s=SECONDS, num_inference_steps=4, guidance_scale=guidance,
            prompt_embeds=torch.from_numpy(told.embedding / np.linalg.norm(told.embedding))[None],
            negative_prompt_embeds=generator.unconditional[None], generator=torch.Generator().manual_seed(7),
        ).audios  # fmt: skip
    assert (rate, wave.shape) == (RATE, (int(SECONDS * RATE),))
    assert np.abs(wave).max() > 1e-3
    assert np.abs(wave - expected[0]).max() <= 1e-5 * np.abs(expected).max()


def test_the_seed_and_the_embedding_decide(folder: Path) -> None:
    generator = load(folder, steps=3)
    first, again, other_seed = (generator.generate(condition(), SECONDS, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other_seed)
    assert not np.allclose(first, generator.generate(condition(seed=1), SECONDS, 1)[0])
    longer = Condition("x", 7 * condition().embedding)
    assert np.allclose(first, generator.generate(longer, SECONDS, 1)[0], atol=1e-6)  # only its direction counts


def test_without_strength_the_recording_comes_back_through_the_autoencoder(folder: Path, exemplar: Exemplar) -> None:
    generator = load(folder, steps=4, strength=0.0)
    wave, _ = generator.generate(condition(exemplar), SECONDS, random_state=1)
    parts = generator.parts
    sound, rate = soundfile.read(exemplar.path, dtype="float32")
    mel = log_mel(resample(sound, rate, RATE)[: 65 * 160], RATE, 160, 64)[:64]
    with torch.inference_mode():
        expected = parts.vocoder(
            parts.vae.decode(parts.vae.encode(mel[None, None]).latent_dist.mode()).sample.squeeze(1)
        )
    assert np.allclose(wave, expected.reshape(-1)[: len(wave)], atol=1e-4 * float(expected.abs().max()))
    same = generator.generate(condition(exemplar, seed=5), SECONDS, random_state=2)[0]
    assert np.array_equal(wave, same)


def test_more_strength_leaves_less_of_the_recording(folder: Path, exemplar: Exemplar) -> None:
    start = load(folder).parts.encode(soundfile.read(exemplar.path, dtype="float32")[0], SECONDS)
    kept = [
        load(folder, steps=5, strength=s).generate(condition(exemplar), SECONDS, 1)[0] for s in (0.0, 0.2, 0.8, 1.0)
    ]
    distance = [float(np.linalg.norm(wave - kept[0])) for wave in kept]
    assert 0 == distance[0] < distance[1] < distance[2]
    from_noise = load(folder, steps=5).generate(condition(), SECONDS, 1)[0]
    assert np.allclose(kept[3], from_noise, atol=1e-6)
    assert start.shape == (1, 4, 32, 32)


def test_the_spectrogram_is_that_of_the_autoencoder() -> None:
    """Against the spectrogram of transformers, called with the numbers of AudioLDM."""
    audio = transformers().audio_utils
    wave = tone(1.0, 300, 1, rate=RATE).astype(np.float32) + 0.2
    levelled = wave - wave.mean()
    levelled = levelled / np.abs(levelled).max() / 2
    bank = audio.mel_filter_bank(513, 64, 0.0, 8000.0, RATE, norm="slaney", mel_scale="slaney")
    expected = audio.spectrogram(
        levelled,
        audio.window_function(1024, "hann"),
        1024,
        160,
        power=1.0,
        mel_filters=bank,
        mel_floor=1e-5,
        log_mel="log",
    )
    found = log_mel(wave, RATE, 160, 64)
    assert found.shape == (101, 64)
    assert np.abs(found.numpy() - expected.T).max() < 2e-3
    assert float(log_mel(np.zeros(1600, np.float32), RATE, 160, 64).max()) == pytest.approx(np.log(1e-5))


def test_provenance_and_bad_requests(folder: Path, exemplar: Exemplar, tmp_path: Path) -> None:
    generator = load(folder, steps=2, strength=0.5)
    assert {"strength": 0.5, "steps": 2, "guidance": 2.0}.items() <= dict(generator.provenance).items()
    assert len(generator.provenance["files"]["unet/diffusion_pytorch_model.safetensors"]) == 64
    assert generator.licence == "CC-BY-NC-SA-4.0"
    with pytest.raises(InputError, match="exemplar"):
        generator.generate(condition(), SECONDS, 1)
    with pytest.raises(InputError, match="not an embedding"):
        generator.generate(Condition("x", np.ones(3, np.float32), exemplar), SECONDS, 1)
    with pytest.raises(InputError, match="impossible strength"):
        load(folder, strength=1.5)
    with pytest.raises(InputError, match=r"too few steps(.|\n)*at least 4 steps"):
        load(folder, strength=0.25, steps=3)
    for steps in (0, 1001):
        with pytest.raises(InputError, match=r"number of steps(.|\n)*1 to 1000"):
            load(folder, steps=steps).generate(condition(), SECONDS, 1)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = copy / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        load(copy).generate(condition(), SECONDS, 1)
