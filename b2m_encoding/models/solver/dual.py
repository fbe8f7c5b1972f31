"""The dual form: ridge from samples, for more features than samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh
from b2m_encoding.models.solver.moments import Center, Targets, take_targets
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.problems import Blocks, FoldSystem, Form, FullSystem, NormalEquations


class SamplesProblem:
    """Ridge problem from samples, in the dual form: the eigenbasis is that of the kernel of the samples.

    Parameters
    ----------
    X, Y : dict of str to Tensor
        Samples of every block. Y has no missing values.
    preparation : Preparation
    center : {"all", "block"}
    dtype : torch.dtype
        Type of the large products.
    device : torch.device
    """

    form: Form = "dual"

    def __init__(
        self,
        X: Mapping[str, Tensor],
        Y: Mapping[str, Tensor],
        preparation: Preparation,
        *,
        center: Center = "all",
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.X, self.preparation, self.center, self.dtype = X, preparation, center, dtype
        self.device = device or torch.device("cpu")
        first_x, self.shift = next(iter(X.values())), next(iter(Y.values())).mean(0)
        self.Y = {name: (y - self.shift).to(dtype) for name, y in Y.items()}  # raw BOLD has a large mean
        self.n_targets, self.n_features = len(self.shift), first_x.shape[1]

    @cached_property
    def _means(self) -> dict[str, tuple[Tensor, Tensor]]:
        return {name: (x.double().mean(0), self.Y[name].double().mean(0)) for name, x in self.X.items()}

    def _mean(self, blocks: Iterable[str]) -> tuple[Tensor, Tensor]:
        names = list(blocks)
        counts = torch.tensor([len(self.X[name]) for name in names], dtype=torch.float64)
        x = torch.stack([self._means[name][0] for name in names])
        y = torch.stack([self._means[name][1] for name in names])
        return counts @ x / counts.sum(), counts @ y / counts.sum()

    def _centred_x(self, blocks: Blocks, about: tuple[Tensor, Tensor]) -> Tensor:
        means = {name: (self._means[name] if self.center == "block" else about)[0] for name in blocks}
        return torch.cat([self.X[name].double() - means[name] for name in blocks])

    def _centred_y(self, blocks: Blocks, about: tuple[Tensor, Tensor]) -> Tensor:
        means = {name: (self._means[name] if self.center == "block" else about)[1] for name in blocks}
        return torch.cat([self.Y[name] - means[name].to(self.dtype) for name in blocks])

    def _columns(self, y: Tensor, targets: Targets) -> Tensor:
        """Columns of ``y`` on the device, shape (n_samples, n)."""
        return take_targets(y, targets).to(self.device)

    @cached_property
    def _rows(self) -> dict[str, Tensor]:
        """Positions of the samples of each block among all samples."""
        counts = [len(x) for x in self.X.values()]
        parts = torch.split(torch.arange(sum(counts), device=self.device), counts)
        return dict(zip(self.X, parts, strict=True))

    @cached_property
    def _kernels(self) -> Tensor:
        """Kernel of every feature space over all samples, about one centre, shape (n_bands, n, n); not standardised."""
        x = self._centred_x(list(self.X), self._mean(self.X))
        x = self.preparation.apply(x, torch.ones(x.shape[1]), None).to(self.device)
        return torch.stack([part @ part.T for part in torch.split(x, list(self.preparation.widths), dim=1)])

    def _kernel(self, blocks: Blocks, training: Blocks, reference: Blocks, scaling: Tensor | None) -> Tensor:
        """Kernel between ``blocks``, centred on the mean of ``reference``, and ``training``, on its own mean."""
        weight = torch.ones(len(self._kernels)) if scaling is None else scaling
        kernel = torch.einsum("b,bij->ij", weight.to(self._kernels), self._kernels)
        rows = torch.cat([self._rows[name] for name in blocks])
        columns = torch.cat([self._rows[name] for name in training])
        about = torch.cat([self._rows[name] for name in reference])
        part = kernel[rows][:, columns]
        if self.center == "block":
            return part  # every block is centred on itself already
        row_mean, reference_mean = part.mean(1), kernel[about][:, columns].mean(0)
        return part - row_mean[:, None] - reference_mean + reference_mean.mean()

    def _fold_kernels(
        self, inside: Blocks, held_out: Blocks, scaling: Tensor | None, own_mean: bool
    ) -> tuple[Tensor, Tensor]:
        """Centred kernel among training samples, and between held-out and training samples."""
        prep = self.preparation
        if not prep.standardize:  # one kernel serves every fold and scaling
            reference = held_out if own_mean else inside
            return self._kernel(inside, inside, inside, scaling), self._kernel(held_out, inside, reference, scaling)
        about = self._mean(inside)
        x = self._centred_x(inside, about)
        x_out = self._centred_x(held_out, self._mean(held_out) if own_mean else about)
        inverse_sd, scales = prep.inverse_deviations((x * x).sum(0), about[0], len(x)), prep.column_scales(scaling)
        x = prep.apply(x, inverse_sd, scales).to(self.device)
        x_out = prep.apply(x_out, inverse_sd, scales).to(self.device)
        return x @ x.T, x_out @ x.T

    def fold(self, held_out: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> FoldSystem:
        """See :meth:`RidgeProblem.fold <b2m_encoding.models.solver.problems.RidgeProblem.fold>`."""
        inside = [name for name in self.X if name not in set(held_out)]
        about = self._mean(inside)
        y = self._centred_y(inside, about)
        y_out = self._centred_y(held_out, self._mean(held_out) if own_mean else about)
        kernel, across = self._fold_kernels(inside, held_out, scaling, own_mean)
        values, vectors = _kernel_basis(kernel)
        train = (vectors * values.sqrt()).to(self.dtype)
        root = across @ (vectors / values.sqrt())
        narrow = root.to(self.dtype)

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            out = self._columns(y_out, targets)
            return self._columns(y, targets).T, out.T, (out * out).sum(0).double()

        return FoldSystem(values, train, narrow, narrow, "samples", load, root.norm(dim=0))

    def held_out_root(self, held_out: Blocks) -> Tensor:
        """See :meth:`RidgeProblem.held_out_root <b2m_encoding.models.solver.problems.RidgeProblem.held_out_root>`."""
        inside = [name for name in self.X if name not in set(held_out)]
        return self._centred_x(held_out, self._mean(inside)).to(self.device, self.dtype)

    def full(self, scaling: Tensor | None = None) -> FullSystem:
        """See :meth:`RidgeProblem.full <b2m_encoding.models.solver.problems.RidgeProblem.full>`."""
        names, prep = list(self.X), self.preparation
        mean_x, mean_y = about = self._mean(names)
        x, y = self._centred_x(names, about), self._centred_y(names, about)
        inverse_sd, scales = prep.inverse_deviations((x * x).sum(0), mean_x, len(x)), prep.column_scales(scaling)
        x = prep.apply(x, inverse_sd, scales).to(self.device)
        values, vectors = _kernel_basis(x @ x.T if prep.standardize else self._kernel(names, names, names, scaling))
        train = (vectors * values.sqrt()).to(self.dtype)
        basis = prep.back(x.T @ (vectors / values.sqrt()), inverse_sd, scales).to(self.dtype)
        mean_y = mean_y + self.shift.double()
        return FullSystem(values, train, basis.T, lambda targets: self._columns(y, targets).T, mean_x, mean_y)

    def squares(self) -> Tensor:
        """See :meth:`RidgeProblem.squares <b2m_encoding.models.solver.problems.RidgeProblem.squares>`."""
        return torch.stack([(x * x).sum(0) for x in self._centred_blocks()]).sum(0)

    def normal_equations(self, weights: Tensor, targets: Tensor) -> NormalEquations:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.normal_equations`."""
        names = list(self.X)
        about = self._mean(names)
        y = take_targets(self._centred_y(names, about), targets).double()
        gradient, start = torch.zeros_like(weights), 0
        for x in self._centred_blocks():
            part = y[start : start + len(x)]
            gradient += (part - x @ weights.T).T @ x
            start += len(x)
        return NormalEquations(gradient, self.squares(), about[0], (y * y).sum(0), len(y))

    def _centred_blocks(self) -> Iterator[Tensor]:
        about = self._mean(self.X)
        yield from (self._centred_x([name], about) for name in self.X)

    def variation(self, held_out: Blocks) -> Tensor:
        """See :meth:`RidgeProblem.variation <b2m_encoding.models.solver.problems.RidgeProblem.variation>`."""
        y = self._centred_y(held_out, self._mean(held_out))
        return (y * y).sum(0).double()


def _kernel_basis(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Nonzero eigenvalues of a kernel, and their vectors over samples, shape (n_samples, rank); one of 0 at least."""
    values, vectors = eigh(kernel)
    keep = values > max(float(values[-1]), 0.0) * len(values) * 1e-15
    if not keep.any():  # no feature varies in these samples: nothing is predicted
        return torch.ones_like(values[-1:]), torch.zeros_like(vectors[:, -1:])
    return values[keep], vectors[:, keep]
