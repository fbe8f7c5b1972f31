"""Contrastive decoder: a linear map from responses to features, trained from the ridge solution on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from b2m_encoding._typing import Booleans, Float64, Floating, Integers
from b2m_encoding.decoding.decoders.base import Decoder, as_windows, decoding_folds, training_windows, with_blocks
from b2m_encoding.decoding.decoders.ridge import WHOLE_CORTEX, RidgeDecoder
from b2m_encoding.decoding.decoders.transport import sinkhorn_divergence
from b2m_encoding.errors import InputError
from b2m_encoding.folds import Blocks
from b2m_encoding.models.solver.devices import eigh, resolve_device
from b2m_encoding.runs import Runs

START, MOMENTUM = 0.07, 0.9
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Temperatures at which the held-out loss is computed; the smallest counts."""


class ContrastiveDecoder(Decoder):
    """Linear map from responses to features by contrastive learning (InfoNCE).

    A prediction must be nearer to the features of its clip than to those of other clips. Gradient descent starts from
    the ridge solution, in components of the responses scaled by their shrinkage under ridge. The number of steps is
    chosen on held-out training runs, each decoded by a decoder of the others with its own targets; with 0 steps the
    decoder is ridge. Windows of one clip are never negatives of each other. All windows are one batch, so that training
    is deterministic.

    Parameters
    ----------
    targets : array of bool, shape (n_targets,), optional
        Targets to decode from; all by default.
    n_targets : int, optional
        Number of these targets that are used; see :class:`~b2m_encoding.decoding.decoders.ridge.RidgeDecoder`.
    temperature : float or "learned"
        Temperature of the similarities; "learned" starts at 0.07.
    n_steps : int
        Largest number of steps.
    patience : int
        Number of steps without a smaller loss after which the search ends.
    learning_rate : float
    transport : float
        Weight of an optimal transport term beside the contrastive loss: the Sinkhorn divergence of decoded and true
        features of the training windows, which makes both sets alike in shape. 0 leaves it out.
    alphas : sequence of float
        Penalties of the ridge solution that are tried.
    folds : int, optional
        Number of folds of whole runs that choose penalties; one run is left out at a time by default.
    device : str

    Attributes
    ----------
    ridge_ : RidgeDecoder
        The ridge solution from which training started.
    columns_ : array of int
        Targets that are decoded from.
    n_steps_ : int
        Number of steps of the fit.
    losses_ : array, shape (n_tried + 1,)
        Mean held-out loss before and after each step, at the temperature with the smallest loss.
    temperature_ : float

    References
    ----------
    van den Oord et al. 2018, arXiv 1807.03748; linear contrastive decoders of music: Ciferri et al. 2026,
    arXiv 2606.19081; with optimal transport: doi 10.1109/EMBC58623.2025.11253498.
    """

    def __init__(
        self,
        targets: Booleans | None = None,
        *,
        n_targets: int | None = None,
        temperature: float | Literal["learned"] = START,
        n_steps: int = 100,
        patience: int = 15,
        learning_rate: float = 0.05,
        transport: float = 0.0,
        alphas: tuple[float, ...] = WHOLE_CORTEX,
        folds: int | None = None,
        device: str = "auto",
    ) -> None:
        if temperature != "learned" and not float(temperature) > 0:
            raise InputError("a temperature is positive", found=temperature, expected='a number above 0, or "learned"')
        if not 0 <= float(transport) < np.inf:
            raise InputError("the weight of optimal transport is 0 or more", found=transport)
        self.targets = targets
        self.n_targets = n_targets
        self.transport = transport
        self.temperature = temperature
        self.n_steps = n_steps
        self.patience = patience
        self.learning_rate = learning_rate
        self.alphas = alphas
        self.folds = folds
        self.device = device

    def fit(self, X: Floating, Y: Floating, *, runs: Runs) -> Self:
        """Choose the number of steps, then train on all windows; see :meth:`Decoder.fit`."""
        X, Y = training_windows(X, Y, runs)
        self.ridge_ = self._ridge().fit(X, Y, runs=runs)
        self.columns_ = self.ridge_.columns_
        trials = [self._trial(X, Y, runs, held_out) for held_out in decoding_folds(runs, self.folds)]
        self.losses_ = self._search(trials)
        self.n_steps_ = int(np.argmin(self.losses_))
        learner = self.learner_ = self._learner(self.ridge_, X, Y, runs, runs.rows())
        for _ in range(self.n_steps_):
            learner.step()
        self.temperature_ = learner.temperature
        return self

    def predict(self, X: Floating, *, runs: Runs) -> Float64:
        """Decode features; see :meth:`Decoder.predict`.

        Only directions from the mean are trained, not distances from it: calibrate the predictions.
        """
        return self.learner_.predict(as_windows(X, runs)[:, self.columns_])

    def cross_val_predict(self, X: Floating, Y: Floating, *, runs: Runs) -> Float64:
        """Decode training windows with the number of steps of the fit; see :meth:`Decoder.cross_val_predict`."""
        X, Y = training_windows(X, Y, runs)
        out = np.full(Y.shape, np.nan)
        for held_out in decoding_folds(runs, self.folds):
            learner, x, _, _ = self._trial(X, Y, runs, held_out)
            for _ in range(self.n_steps_):
                learner.step()
            out[runs.rows(held_out)] = learner.decoded(x)
        return out

    def _ridge(self) -> RidgeDecoder:
        return RidgeDecoder(
            self.targets, n_targets=self.n_targets, alphas=self.alphas, folds=self.folds, device=self.device
        )

    def _trial(self, X: Floating, Y: Floating, runs: Runs, held_out: Blocks) -> _Trial:
        """A learner of the other folds, and components, features and clips of the held-out windows."""
        out = runs.rows(held_out)
        inside = np.setdiff1d(runs.rows(), out)
        if self.n_targets is None:
            ridge = self.ridge_  # the same targets, and penalties that were cross-validated over the same folds
        else:
            ridge = self._ridge().fit(X[inside], Y[inside], runs=with_blocks(runs.take(inside)))
        learner = self._learner(ridge, X, Y, runs, inside)
        clips = torch.from_numpy(clip_numbers(runs)[out]).to(learner.device)
        return learner, learner.components(X[out][:, ridge.columns_]), learner.scaled(Y[out]), clips

    def _learner(self, ridge: RidgeDecoder, X: Floating, Y: Floating, runs: Runs, rows: NDArray[np.intp]) -> _Learner:
        """The ridge solution of some windows, ready for training."""
        alphas = np.nan_to_num(ridge.model_.best_alphas_, nan=1.0)
        responses, device = X[rows][:, ridge.columns_], resolve_device(self.device)
        clips = clip_numbers(runs)[rows]
        options = (self.temperature, self.learning_rate, float(self.transport), device)
        return _Learner.start(responses, Y[rows], alphas, clips, *options)

    def _search(self, trials: Sequence[_Trial]) -> Float64:
        """Mean held-out loss after every step, until patience ends."""
        losses: list[float] = []
        for step in range(self.n_steps + 1):
            if step:
                for learner, *_ in trials:
                    learner.step()
            losses.append(float(np.mean([learner.held_out_loss(x, y, clips) for learner, x, y, clips in trials])))
            if step - int(np.argmin(losses)) >= self.patience:
                break
        return np.array(losses)


