"""A linear decoder trained to tell clips apart, from where ridge leaves off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from b2m_encoding.decoding.decoders.base import Decoder, Floats, decoding_folds, with_blocks
from b2m_encoding.decoding.decoders.ridge import WHOLE_CORTEX, RidgeDecoder
from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.devices import eigh, resolve_device
from b2m_encoding.runs import Blocks, Runs

START, MOMENTUM = 0.07, 0.9
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Tried where held-out windows are judged."""


class ContrastiveDecoder(Decoder):
    """Linear map from responses to features by contrast: the own clip must be nearer than the others (InfoNCE).

    Training starts from the ridge solution and walks along the components of the responses, each as fast as ridge
    trusts it. How many steps is chosen on training runs that are held out, each by a decoder of the others with its own
    targets; none is a possible answer: then it is ridge. Windows of one clip are never each other's negatives. All
    windows are one batch, so that training holds nothing random.

    Parameters
    ----------
    targets : array of bool, shape (n_targets,), optional
        Decode from these targets alone.
    n_targets : int, optional
        Only as many of them; see :class:`~b2m_encoding.decoding.decoders.ridge.RidgeDecoder`.
    temperature : float or "learned"
        Of the similarities; learned from 0.07 on.
    n_steps : int
        At most.
    patience : int
        Stop when so many steps have not helped.
    learning_rate : float
    alphas : sequence of float
        Penalties of the ridge it starts from.
    device : str

    Attributes
    ----------
    ridge_ : RidgeDecoder
        Where it started.
    n_steps_ : int
        Steps taken.
    losses_ : array, shape (n_tried + 1,)
        Mean held-out loss before and after each step, at the temperature that suits it best.
    temperature_ : float

    References
    ----------
    van den Oord et al. 2018, arXiv 1807.03748; linear contrastive decoders of music: Ciferri et al. 2026,
    arXiv 2606.19081.
    """

    def __init__(
        self,
        targets: NDArray[np.bool_] | None = None,
        *,
        n_targets: int | None = None,
        temperature: float | Literal["learned"] = START,
        n_steps: int = 100,
        patience: int = 15,
        learning_rate: float = 0.05,
        alphas: tuple[float, ...] = WHOLE_CORTEX,
        device: str = "auto",
    ) -> None:
        if temperature != "learned" and not float(temperature) > 0:
            raise InputError("a temperature is positive", found=temperature, expected='a number above 0, or "learned"')
        self.targets = targets
        self.n_targets = n_targets
        self.temperature = temperature
        self.n_steps = n_steps
        self.patience = patience
        self.learning_rate = learning_rate
        self.alphas = alphas
        self.device = device

    def fit(self, responses: Floats, embedding: Floats, runs: Runs) -> Self:
        """See :meth:`Decoder.fit`."""
        self.ridge_ = self._ridge().fit(responses, embedding, runs)
        self.columns_ = self.ridge_.columns_
        trials = [self._trial(responses, embedding, runs, held) for held in decoding_folds(runs)]
        self.losses_ = self._search(trials)
        self.n_steps_ = int(np.argmin(self.losses_))
        learner = self.learner_ = self._learner(self.ridge_, responses, embedding, runs, runs.rows())
        for _ in range(self.n_steps_):
            learner.step()
        self.temperature_ = learner.temperature
        return self

    def predict(self, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """See :meth:`Decoder.predict`; directions from the mean are trained, lengths come as they come: calibrate."""
        return self.learner_.predict(responses[:, self.columns_])

    def cross_val_predict(self, responses: Floats, embedding: Floats, runs: Runs) -> NDArray[np.float64]:
        """See :meth:`Decoder.cross_val_predict`; with as many steps as the fit took."""
        out = np.full(embedding.shape, np.nan)
        for held in decoding_folds(runs):
            learner, x, _, _ = self._trial(responses, embedding, runs, held)
            for _ in range(self.n_steps_):
                learner.step()
            out[runs.rows(held)] = learner.decoded(x)
        return out

    def _ridge(self) -> RidgeDecoder:
        return RidgeDecoder(self.targets, n_targets=self.n_targets, alphas=self.alphas, device=self.device)

    def _trial(self, responses: Floats, embedding: Floats, runs: Runs, held: Blocks) -> _Trial:
        """A learner of the other folds, and what it is judged on."""
        out = runs.rows(held)
        inside = np.setdiff1d(runs.rows(), out)
        if self.n_targets is None:
            ridge = self.ridge_  # the same targets, and penalties that were cross-validated over the same folds
        else:
            others = with_blocks(runs.take(inside))
            ridge = self._ridge().fit(responses[inside], embedding[inside], others)
        learner = self._learner(ridge, responses, embedding, runs, inside)
        clips = torch.from_numpy(clip_numbers(runs)[out]).to(learner.device)
        return learner, learner.features(responses[out][:, ridge.columns_]), learner.scaled(embedding[out]), clips

    def _learner(
        self, ridge: RidgeDecoder, responses: Floats, embedding: Floats, runs: Runs, rows: NDArray[np.intp]
    ) -> _Learner:
        alphas = np.nan_to_num(ridge.model_.best_alphas_, nan=1.0)
        own, device = responses[rows][:, ridge.columns_], resolve_device(self.device)
        clips = clip_numbers(runs)[rows]
        return _Learner.start(own, embedding[rows], alphas, clips, self.temperature, self.learning_rate, device)

    def _search(self, trials: Sequence[_Trial]) -> NDArray[np.float64]:
        """Mean held-out loss after every step, until patience ends."""
        losses: list[float] = []
        for step in range(self.n_steps + 1):
            if step:
                for learner, *_ in trials:
                    learner.step()
            losses.append(float(np.mean([learner.judged(x, y, clips) for learner, x, y, clips in trials])))
            if step - int(np.argmin(losses)) >= self.patience:
                break
        return np.array(losses)


_Trial: TypeAlias = "tuple[_Learner, Tensor, Tensor, Tensor]"


@dataclass(eq=False)
class _Learner:
    """The map in training, from the components of standardised responses, scaled as ridge trusts them."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    back: NDArray[np.float64]
    """From standardised responses to scaled components, shape (n_targets, n_components)."""
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    """Mean and deviation of the features."""
    weights: Tensor
    log_temperature: Tensor
    speed: list[Tensor]
    learning_rate: float
    batch: tuple[Tensor, Tensor, Tensor]
    device: torch.device

    @classmethod
    def start(
        cls,
        own: Floats,
        embedding: Floats,
        alphas: Floats,
        clips: NDArray[np.int64],
        temperature: float | str,
        learning_rate: float,
        device: torch.device,
    ) -> _Learner:
        """The ridge solution of these windows, with given penalties."""
        mean, scale = own.mean(axis=0, dtype=np.float64), own.std(axis=0, dtype=np.float64)
        scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        z = (own - mean) * scale
        centre, spread = embedding.mean(axis=0, dtype=np.float64), embedding.std(axis=0, dtype=np.float64)
        values, vectors = (part.numpy() for part in eigh(torch.from_numpy(z @ z.T)))
        kept = values > 1e-9 * values[-1]
        values, vectors = values[kept], vectors[:, kept]
        trusted = np.sqrt(values + np.median(alphas)) / np.sqrt(len(z))
        # component j of window i is vectors[i, j] * sqrt(values[j]); over `trusted`, those that ridge shrinks are small
        y = np.divide(embedding - centre, spread, out=np.zeros(embedding.shape), where=spread > 0)
        ridge = trusted[:, None] * (np.sqrt(values)[:, None] * (vectors.T @ y)) / (values[:, None] + alphas)
        weights = torch.tensor(ridge, device=device, requires_grad=True)
        start = START if temperature == "learned" else float(temperature)
        log_temperature = torch.tensor(np.log(start), device=device, requires_grad=temperature == "learned")
        speed = [torch.zeros_like(one) for one in (weights, log_temperature) if one.requires_grad]
        components = torch.from_numpy(vectors * np.sqrt(values) / trusted).to(device)
        batch = (components, torch.from_numpy(y).to(device), torch.from_numpy(clips).to(device))
        back = (z.T @ vectors) / (np.sqrt(values) * trusted)
        return cls(mean, scale, back, centre, spread, weights, log_temperature, speed, learning_rate, batch, device)

    @property
    def temperature(self) -> float:
        return float(self.log_temperature.detach().exp())

    def features(self, own: Floats) -> Tensor:
        """Scaled components of the responses to new windows."""
        return torch.from_numpy(((own - self.mean) * self.scale) @ self.back).to(self.device)

    def scaled(self, embedding: Floats) -> Tensor:
        """Standardised features of new windows."""
        centred = embedding - self.centre
        out = np.divide(centred, self.spread, out=np.zeros(centred.shape), where=self.spread > 0)
        return torch.from_numpy(out).to(self.device)

    def step(self) -> None:
        """One step of gradient descent, with momentum, on all windows."""
        x, y, clips = self.batch
        loss = info_nce(x @ self.weights, y, clips, self.log_temperature.exp())
        learned = [one for one in (self.weights, self.log_temperature) if one.requires_grad]
        slopes = torch.autograd.grad(loss, learned)
        self.speed = [MOMENTUM * v + slope for v, slope in zip(self.speed, slopes, strict=True)]
        with torch.no_grad():
            for one, speed in zip(learned, self.speed, strict=True):
                one -= self.learning_rate * speed

    def judged(self, x: Tensor, y: Tensor, clips: Tensor) -> float:
        """Loss of held-out windows; a wrong temperature would hide that the own clip comes nearer."""
        with torch.no_grad():
            logits = rival_cosines(x @ self.weights, y, clips)
            return min(float(_both_ways(logits / tried)) for tried in TEMPERATURES)

    def predict(self, own: Floats) -> NDArray[np.float64]:
        """Features of new windows, in their units."""
        return self.decoded(self.features(own))

    def decoded(self, x: Tensor) -> NDArray[np.float64]:
        """The same from scaled components."""
        with torch.no_grad():
            decoded = (x @ self.weights).cpu().numpy()
        return np.asarray(decoded * self.spread + self.centre, dtype=np.float64)


def info_nce(predicted: Tensor, true: Tensor, clips: Tensor, temperature: float | Tensor) -> Tensor:
    """Mean cross-entropy of finding the own features among those of other clips by cosine, and the other way round.

    Parameters
    ----------
    predicted, true : Tensor, shape (n_windows, n_dimensions)
    clips : Tensor of int, shape (n_windows,)
        Other windows of the same clip are no negatives.
    temperature : float or Tensor

    Examples
    --------
    Two windows of each of two clips, all features alike: the chance of finding the own one is a third.

    >>> same = torch.ones(4, 2)
    >>> loss = info_nce(same, same, torch.tensor([0, 0, 1, 1]), 1.0)
    >>> round(float(loss.exp()), 6)
    3.0
    """
    return _both_ways(rival_cosines(predicted, true, clips) / temperature)


def rival_cosines(predicted: Tensor, true: Tensor, clips: Tensor) -> Tensor:
    """Cosine of every prediction (rows) with all features; minus infinity with those of its clip but its own."""
    others = (clips[:, None] == clips) & ~torch.eye(len(clips), dtype=torch.bool, device=clips.device)
    return (normalize(predicted) @ normalize(true).T).masked_fill(others, -torch.inf)


def _both_ways(logits: Tensor) -> Tensor:
    """Cross-entropy of the diagonal, over rows and over columns."""
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def clip_numbers(runs: Runs) -> NDArray[np.int64]:
    """A number per clip for every window; a window without a clip is one of its own."""
    named = np.where(runs.clip == "", [f"\0{i}" for i in range(len(runs))], runs.clip)
    return np.asarray(np.unique(named, return_inverse=True)[1], dtype=np.int64)
