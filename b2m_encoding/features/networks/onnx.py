"""Any ONNX file as an audio encoder, run by onnxruntime on the CPU; a few lines describe its inputs and outputs."""

from __future__ import annotations

import importlib.metadata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.torch_network import check_waves, resolve_layers
from b2m_encoding.features.weights import OnnxModel, Weights
from b2m_encoding.io.hashes import file_hash
from b2m_encoding.io.protobuf import fields
from b2m_encoding.io.toml import read_toml

FILE, DESCRIPTION = "model.onnx", "model.toml"
CALLS_PER_BATCH = 8
GRAPH, INITIALIZER, DIMS, TYPE, FLOATS, NAME, RAW, FLOAT = 7, 5, 1, 2, 4, 8, 9, 1
"""Numbers of fields of ONNX (onnx.proto3), and of the type float32."""


class Onnx:
    """Encoder by the outputs of an ONNX file, which are its layers: windows to vectors, or whole clips to frames.

    A window model (no ``hop`` in the description) pads a shorter window with zeros. A frame model is called for
    overlapping parts of a clip; its frames are joined, and the last part is padded with zeros. Layers of several
    widths stand side by side.
    """

    layer_widths: tuple[int, ...]
    """Width of every layer."""
    _keep = 1

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise InputError("ONNX files run on the CPU", found=device, expected='device = "cpu"')
        self.name, self._weights, self._shuffled_seed = weights.entry.name, weights, shuffled_seed
        self._path = weights.path(FILE)
        self._model = model = describe(weights)
        self._session = open_session(self._path, shuffled_seed, model.fixed)
        self.rate = model.rate
        self.window = None if model.hop else model.samples / model.rate
        self.frame_rate = model.rate / model.hop if model.hop else None
        self.layer_widths = self.measure(self._try())
        self.layers = resolve_layers(layers, len(self.layer_widths) - 1)
        self.widths = tuple(self.layer_widths[layer] for layer in self.layers)
        self.dim = sum(self.widths)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes of its files, description, and version of onnxruntime."""
        return {
            "network": type(self).__name__,
            **self._weights.provenance,
            "shuffled_seed": self._shuffled_seed,
            "dtype": "float32",
            **{key: value for key, value in self._model.model_dump(mode="json").items() if key != "fixed"},
            "frame_rate": self.frame_rate,
            "window": self.window,
            "layers": list(self.layers),
            "names": {str(layer): names for layer in self.layers if (names := self.names_of(layer))},
            "packages": {"onnxruntime": importlib.metadata.version("onnxruntime")},
        }

    def measure(self, outputs: list[Float32]) -> tuple[int, ...]:
        """Check the shapes of the outputs of one call, and return the widths of the layers."""
        expected = "(1, n_frames, n)" if self._model.hop else "(1, n)"
        for name, output in zip(self._model.outputs, outputs, strict=True):
            if output.ndim != (3 if self._model.hop else 2) or len(output) != 1:
                raise InputError(
                    f"output {name!r} has another shape", file=self._path, found=output.shape, expected=expected
                )
        if self._model.hop:
            n_frames, margin = min(output.shape[1] for output in outputs), self._model.margin
            self._keep = min(self._model.keep or n_frames - 2 * margin, n_frames - margin)
            if self._keep < 1:
                raise InputError("no frame is left between the margins", file=self._path, found=f"{n_frames} frames")
        return tuple(output.shape[-1] for output in outputs)

    def embed(self, batch: Float32) -> Float32:
        """Embed windows, shape (n_waves, dim), or clips, shape (n_waves, 1, n_frames, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        if self.window is None:
            return np.stack([self._frames(wave) for wave in waves])[:, None]
        padded = np.pad(waves, ((0, 0), (0, self._model.samples - waves.shape[1])))
        parts = [self._run(part) for part in _batches(padded)]
        return np.concatenate([np.concatenate([part[layer] for layer in self.layers], axis=1) for part in parts])

    def names_of(self, layer: int) -> list[str]:
        """Names of the columns of a layer, if they have any."""
        return []

    def layers_of(self, frames: list[Float32]) -> list[Float32]:
        """Every layer of the frames of a clip, each (n_frames, width), from the outputs of the file."""
        return frames

    def _frames(self, wave: Float32) -> Float32:
        """Chosen layers of the frames of a clip, shape (n_frames, dim)."""
        model = self._model
        assert model.hop is not None
        n_frames = max(1, len(wave) // model.hop)
        keep = self._keep
        n_calls = -(-n_frames // keep)
        before, step = model.margin * model.hop, keep * model.hop
        padded = np.zeros((n_calls - 1) * step + model.samples, np.float32)
        room = padded[before : before + len(wave)]
        room[:] = wave[: len(room)]
        calls = np.lib.stride_tricks.sliding_window_view(padded, model.samples)[::step]
        outputs = [self._run(part) for part in _batches(calls)]
        used = slice(model.margin, model.margin + keep)
        frames = [np.concatenate([part[i][:, used] for part in outputs]) for i in range(len(model.outputs))]
        joined = [values.reshape(-1, values.shape[-1])[:n_frames] for values in frames]
        every = self.layers_of(joined)
        return np.concatenate([every[layer] for layer in self.layers], axis=1)

    def _try(self) -> list[Float32]:
        """Run the file for silence."""
        try:
            return self._run(np.zeros((1, self._model.samples), np.float32))
        except Exception as error:  # onnxruntime raises types of its own
            raise InputError(
                "an ONNX file cannot be run as it is described",
                file=self._path,
                found=(str(error) or type(error).__name__).strip().splitlines()[0],
                expected=f"{self._model.samples} samples in, {', '.join(self._model.outputs)} out",
            ) from error

    def _run(self, waves: Float32) -> list[Float32]:
        """Run the file for waves of full length, in the shape that it takes."""
        [given] = self._session.get_inputs()
        shape = list(waves.shape)
        if len(given.shape) == 3:
            shape.insert(1 if given.shape[1] == 1 else 2, 1)
        outputs: list[Float32] = self._session.run(
            list(self._model.outputs), {given.name: np.ascontiguousarray(waves.reshape(shape), np.float32)}
        )
        return outputs


def _batches(calls: Float32) -> Iterator[Float32]:
    return (calls[start : start + CALLS_PER_BATCH] for start in range(0, len(calls), CALLS_PER_BATCH))


def describe(weights: Weights) -> OnnxModel:
    """Description of a model: that of the catalogue, or that beside the file, whose hash is compared.

    Raises
    ------
    InputError
        If there is none, a key is wrong, or the file is another one.
    """
    model = weights.entry.onnx
    if model is None:
        path = weights.path(DESCRIPTION)
        try:
            model = OnnxModel.model_validate(read_toml(path, "the description of an ONNX file"))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise InputError(
                "the description of an ONNX file is wrong",
                file=path,
                found=wrong,
                expected=", ".join(OnnxModel.meanings()),
            ) from error
    path = weights.path(FILE)
    if model.sha256 and (found := file_hash(path)) != model.sha256:
        raise InputError("an ONNX file is not the one that is described", file=path, found=found, expected=model.sha256)
    return model


def open_session(path: Path, shuffled_seed: int | None, fixed: Sequence[str]) -> Any:
    """Open a file with onnxruntime, with its weights shuffled if a seed is given.

    Raises
    ------
    InputError
        If onnxruntime is not installed, or the file is damaged.
    """
    if find_spec("onnxruntime") is None:
        raise InputError("ONNX files need onnxruntime", fix='pip install "b2m-encoding[onnx]"')
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        shuffled = {} if shuffled_seed is None else shuffle(path.read_bytes(), shuffled_seed, fixed)
        kept = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in shuffled.items()}
        for name, value in kept.items():
            options.add_initializer(name, value)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.shuffled = kept  # onnxruntime does not copy these arrays
    except Exception as error:  # onnxruntime raises types of its own for a damaged file
        raise InputError(
            "an ONNX file cannot be opened",
            file=path,
            found=(str(error) or type(error).__name__).strip().splitlines()[0],
            expected="a whole ONNX file that this onnxruntime supports",
        ) from error
    return session


def shuffle(content: bytes, seed: int, fixed: Sequence[str] = ()) -> dict[str, NDArray[np.float32]]:
    """Permute the values of every array of an ONNX file separately, but for those that are fixed or of one value.

    See :func:`~b2m_encoding.features.networks.torch_network.shuffle_weights`.
    """
    shuffled = {}
    [graph] = fields(content)[GRAPH]
    for tensor in fields(graph).get(INITIALIZER, []):
        described = fields(tensor)
        name = described[NAME][0].decode()
        if described[TYPE] != [FLOAT] or name in fixed:
            continue
        raw = described.get(RAW) or described.get(FLOATS, [b""])
        values = np.frombuffer(raw[0], "<f4")
        if len(values) > 1:
            rng = np.random.default_rng(zlib.crc32(f"{seed}/{name}".encode()))
            shuffled[name] = rng.permutation(values).reshape(described.get(DIMS, [-1])).astype(np.float32)
    return shuffled