_Trial: TypeAlias = "tuple[_Learner, Tensor, Tensor, Tensor]"


@dataclass(eq=False)
class _Learner:
    """The linear map in training: weights of scaled components of the standardised responses."""

    mean: Float64
    scale: Float64
    axes: Float64
    """From standardised responses to scaled components, shape (n_targets, n_components)."""
    centre: Float64
    spread: Float64
    """Mean and standard deviation of the features."""
    weights: Tensor
    log_temperature: Tensor
    velocity: list[Tensor]
    learning_rate: float
    transport: float
    batch: tuple[Tensor, Tensor, Tensor]
    device: torch.device

    @classmethod
    def start(
        cls,
        responses: Floating,
        embedding: Floating,
        alphas: Floating,
        clips: Integers,
        temperature: float | str,
        learning_rate: float,
        transport: float,
        device: torch.device,
    ) -> _Learner:
        """The ridge solution of these windows, with given penalties."""
        mean, scale = responses.mean(axis=0, dtype=np.float64), responses.std(axis=0, dtype=np.float64)
        scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        z = (responses - mean) * scale
        centre, spread = embedding.mean(axis=0, dtype=np.float64), embedding.std(axis=0, dtype=np.float64)
        values, vectors = (part.numpy() for part in eigh(torch.from_numpy(z @ z.T)))
        positive = values > 1e-9 * values[-1]
        values, vectors = values[positive], vectors[:, positive]
        damped = np.sqrt(values + np.median(alphas)) / np.sqrt(len(z))
        # component j of window i is vectors[i, j] * sqrt(values[j]); over `damped`, those that ridge shrinks are small
        y = np.divide(embedding - centre, spread, out=np.zeros(embedding.shape), where=spread > 0)
        ridge = damped[:, None] * (np.sqrt(values)[:, None] * (vectors.T @ y)) / (values[:, None] + alphas)
        weights = torch.tensor(ridge, device=device, requires_grad=True)
        initial = START if temperature == "learned" else float(temperature)
        log_temperature = torch.tensor(np.log(initial), device=device, requires_grad=temperature == "learned")
        velocity = [torch.zeros_like(values) for values in (weights, log_temperature) if values.requires_grad]
        components = torch.from_numpy(vectors * np.sqrt(values) / damped).to(device)
        batch = (components, torch.from_numpy(y).to(device), torch.from_numpy(clips).to(device))
        axes = (z.T @ vectors) / (np.sqrt(values) * damped)
        state = (weights, log_temperature, velocity, learning_rate, transport, batch, device)
        return cls(mean, scale, axes, centre, spread, *state)

    @property
    def temperature(self) -> float:
        return float(self.log_temperature.detach().exp())

    def components(self, responses: Floating) -> Tensor:
        """Scaled components of the responses to new windows."""
        return torch.from_numpy(((responses - self.mean) * self.scale) @ self.axes).to(self.device)

    def scaled(self, embedding: Floating) -> Tensor:
        """Standardised features of new windows."""
        centred = embedding - self.centre
        out = np.divide(centred, self.spread, out=np.zeros(centred.shape), where=self.spread > 0)
        return torch.from_numpy(out).to(self.device)

    def step(self) -> None:
        """Take one step of gradient descent, with momentum, on all windows."""
        x, y, clips = self.batch
        decoded = x @ self.weights
        loss = info_nce(decoded, y, clips, self.log_temperature.exp())
        if self.transport:
            loss = loss + self.transport * sinkhorn_divergence(decoded, y)
        trained = [values for values in (self.weights, self.log_temperature) if values.requires_grad]
        slopes = torch.autograd.grad(loss, trained)
        self.velocity = [MOMENTUM * v + slope for v, slope in zip(self.velocity, slopes, strict=True)]
        with torch.no_grad():
            for values, velocity in zip(trained, self.velocity, strict=True):
                values -= self.learning_rate * velocity

    def held_out_loss(self, x: Tensor, y: Tensor, clips: Tensor) -> float:
        """Loss of held-out windows at the best temperature; at another, better directions may not show."""
        with torch.no_grad():
            logits = rival_cosines(x @ self.weights, y, clips)
            return min(float(_both_ways(logits / tried)) for tried in TEMPERATURES)

    def predict(self, responses: Floating) -> Float64:
        """Features of new windows, in their units."""
        return self.decoded(self.components(responses))

    def decoded(self, x: Tensor) -> Float64:
        """Features of scaled components, in their units."""
        with torch.no_grad():
            decoded = (x @ self.weights).cpu().numpy()
        return np.asarray(decoded * self.spread + self.centre, dtype=np.float64)


