"""Arrange a page's tokens as a tree of blocks. Inline tokens stay in their lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it.token import Token


class Node:
    """A block with the blocks in it."""

    __slots__ = ("children", "token", "type")

    def __init__(self, kind: str, token: Token) -> None:
        self.type = kind
        """Of its token, without `_open`."""
        self.token = token
        self.children: list[Node] = []

    def walk(self) -> Iterator[Node]:
        """Yield the block and all blocks in it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def inline(self) -> Sequence[Token]:
        """The inline tokens of a heading, cell or inline block."""
        for node in (self, *self.children):
            if node.type == "inline":
                return node.token.children or ()
        return ()


def read_tree(tokens: Sequence[Token]) -> Node:
    """Return a block that holds all blocks of a page."""
    root = Node("root", Token("root", "", 0))
    opened = [root]
    for token in tokens:
        if token.nesting < 0:
            opened.pop()
            continue
        node = Node(token.type.removesuffix("_open"), token)
        opened[-1].children.append(node)
        if token.nesting:
            opened.append(node)
    return root
