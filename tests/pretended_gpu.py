"""A GPU that is pretended: tensors in memory that say "cuda", and refuse what CUDA refuses; it shows no speed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
CUDA, META, CPU = (torch.device(name) for name in ("cuda:0", "meta", "cpu"))


class OnGpu(Tensor):
    """Tensor that says it is on a GPU. To torch it is on "meta", which has no driver either."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGpu:
        where = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made: OnGpu = Tensor._make_wrapper_subclass(cls, held.shape, device="meta", **where)
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    __array__ = numpy
    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute in memory; the result is where CUDA would have it."""
    given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    ours = [one for one in given if isinstance(one, OnGpu)]
    device = kwargs.get("device")
    wanted = bool(ours) if device is None else torch.device(device).type != "cpu"
    assert not any(one.is_meta and not isinstance(one, OnGpu) for one in given), f"not pretended well enough: {func}"
    if func is aten.copy_.default:
        wanted = isinstance(args[0], OnGpu)
    elif ours and func not in COPIES:
        _check_places(func, args, given)
    if wanted and kwargs.get("generator") is not None:
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if device is not None:
        kwargs = {**kwargs, "device": CPU, **({"pin_memory": False} if "pin_memory" in kwargs else {})}
    held_args, held_kwargs = tree_map(lambda one: one.held if isinstance(one, OnGpu) else one, (args, kwargs))
    found = func(*held_args, **held_kwargs)
    known = {id(one.held): one for one in ours}

    def placed(one: Any) -> Any:
        if not wanted or not isinstance(one, Tensor):
            return one
        return known[id(one)] if id(one) in known else OnGpu(one.resolve_conj())

    return tree_map(placed, found)


def _check_places(func: Any, args: Any, given: list[Tensor]) -> None:
    """Numbers may be anywhere, and so may the indices of a tensor on the GPU; all else must be on it."""
    others = [one for one in given if not isinstance(one, OnGpu) and one.dim() > 0]
    if func in INDEXED and isinstance(args[0], OnGpu):
        others = [one for one in others if not any(one is index for index in args[1])]
    if others:
        raise RuntimeError(f"Expected all tensors to be on the same device: {func}")


class _Dispatched(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Renamed(TorchFunctionMode):
    """Says "meta" wherever "cuda" is asked for: torch would look for a driver."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _as_tensors(args[1]), *args[2:])
        args, kwargs = tree_map(_renamed, (args, kwargs))
        if func in (torch.tensor, torch.as_tensor) and (device := kwargs.pop("device", None)) is not None:
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


def _renamed(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "cuda":
        return META
    return "meta" if isinstance(value, str) and value.partition(":")[0] == "cuda" else value


def _as_tensors(index: Any) -> Any:
    """Lists and arrays of an index in memory; torch would make them where the tensor is."""
    if isinstance(index, tuple):
        return tuple(map(_as_tensors, index))
    return torch.as_tensor(index) if isinstance(index, list | np.ndarray) else index


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """A GPU inside the block."""
    with (
        patch("torch.cuda.is_available", lambda: True),
        patch("torch.cuda.empty_cache", lambda: None),
        patch("torch.cuda._lazy_init", lambda: None),
        _Dispatched(),
        _Renamed(),
    ):
        yield
