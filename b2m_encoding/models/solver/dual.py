"""The dual form: ridge from the samples themselves, for more features than samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh
from b2m_encoding.models.solver.moments import Center, Targets, take_targets
from b2m_encoding.models.solver.problems import Blocks, Form, Preparation, System, Whole


class SamplesSource:
    """Dual form. X and Y of every block; the eigenbasis is that of the samples' kernel.

    Parameters
    ----------
    X, Y : dict of str to Tensor
        Samples of every block. Y has no missing values left.
    preparation : Preparation
    center : {"all", "block"}
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
        self.Y = {name: y - self.shift for name, y in Y.items()}  # keeps the digits of raw BOLD
        self.n_targets, self.n_features = len(self.shift), first_x.shape[1]

    @cached_property
    def _means(self) -> dict[str, tuple[Tensor, Tensor]]:
        return {name: (x.double().mean(0), self.Y[name].double().mean(0)) for name, x in self.X.items()}

    def _mean(self, blocks: Iterable[str]) -> tuple[Tensor, Tensor]:
        names = list(blocks)
        counts = torch.tensor([len(self.X[name]) for name in names], dtype=torch.float64)
        x, y = (torch.stack([self._means[name][i] for name in names]) for i in (0, 1))
        return counts @ x / counts.sum(), counts @ y / counts.sum()

    def _centred_x(self, blocks: Blocks, about: tuple[Tensor, Tensor]) -> Tensor:
        means = {name: (self._means[name] if self.center == "block" else about)[0] for name in blocks}
        return torch.cat([self.X[name].double() - means[name] for name in blocks])

    def _centred_y(self, blocks: Blocks, about: tuple[Tensor, Tensor]) -> Tensor:
        means = {name: (self._means[name] if self.center == "block" else about)[1] for name in blocks}
        return torch.cat([self.Y[name] - means[name].to(self.dtype) for name in blocks])

    def _some(self, y: Tensor, targets: Targets) -> Tensor:
        """Columns of ``y`` on the device."""
        return take_targets(y, targets).to(self.device)

    @cached_property
    def _rows(self) -> dict[str, Tensor]:
        """Where the samples of each block are among all."""
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
        """Kernel of samples of ``blocks`` about the mean of ``reference``, and of training samples about theirs."""
        weight = torch.ones(len(self._kernels)) if scaling is None else scaling
        kernel = torch.einsum("b,bij->ij", weight.to(self._kernels), self._kernels)
        rows, columns, about = (
            torch.cat([self._rows[name] for name in some]) for some in (blocks, training, reference)
        )
        part = kernel[rows][:, columns]
        if self.center == "block":
            return part  # every block is centred on itself already
        own, other = part.mean(1), kernel[about][:, columns].mean(0)
        return part - own[:, None] - other + other.mean()

    def _fold_kernels(
        self, inside: Blocks, held: Blocks, scaling: Tensor | None, own_mean: bool
    ) -> tuple[Tensor, Tensor]:
        """Centred kernel among training samples, and between held-out and training samples."""
        prep = self.preparation
        if not prep.standardize:  # one kernel serves every fold and scaling
            reference = held if own_mean else inside
            return self._kernel(inside, inside, inside, scaling), self._kernel(held, inside, reference, scaling)
        about = self._mean(inside)
        x = self._centred_x(inside, about)
        x_out = self._centred_x(held, self._mean(held) if own_mean else about)
        inverse_sd, spread = prep.deviations((x * x).sum(0), about[0], len(x)), prep.spread(scaling)
        x, x_out = (prep.apply(part, inverse_sd, spread).to(self.device) for part in (x, x_out))
        return x @ x.T, x_out @ x.T

    def system(self, held: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> System:
        """See :class:`~b2m_encoding.models.solver.problems.Source`."""
        inside = [name for name in self.X if name not in set(held)]
        about = self._mean(inside)
        y, y_out = self._centred_y(inside, about), self._centred_y(held, self._mean(held) if own_mean else about)
        kernel, across = self._fold_kernels(inside, held, scaling, own_mean)
        values, vectors = _kernel_basis(kernel)
        train = (vectors * values.sqrt()).to(self.dtype)
        root = across @ (vectors / values.sqrt())
        narrow = root.to(self.dtype)

        def load(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
            out = self._some(y_out, targets)
            return self._some(y, targets).T, out.T, (out * out).sum(0).double()

        return System(values, train, narrow, narrow, "samples", load, root.norm(dim=0))

    def whole(self, scaling: Tensor | None = None) -> Whole:
        """See :class:`~b2m_encoding.models.solver.problems.Source`."""
        names, prep = list(self.X), self.preparation
        mean_x, mean_y = about = self._mean(names)
        x, y = self._centred_x(names, about), self._centred_y(names, about)
        inverse_sd, spread = prep.deviations((x * x).sum(0), mean_x, len(x)), prep.spread(scaling)
        x = prep.apply(x, inverse_sd, spread).to(self.device)
        values, vectors = _kernel_basis(x @ x.T if prep.standardize else self._kernel(names, names, names, scaling))
        train, dual = ((vectors * scale).to(self.dtype) for scale in (values.sqrt(), 1 / values.sqrt()))
        rows = prep.back(x.T, inverse_sd, spread).T.to(self.dtype)
        return Whole(values, train, dual.T, lambda t: self._some(y, t).T, mean_x, mean_y + self.shift.double(), rows)

    def variation(self, held: Blocks) -> Tensor:
        """See :class:`~b2m_encoding.models.solver.problems.Source`."""
        y = self._centred_y(held, self._mean(held))
        return (y * y).sum(0).double()


def _kernel_basis(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of a kernel that are not zero, and their vectors over samples."""
    values, vectors = eigh(kernel)
    keep = values > values[-1] * len(values) * 1e-15
    return values[keep], vectors[:, keep]
