"""Metrics of retrieval quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

DEPTH = 10
"""Rank at which nDCG is cut off."""


def ndcg(found: Sequence[str], relevant: Mapping[str, int]) -> float:
    """Return the normalised discounted cumulative gain at 10 (Järvelin and Kekäläinen 2002)."""
    ideal = sorted(relevant.values(), reverse=True)[:DEPTH]
    gains = [relevant.get(document, 0) for document in found[:DEPTH]]
    return _dcg(gains) / _dcg(ideal)


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return how often a positive scores above a negative; ties count half."""
    values = np.concatenate([positive, negative])
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
