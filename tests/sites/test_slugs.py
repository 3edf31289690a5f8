"""Anchors match those of the generators."""

from __future__ import annotations

import pytest

from sites.slugs import github_slug, github_slugger, mdbook_slugger, vitepress_slugger


@pytest.mark.parametrize(
    ("text", "slug"),
    [  # output of the npm package github-slugger 2.0.0
        ("Hello, World!", "hello-world"),
        ("`code` & more", "code--more"),
        ("I ♥ unicode", "i--unicode"),
        ("你好 世界", "你好-世界"),
        ("Ünïcödé_under-score", "ünïcödé_under-score"),
        ("a  b", "a--b"),
        ("100% sûr", "100-sûr"),
        ("", ""),
    ],
)
def test_github(text: str, slug: str) -> None:
    assert github_slug(text) == slug


def test_github_repetitions() -> None:
    slug = github_slugger()
    given = [slug(text, "") for text in ("foo", "foo", "foo-1", "foo", "foo-1")]
    assert given == ["foo", "foo-1", "foo-1-1", "foo-2", "foo-1-2"]


def test_explicit_ids_of_docusaurus_are_not_counted() -> None:
    slug = github_slugger()
    assert [slug("a", "foo"), slug("foo", ""), slug("b", "foo")] == ["foo", "foo", "foo"]


def test_vitepress_repetitions() -> None:
    slug = vitepress_slugger()
    assert [slug("1. Ära: x\ufeff", "")] + [slug("a", "") for _ in range(3)] == [
        "_1-ara-x",
        "a",
        "a-1",
        "a-2",
    ]


def test_mdbook() -> None:
    slug = mdbook_slugger()
    headings = ["Hello, Cargo!", "Using `Result<T>`", "A -- B", "x", "x"]
    assert [slug(text.replace("`", ""), "") for text in headings] == [
        "hello-cargo",
        "using-resultt",
        "a----b",
        "x",
        "x-1",
    ]
