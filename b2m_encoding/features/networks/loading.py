"""Loading of modules from local files: transformers offline, tensors from safetensors, damage as InputError."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights import Weights
from b2m_encoding.io.names import first_of
from b2m_encoding.io.parsing import parse_json

OFFLINE = {"HF_HUB_OFFLINE": "1", "DISABLE_SAFETENSORS_CONVERSION": "1"}
TRAINING_ONLY = ("masked_spec_embed", "pooler.")
"""Parameters that checkpoints may lack because inference does not use them."""


def transformers() -> Any:
    """Import transformers in offline mode.

    Raises
    ------
    InputError
        If it is not installed, or cannot be imported because of a broken torchaudio or torchvision.
    """
    for variable, value in OFFLINE.items():
        os.environ.setdefault(variable, value)
    if find_spec("transformers") is None:
        raise InputError("pretrained networks need transformers", fix='pip install "b2m-encoding[models]"')
    with _importing():
        import transformers
        import transformers.audio_utils

    return transformers


def pretrained(cls: str, folder: Path, weights: Weights) -> Any:
    """Load a model class of transformers from a folder.

    Raises
    ------
    InputError
        If transformers is not installed, or a file is missing, damaged or lacks a parameter.
    """
    weights.path((folder / "config.json").relative_to(weights.folder).as_posix())
    library = transformers()
    library.utils.logging.disable_progress_bar()
    verbosity = library.utils.logging.get_verbosity()
    library.utils.logging.set_verbosity_error()
    options = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
    try:
        with _importing():
            model_class = getattr(library, cls)
        with _reading(folder, weights):
            model, report = model_class.from_pretrained(folder, output_loading_info=True, **options)
    finally:
        library.utils.logging.set_verbosity(verbosity)
    missing = sorted(key for key in report["missing_keys"] if not any(part in key for part in TRAINING_ONLY))
    if missing:
        raise _lacking(folder, weights, missing)
    return model


def diffusers_part(cls: str, folder: Path, weights: Weights) -> Any:
    """Load a model or a scheduler class of diffusers from a folder.

    Raises
    ------
    InputError
        If diffusers is not installed, or a file is missing, damaged or lacks a parameter.
    """
    transformers()  # sets offline mode, and detects a broken torchaudio
    if find_spec("diffusers") is None:
        raise InputError("this generator needs diffusers", fix='pip install "b2m-encoding[generate]"')
    with _importing():
        import diffusers

        part_class = getattr(diffusers, cls)
    diffusers.utils.logging.set_verbosity_error()
    if not issubclass(part_class, nn.Module):
        with _reading(folder, weights):
            return part_class.from_pretrained(folder, local_files_only=True)
    weights.path((folder / "config.json").relative_to(weights.folder).as_posix())
    options = {"local_files_only": True, "use_safetensors": True, "low_cpu_mem_usage": False}
    with _reading(folder, weights):
        model, report = part_class.from_pretrained(
            folder, output_loading_info=True, torch_dtype=torch.float32, **options
        )
    if report["missing_keys"]:
        raise _lacking(folder, weights, sorted(report["missing_keys"]))
    return model


def from_folder(cls: str, folder: Path, weights: Weights) -> Any:
    """Load a tokenizer, a configuration or a feature extractor of transformers from a folder."""
    library = transformers()
    with _importing():
        loader = getattr(library, cls)
    with _reading(folder, weights):
        return loader.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def read_config(weights: Weights, name: str = "config.json") -> dict[str, Any]:
    """Read a configuration file of the model."""
    path = weights.path(name)
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("a configuration cannot be read", file=path, found=error, fix=weights.entry.command) from error
    if not isinstance(config, dict):
        raise InputError("a configuration is no JSON object", file=path, found=type(config).__name__)
    return config


def load_tensors(module: nn.Module, path: Path, weights: Weights, prefix: str = "") -> None:
    """Copy the tensors of a safetensors file into a module; tensors that the module lacks are ignored.

    Parameters
    ----------
    module : torch.nn.Module
    path : Path
    weights : Weights
        Model of the file, for error messages.
    prefix : str
        Prefix of the names in the file, compared with those of the module.

    Raises
    ------
    InputError
        If the file is damaged, lacks a tensor, or has one of another shape.
    """
    with _reading(path, weights), torch.no_grad(), safe_open(path, framework="pt") as stored:
        names = set(stored.keys())
        wanted = module.state_dict()
        if missing := sorted(name for name in wanted if prefix + name not in names and _learned(name)):
            raise _lacking(path, weights, [prefix + name for name in missing])
        for name, target in wanted.items():
            if prefix + name not in names:
                continue
            value = stored.get_tensor(prefix + name)
            if value.shape != target.shape:
                raise InputError(
                    f"a tensor of {weights.entry.name} has an unexpected shape",
                    file=path,
                    found=f"{prefix + name} {tuple(value.shape)}",
                    expected=tuple(target.shape),
                    fix="check that config.json belongs to the weights",
                )
            target.copy_(value)


def _learned(name: str) -> bool:
    """Test whether a tensor is learned; counters and positions of old checkpoints may be missing."""
    return not name.endswith(("num_batches_tracked", "position_ids"))


@contextmanager
def _importing() -> Iterator[None]:
    """Convert import errors: the usual cause is torchaudio or torchvision of another build than torch."""
    try:
        yield
    except (ImportError, OSError, RuntimeError) as error:
        raise InputError(
            "transformers cannot be imported",
            found=(str(error) or type(error).__name__).splitlines()[0],
            fix="pip uninstall torchaudio torchvision, then run b2m doctor",
        ) from error


@contextmanager
def _reading(path: Path, weights: Weights) -> Iterator[None]:
    """Convert errors of damaged files."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # transformers raises almost any type for a damaged file
        raise InputError(
            f"the weights of {weights.entry.name} are damaged, or belong to another architecture",
            file=path,
            found=(str(error) or type(error).__name__).strip().splitlines()[0],
            fix=weights.entry.command,
        ) from error


def _lacking(path: Path, weights: Weights, names: list[str]) -> InputError:
    return InputError(
        f"the weights of {weights.entry.name} lack parameters",
        file=path,
        found=f"nothing for {first_of(names, 3)}",
        expected="the checkpoint of this model",
        fix=weights.entry.command,
    )
