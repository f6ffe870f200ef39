"""Examples of a rule that no head showed: pairs of tokens for which the rule holds, drawn from a vocabulary."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from maps.describers.offline.hypotheses import Hypothesis
from maps.describers.offline.tokens import ParsedToken

SOURCES_TRIED = 3_000  # of a rule that ties targets to sources
RANDOM_TARGETS_TRIED = 200  # for each source, beside the tokens that are spelt like it
LETTERS_SHARED = 2  # at the beginning or the end, of tokens that are spelt alike


class ExamplePairs:
    """Draws pairs of tokens from a vocabulary, given in the stored form."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._tokens = [ParsedToken.parse(token) for token in dict.fromkeys(vocabulary)]
        self._alike: dict[tuple[str, str], list[ParsedToken]] = defaultdict(list)
        for token in self._tokens:
            for key in spelling_keys(token):
                self._alike[key].append(token)

    def draw(
        self, hypothesis: Hypothesis, left_out: Collection[str], count: int, draw: random.Random
    ) -> list[tuple[str, str]]:
        """At most `count` pairs with different sources for which a rule holds; no source is one of `left_out`.

        Of a rule about the targets alone, the sources are any tokens. Otherwise a source's candidates are the tokens
        that are spelt like it, and some at random; a rule may find fewer pairs.
        """
        sources = [token for token in self._tokens if token.stored_form not in left_out]
        draw.shuffle(sources)
        if hypothesis.depends_on_source:
            found = self._tied_pairs(hypothesis, sources[:SOURCES_TRIED], draw)
        else:
            targets = [token for token in self._tokens if hypothesis.fits(token, token)]
            found = ((source, draw.choice(targets)) for source in sources) if targets else iter(())
        return [(source.stored_form, target.stored_form) for source, target in islice(found, count)]

    def _tied_pairs(
        self, hypothesis: Hypothesis, sources: Sequence[ParsedToken], draw: random.Random
    ) -> Iterator[tuple[ParsedToken, ParsedToken]]:
        for source in sources:
            candidates = [token for key in spelling_keys(source) for token in self._alike[key]]
            candidates += draw.sample(self._tokens, min(RANDOM_TARGETS_TRIED, len(self._tokens)))
            fitting = [token for token in candidates if hypothesis.fits(source, token)]
            if fitting:
                yield source, draw.choice(fitting)


def spelling_keys(token: ParsedToken) -> list[tuple[str, str]]:
    """By which tokens that are spelt alike are found: the first letters and the last, in lower case."""
    word = token.word
    return [("first", word[:LETTERS_SHARED]), ("last", word[-LETTERS_SHARED:])]
