"""What the offline describer says of the sources of a head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maps.describers.offline.kinds import KINDS, WIDE_KINDS
from maps.describers.offline.lexicon import Classes, Lexicon
from maps.describers.offline.tokens import Test, Token
from maps.text import quoted

LEAST_SHARE = 5  # of two classes said together, each holds at least a fifth of the sources
NOUNS: dict[str, Test] = {  # of each part of a shape, the first entry that enough sources pass is said
    "words in capitals": lambda token: token.is_word and token.text.isupper(),
    "capitalised words": lambda token: token.is_word and token.text.strip().istitle(),
    "words in lower case": lambda token: token.is_word and token.text.islower(),
    "words": lambda token: token.is_word,
}
SPACING: dict[str, Test] = {
    " with a leading space": lambda token: token.text.startswith(" "),
    " without a leading space": lambda token: not token.text.startswith(" "),
}

LENGTHS: dict[str, Test] = {
    "short ": lambda token: token.is_word and len(token.word) <= 4,
    "long ": lambda token: token.is_word and len(token.word) >= 8,
}


@dataclass(frozen=True)
class Inputs:
    """Says what sources have in common, from the kinds that are known.

    `known`: closed classes; `kinds`: other tests of a word, the first that enough sources pass is said; `parts`: parts
    of speech.
    """

    lexicon: Lexicon
    known: Classes
    kinds: dict[str, Test]
    parts: dict[str, Test]

    def sentence(self, sources: Sequence[Token], needed: int) -> str:
        """One sentence, or "Unclear" where fewer than `needed` sources share anything."""
        described = (
            self._one_class(sources, needed)
            or first_of(self.kinds | KINDS | WIDE_KINDS, sources, needed)
            or self._two_classes(sources, needed)
            or self._shape(sources, needed)
        )
        return f"The inputs are mostly {described}." if described else "Unclear"

    def _one_class(self, sources: Sequence[Token], needed: int) -> str:
        """The closed class that most sources belong to."""
        counts = {name: sum(source.word in words for source in sources) for name, words in self.known.items()}
        best = max(counts, key=lambda name: counts[name], default="")
        return best if best and counts[best] >= needed else ""

    def _two_classes(self, sources: Sequence[Token], needed: int) -> str:
        """Two classes or kinds that hold enough sources together, the best such pair."""
        tests = {name: [source.word in words for source in sources] for name, words in self.known.items()}
        tests |= {name: list(map(test, sources)) for name, test in self.kinds.items()}
        alone = {name: held for name, held in tests.items() if LEAST_SHARE * sum(held) >= len(sources)}
        together = {
            f"{first} or {second}": sum(a or b for a, b in zip(alone[first], alone[second], strict=True))
            for number, first in enumerate(alone)
            for second in list(alone)[number + 1 :]
        }
        best = max(together, key=lambda pair: together[pair], default="")
        return best if best and together[best] >= needed else ""

    def _families(self, sources: Sequence[Token]) -> dict[str, Test]:
        """Sharing a word with another source, said with two such words, with its test."""
        roots = {source: self._known_roots(source) for source in sources if source.is_word}
        counts = Counter(root for found in roots.values() for root in sorted(found))
        often = [root for root, count in counts.most_common() if count > 1]
        named = " and ".join(map(quoted, self._apart(often, list(roots.values()))[:2]))
        phrase = f", in several forms or spellings of a word, such as those of {named}"
        return {phrase: lambda token: not roots.get(token, frozenset()).isdisjoint(often)}

    def _known_roots(self, source: Token) -> frozenset[str]:
        """The listed words that a source may be a form of; a word that is none is its own."""
        return (self.lexicon.roots(source.word) & self.lexicon.lemmas) or frozenset({source.word})

    def _apart(self, roots: Sequence[str], groups: Sequence[frozenset[str]]) -> list[str]:
        """Those roots that share no source with one before."""
        kept: list[str] = []
        for root in roots:
            if not any(root in group and not group.isdisjoint(kept) for group in groups):
                kept.append(root)
        return kept

    def _shape(self, sources: Sequence[Token], needed: int) -> str:
        """The sources' families or shared letters, case, spacing, part of speech and length, or nothing.

        Each part is said where enough of those sources have it that have the parts before.
        """
        words = [source.word for source in sources if source.is_word]
        families, kept = _narrowed(self._families(sources), sources, needed)
        letters, kept = _narrowed({} if families else _letters(words, needed), kept, needed)
        noun, kept = _narrowed(NOUNS, kept, needed)
        spacing, kept = _narrowed(SPACING, kept, needed)
        if not noun:
            return f"strings{spacing}" if spacing == " with a leading space" else ""
        part, kept = _narrowed(self.parts, kept, needed)
        length, kept = _narrowed(LENGTHS, kept, needed)
        mostly = f", mostly {part}" if part else ""
        return length + noun + spacing + letters + mostly + families


def _narrowed(tests: dict[str, Test], sources: Sequence[Token], needed: int) -> tuple[str, Sequence[Token]]:
    """The first test that enough sources pass, with these sources; nothing and all of them where there is none."""
    found = first_of(tests, sources, needed)
    return found, [source for source in sources if tests[found](source)] if found else sources


def _letters(words: Sequence[str], needed: int) -> dict[str, Test]:
    """The beginning, the ending or the first letters that enough words have, with their test."""
    start = _shared(words, needed)
    end = _shared([word[::-1] for word in words], needed)[::-1]
    if start:
        return {f" that begin with “{start}”": _begins((start,))}
    if end:
        return {f" that end in “{end}”": lambda token: token.is_word and token.word.endswith(end)}
    return _first_letters(words, needed)


def _first_letters(words: Sequence[str], needed: int) -> dict[str, Test]:
    """Two or three first letters that enough words have, with their test."""
    common = [letter for letter, _ in Counter(sorted(word[:1] for word in words)).most_common(3)]
    for number in range(2, len(common) + 1):
        some = tuple(common[:number])
        if sum(word.startswith(some) for word in words) >= needed:
            named = [f"“{letter}”" for letter in some]
            phrase = f" that begin with {', '.join(named[:-1])} or {named[-1]}"
            return {phrase: _begins(some)}
    return {}


def _begins(starts: tuple[str, ...]) -> Test:
    return lambda token: token.is_word and token.word.startswith(starts)


def first_of(tests: dict[str, Test], sources: Collection[Token], needed: int) -> str:
    """The first test that enough sources pass, or nothing."""
    return next((name for name, test in tests.items() if sum(map(test, sources)) >= needed), "")


def _shared(words: Sequence[str], needed: int) -> str:
    """The longest beginning that at least `needed` of the words share."""
    shared = ""
    for length in range(1, max(map(len, words), default=0) + 1):
        starts = [word[:length] for word in words if len(word) >= length]
        most = max(sorted(set(starts)), key=starts.count)
        if starts.count(most) < needed:
            break
        shared = most
    return shared
