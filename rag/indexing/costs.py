"""Estimate what embedding costs before anything is paid."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rag.errors import ConfigurationError
from rag.models import Chunk

PRICES = {
    "embed-v4.0": 0.12,
    "embed-english-v3.0": 0.10,
    "embed-english-light-v3.0": 0.10,
    "embed-multilingual-v3.0": 0.10,
    "embed-multilingual-light-v3.0": 0.10,
}
"""Dollars per million tokens of text, https://cohere.com/pricing, October 2026. Cohere lists the
prices of version 3 for existing customers only. EMBED_PRICE takes precedence."""
LOCAL = "all-MiniLM-L6-v2"
"""How the name of the embedded model begins. It costs nothing."""
_CHARACTERS_PER_TOKEN = 3
"""Of ASCII text: documentation has 3.4 to 4.2, so the estimate is rather too high than too low.
Of other text, each character counts as a token."""


def price_of(model: str, configured: float = 0.0) -> float | None:
    """Return dollars per million tokens, 0 for the embedded model, None if it is unknown."""
    if model.startswith(LOCAL):
        return 0.0
    return configured or PRICES.get(model)


def count_tokens(chunks: Iterable[Chunk]) -> int:
    """Estimate the tokens that embedding these chunks takes."""
    characters = others = 0
    for chunk in chunks:
        text = chunk.embedded_text
        ascii_only = len(text.encode("ascii", "ignore"))
        characters += ascii_only
        others += len(text) - ascii_only
    return math.ceil(characters / _CHARACTERS_PER_TOKEN) + others


def describe_cost(tokens: int, price: float | None) -> str:
    """Say what that many tokens cost."""
    if price is None:
        return "price unknown, see EMBED_PRICE"
    if not price:
        return "free"
    return f"about ${_dollars(tokens, price):,.4f}"


def check_cost(model: str, tokens: int, price: float | None, most: float) -> None:
    """Raise ConfigurationError if embedding costs more than `most` dollars, or nobody knows."""
    if not tokens:
        return
    if price is None:
        raise ConfigurationError(
            f"The price of {model} is not known, so --max-cost cannot be kept. Set EMBED_PRICE to "
            "its dollars per million tokens. Nothing was embedded."
        )
    if (cost := _dollars(tokens, price)) > most:
        raise ConfigurationError(
            f"Embedding about {tokens:,} tokens with {model} would cost about ${cost:,.4f}, more "
            f"than --max-cost {most:g}. Nothing was embedded."
        )


def _dollars(tokens: int, price: float) -> float:
    return tokens * price / 1_000_000