def info_nce(predicted: Tensor, true: Tensor, clips: Tensor, temperature: float | Tensor) -> Tensor:
    """Mean cross-entropy of choosing the features of a window among those of other clips by cosine, in both directions.

    Parameters
    ----------
    predicted, true : Tensor, shape (n_windows, n_dimensions)
    clips : Tensor of int, shape (n_windows,)
        Clip of each window; other windows of the same clip are no negatives.
    temperature : float or Tensor

    Examples
    --------
    Two windows of each of two clips, all features equal: the probability of the right window is a third.

    >>> same = torch.ones(4, 2)
    >>> loss = info_nce(same, same, torch.tensor([0, 0, 1, 1]), 1.0)
    >>> round(float(loss.exp()), 6)
    3.0
    """
    return _both_ways(rival_cosines(predicted, true, clips) / temperature)


def rival_cosines(predicted: Tensor, true: Tensor, clips: Tensor) -> Tensor:
    """Cosine of every prediction (rows) with all features; minus infinity with other windows of the same clip."""
    others = (clips[:, None] == clips) & ~torch.eye(len(clips), dtype=torch.bool, device=clips.device)
    return (normalize(predicted) @ normalize(true).T).masked_fill(others, -torch.inf)


def _both_ways(logits: Tensor) -> Tensor:
    """Cross-entropy of the diagonal, over rows and over columns."""
    diagonal = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, diagonal) + cross_entropy(logits.T, diagonal)) / 2


def clip_numbers(runs: Runs) -> Integers:
    """Number of the clip of every window; a window without a clip is a clip by itself."""
    named = np.where(runs.clip == "", [f"\0{i}" for i in range(len(runs))], runs.clip)
    return np.asarray(np.unique(named, return_inverse=True)[1], dtype=np.int64)
