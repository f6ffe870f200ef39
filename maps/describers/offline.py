"""The offline describer: deterministic, free, without any model. A floor for what descriptions can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from maps.describers.hypotheses import Hypothesis, Tier, hypotheses, small_set
from maps.describers.tokens import Line, Token, classes, inputs_sentence
from maps.prompts import quoted
from maps.types import Answer, Description, Mapping, Relation

MODEL = "offline rules v1"
UNCLEAR = "Unclear"
SHORTEST_WORD = 4  # letters of a whole word that a sub-word may complete


class Offline:
    """Tests fixed hypotheses on a head's mappings and says the best one, or "Unclear".

    A hypothesis stands where two thirds of the mappings bear it out (20 of 30; docs/contract.md, section 5)
    and, if it ties targets to their sources, where at most half as many would with the sources' targets
    exchanged. Of those that stand the most specific tier wins, then the highest support, then the order.
    """

    name = "offline"

    def __init__(self, relations: Sequence[Relation] = (), vocabulary: Collection[str] | None = None) -> None:
        """`relations`: those whose membership is tested; `vocabulary`: the model's tokens as stored strings.

        Without a vocabulary no completion of sub-words is recognised.
        """
        tokens = (Token.read(stored) for stored in vocabulary or () if stored.startswith(" "))
        words = {token.word for token in tokens if token.is_word and len(token.word) >= SHORTEST_WORD}
        self._classes = classes(relations)
        self._hypotheses = hypotheses(relations, words)

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes a head; nothing is random, so the seed plays no part and the answer's seed is None.

        `support` is the number of mappings that bear out the pattern, None where it is "Unclear".
        """
        del seed
        lines = [Line.read(mapping) for mapping in mappings]
        needed = max(1, -(-2 * len(lines) // 3))
        tested = self.tested(lines)
        standing = _standing(tested, lines, needed)
        names = ", ".join(hypothesis.name for hypothesis in tested)
        description = Description(
            input_strings=inputs_sentence([line.source for line in lines], self._classes, needed),
            observed_pattern=_sentence([hypothesis for hypothesis, _ in standing], lines),
            reasoning=f"Fixed rules of the offline describer, no language model. Tested: {names}.",
        )
        return Answer(description, MODEL, support=standing[0][1] if standing else None)

    def tested(self, lines: Sequence[Line]) -> list[Hypothesis]:
        """The hypotheses that are tested on these mappings, in the order that decides ties."""
        small = small_set(lines)
        return [*self._hypotheses, small] if small else self._hypotheses


def _standing(tested: Sequence[Hypothesis], lines: Sequence[Line], needed: int) -> list[tuple[Hypothesis, int]]:
    """The hypotheses that stand, best first, each with its support."""
    enough = [(hypothesis, hypothesis.support(lines)) for hypothesis in tested]
    standing = [
        (hypothesis, support)
        for hypothesis, support in enough
        if support >= needed and (not hypothesis.tied or 2 * hypothesis.support_by_chance(lines) <= support)
    ]
    return sorted(standing, key=lambda pair: (pair[0].tier, -pair[1]))


def _sentence(standing: Sequence[Hypothesis], lines: Sequence[Line]) -> str:
    """One sentence for the best hypothesis, with a second one of the two exact tiers where there is one."""
    if not standing:
        return UNCLEAR
    best = standing[0]
    if best.tier >= Tier.TARGETS:
        return f"Whatever the input, the outputs are mostly {best.phrase}, such as {_targets(best, lines)}."
    also = [other for other in standing[1:] if other.tier <= Tier.FORM][:1]
    said = f"The outputs include {best.phrase}, such as {_pairs(best, lines)}"
    return said + "".join(f"; also {other.phrase}, such as {_pairs(other, lines)}" for other in also) + "."


def _pairs(hypothesis: Hypothesis, lines: Sequence[Line]) -> str:
    """Up to two examples from different words, source to target."""
    found: dict[str, str] = {}
    for line in lines:
        target = next((target for target in line.targets if hypothesis.fits(line.source, target)), None)
        if target and hypothesis.bears_out(line.source, line.targets):
            found.setdefault(line.source.word, f"{quoted(line.source.stored)} to {quoted(target.stored)}")
    return " and ".join(list(found.values())[:2])


def _targets(hypothesis: Hypothesis, lines: Sequence[Line]) -> str:
    """Up to five different words among the targets that fit, the most frequent first."""
    fitting = [t for line in lines for t in line.targets if hypothesis.fits(line.source, t)]
    spelled = {token.word: token for token in reversed(fitting)}  # as each word is written first
    counts = Counter(token.word for token in fitting)
    return ", ".join(quoted(spelled[word].stored) for word, _ in counts.most_common(5))
