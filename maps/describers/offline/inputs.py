"""What the offline describer says of the sources of a head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maps.describers.offline.kinds import KIND_TESTS, WIDE_KIND_TESTS
from maps.describers.offline.lexicon import Lexicon, WordClasses
from maps.describers.offline.tokens import ParsedToken, TokenTest
from maps.text import quote_for_prompt

MIN_SHARE_DIVISOR = 5  # of two classes said together, each holds at least a fifth of the sources
NOUN_TESTS: dict[str, TokenTest] = {  # of each part of a shape, the first entry that enough sources pass is said
    "words in capitals": lambda token: token.is_word and token.text.isupper(),
    "capitalised words": lambda token: token.is_word and token.text.strip().istitle(),
    "words in lower case": lambda token: token.is_word and token.text.islower(),
    "words": lambda token: token.is_word,
}
SPACING_TESTS: dict[str, TokenTest] = {
    " with a leading space": lambda token: token.text.startswith(" "),
    " without a leading space": lambda token: not token.text.startswith(" "),
}

LENGTH_TESTS: dict[str, TokenTest] = {
    "short ": lambda token: token.is_word and len(token.word) <= 4,
    "long ": lambda token: token.is_word and len(token.word) >= 8,
}


@dataclass(frozen=True)
class SourceDescriber:
    """Says what sources have in common, from the kinds that are known.

    `closed_classes`: closed classes; `kind_tests`: other tests of a word, the first that enough sources pass is said; `part_of_speech_tests`: parts
    of speech.
    """

    lexicon: Lexicon
    closed_classes: WordClasses
    kind_tests: dict[str, TokenTest]
    part_of_speech_tests: dict[str, TokenTest]

    def describe_sources(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """One sentence, or "Unclear" where fewer than `min_count` sources share anything."""
        described = (
            self._common_class(sources, min_count)
            or first_passed_test(self.kind_tests | KIND_TESTS | WIDE_KIND_TESTS, sources, min_count)
            or self._common_class_pair(sources, min_count)
            or self._common_shape(sources, min_count)
        )
        return f"The inputs are mostly {described}." if described else "Unclear"

    def _common_class(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """The closed class that most sources belong to."""
        counts = {name: sum(source.word in words for source in sources) for name, words in self.closed_classes.items()}
        best = max(counts, key=lambda name: counts[name], default="")
        return best if best and counts[best] >= min_count else ""

    def _common_class_pair(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """Two classes or kinds that hold enough sources together, the best such pair."""
        tests = {name: [source.word in words for source in sources] for name, words in self.closed_classes.items()}
        tests |= {name: list(map(test, sources)) for name, test in self.kind_tests.items()}
        alone = {name: held for name, held in tests.items() if MIN_SHARE_DIVISOR * sum(held) >= len(sources)}
        together = {
            f"{first} or {second}": sum(a or b for a, b in zip(alone[first], alone[second], strict=True))
            for number, first in enumerate(alone)
            for second in list(alone)[number + 1 :]
        }
        best = max(together, key=lambda pair: together[pair], default="")
        return best if best and together[best] >= min_count else ""

    def _family_tests(self, sources: Sequence[ParsedToken]) -> dict[str, TokenTest]:
        """Sharing a word with another source, said with two such words, with its test."""
        roots = {source: self._known_roots(source) for source in sources if source.is_word}
        counts = Counter(root for found in roots.values() for root in sorted(found))
        often = [root for root, count in counts.most_common() if count > 1]
        named = " and ".join(map(quote_for_prompt, self._disjoint_roots(often, list(roots.values()))[:2]))
        phrase = f", in several forms or spellings of a word, such as those of {named}"
        return {phrase: lambda token: not roots.get(token, frozenset()).isdisjoint(often)}

    def _known_roots(self, source: ParsedToken) -> frozenset[str]:
        """The listed words that a source may be a form of; a word that is none is its own."""
        return (self.lexicon.possible_roots(source.word) & self.lexicon.lemmas) or frozenset({source.word})

    def _disjoint_roots(self, roots: Sequence[str], groups: Sequence[frozenset[str]]) -> list[str]:
        """Those roots that share no source with one before."""
        kept: list[str] = []
        for root in roots:
            if not any(root in group and not group.isdisjoint(kept) for group in groups):
                kept.append(root)
        return kept

    def _common_shape(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """The sources' families or shared letters, case, spacing, part of speech and length, or nothing.

        Each part is said where enough of those sources have it that have the parts before.
        """
        words = [source.word for source in sources if source.is_word]
        families, kept = _narrow_by_test(self._family_tests(sources), sources, min_count)
        letters, kept = _narrow_by_test({} if families else _letter_tests(words, min_count), kept, min_count)
        noun, kept = _narrow_by_test(NOUN_TESTS, kept, min_count)
        spacing, kept = _narrow_by_test(SPACING_TESTS, kept, min_count)
        if not noun:
            return f"strings{spacing}" if spacing == " with a leading space" else ""
        part, kept = _narrow_by_test(self.part_of_speech_tests, kept, min_count)
        length, kept = _narrow_by_test(LENGTH_TESTS, kept, min_count)
        mostly = f", mostly {part}" if part else ""
        return length + noun + spacing + letters + mostly + families


def _narrow_by_test(
    tests: dict[str, TokenTest], sources: Sequence[ParsedToken], min_count: int
) -> tuple[str, Sequence[ParsedToken]]:
    """The first test that enough sources pass, with these sources; nothing and all of them where there is none."""
    found = first_passed_test(tests, sources, min_count)
    return found, [source for source in sources if tests[found](source)] if found else sources


def _letter_tests(words: Sequence[str], min_count: int) -> dict[str, TokenTest]:
    """The beginning, the ending or the first letters that enough words have, with their test."""
    start = _longest_common_prefix(words, min_count)
    end = _longest_common_prefix([word[::-1] for word in words], min_count)[::-1]
    if start:
        return {f" that begin with “{start}”": _starts_with_test((start,))}
    if end:
        return {f" that end in “{end}”": lambda token: token.is_word and token.word.endswith(end)}
    return _first_letter_tests(words, min_count)


def _first_letter_tests(words: Sequence[str], min_count: int) -> dict[str, TokenTest]:
    """Two or three first letters that enough words have, with their test."""
    common = [letter for letter, _ in Counter(sorted(word[:1] for word in words)).most_common(3)]
    for number in range(2, len(common) + 1):
        some = tuple(common[:number])
        if sum(word.startswith(some) for word in words) >= min_count:
            named = [f"“{letter}”" for letter in some]
            phrase = f" that begin with {', '.join(named[:-1])} or {named[-1]}"
            return {phrase: _starts_with_test(some)}
    return {}


def _starts_with_test(starts: tuple[str, ...]) -> TokenTest:
    return lambda token: token.is_word and token.word.startswith(starts)


def first_passed_test(tests: dict[str, TokenTest], sources: Collection[ParsedToken], min_count: int) -> str:
    """The first test that enough sources pass, or nothing."""
    return next((name for name, test in tests.items() if sum(map(test, sources)) >= min_count), "")


def _longest_common_prefix(words: Sequence[str], min_count: int) -> str:
    """The longest beginning that at least `min_count` of the words share."""
    shared = ""
    for length in range(1, max(map(len, words), default=0) + 1):
        starts = [word[:length] for word in words if len(word) >= length]
        most = max(sorted(set(starts)), key=starts.count)
        if starts.count(most) < min_count:
            break
        shared = most
    return shared
