"""A basis of the free Lie algebra: which iterated brackets to take, up to a depth."""

from __future__ import annotations

from typing import NamedTuple

from .._validate import mismatch

#: largest number of brackets
LIMIT = 20_000


class Bracket(NamedTuple):
    """An iterated bracket `[left, right]` of earlier ones in a list, or a generator (without left and right).

    Attributes
    ----------
    word : the generators in it, as a Lyndon word.
    left, right : positions of the two parts in the list, or None.
    name : such as `[F1,[F1,F2]]`.
    """

    word: tuple[int, ...]
    left: int | None
    right: int | None
    name: str

    @property
    def depth(self) -> int:
        return len(self.word)


def bracket_basis(generators: int, depth: int) -> list[Bracket]:
    """The standard brackets of all Lyndon words of length at most `depth`, shortest first.

    Every iterated bracket of at most that depth is a linear combination of these, whatever the fields are.

    Parameters
    ----------
    generators : the number m of fields.
    depth : the length of the longest words.

    Raises
    ------
    ArgumentError
        If there are more than 20,000 brackets.

    References
    ----------
    C. Reutenauer, Free Lie Algebras, Oxford University Press 1993, section 5.1; J.-P. Duval, Generation d'une section des
    classes de conjugaison et arbre des mots de Lyndon de longueur bornee, Theor. Comput. Sci. 60 (1988), 255-283.

    Examples
    --------
    >>> from eulerian_mfc.controllability import bracket_basis
    >>> [bracket.name for bracket in bracket_basis(generators=2, depth=3)]
    ['F1', 'F2', '[F1,F2]', '[F1,[F1,F2]]', '[[F1,F2],F2]']
    """
    words = sorted(_lyndon_words(generators, depth), key=lambda w: (len(w), w))
    position = {word: k for k, word in enumerate(words)}
    out: list[Bracket] = []
    for word in words:
        if len(word) == 1:
            out.append(Bracket(word, None, None, f"F{word[0] + 1}"))
            continue
        cut = next(i for i in range(1, len(word)) if word[i:] in position)  # the longest proper suffix that is Lyndon
        left, right = position[word[:cut]], position[word[cut:]]
        out.append(Bracket(word, left, right, f"[{out[left].name},{out[right].name}]"))
    return out


def _lyndon_words(generators: int, depth: int) -> list[tuple[int, ...]]:
    """Duval's algorithm."""
    words: list[tuple[int, ...]] = []
    word = [-1]
    while word:
        word[-1] += 1
        words.append(tuple(word))
        if len(words) > LIMIT:
            raise mismatch(
                "depth",
                f"depth {depth} with {generators} fields, which gives more than {LIMIT} brackets",
                "a smaller depth",
            )
        size = len(word)
        while len(word) < depth:
            word.append(word[-size])
        while word and word[-1] == generators - 1:
            word.pop()
    return words
