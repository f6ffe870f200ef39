"""Describes what the sources of a head have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from maps.describers.offline.kinds import KIND_TESTS, WIDE_KIND_TESTS
from maps.describers.offline.lexicon import Lexicon, WordClasses
from maps.describers.offline.tokens import ParsedToken, TokenTest
from maps.text import quote_for_prompt

MIN_SHARE_DIVISOR = 5  # of two classes in one sentence ("colours or animals"), each has at least a fifth of the sources
# For each part of a shape, the sentence names the first entry that enough sources pass.
NOUN_TESTS: dict[str, TokenTest] = {
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
    """Describes sources by a class, a kind, a pair of these, or else by their shape."""

    lexicon: Lexicon
    closed_classes: WordClasses
    kind_tests: dict[str, TokenTest]
    part_of_speech_tests: dict[str, TokenTest]

    def describe_sources(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """One sentence, or "Unclear" if at least `min_count` sources have nothing in common."""
        described = (
            self._common_class(sources, min_count)
            or first_passed_test(self.kind_tests | KIND_TESTS | WIDE_KIND_TESTS, sources, min_count)
            or self._common_class_pair(sources, min_count)
            or self._common_shape(sources, min_count)
        )
        return f"The inputs are mostly {described}." if described else "Unclear"

    def _common_class(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """The closed class with most of the sources, if it has at least `min_count`."""
        counts = {name: sum(source.word in words for source in sources) for name, words in self.closed_classes.items()}
        best = max(counts, key=lambda name: counts[name], default="")
        return best if best and counts[best] >= min_count else ""

    def _common_class_pair(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """The two classes or kinds that together have most of the sources, if they have at least `min_count`."""
        results = {name: [source.word in words for source in sources] for name, words in self.closed_classes.items()}
        results |= {name: list(map(test, sources)) for name, test in self.kind_tests.items()}
        frequent = {name: passed for name, passed in results.items() if MIN_SHARE_DIVISOR * sum(passed) >= len(sources)}
        counts = {
            f"{first} or {second}": sum(a or b for a, b in zip(frequent[first], frequent[second], strict=True))
            for first, second in combinations(frequent, 2)
        }
        best = max(counts, key=lambda pair: counts[pair], default="")
        return best if best and counts[best] >= min_count else ""

    def _family_tests(self, sources: Sequence[ParsedToken]) -> dict[str, TokenTest]:
        """The test whether a source has a base word that another source has too; its phrase names two such words."""
        roots = {source: self._known_roots(source) for source in sources if source.is_word}
        counts = Counter(root for group in roots.values() for root in sorted(group))
        shared = [root for root, count in counts.most_common() if count > 1]
        examples = " and ".join(map(quote_for_prompt, self._disjoint_roots(shared, list(roots.values()))[:2]))
        phrase = f", in several forms or spellings of a word, such as those of {examples}"
        return {phrase: lambda token: not roots.get(token, frozenset()).isdisjoint(shared)}

    def _known_roots(self, source: ParsedToken) -> frozenset[str]:
        """The listed words that a source may be a form of; if there are none, the source itself."""
        return (self.lexicon.possible_roots(source.word) & self.lexicon.lemmas) or frozenset({source.word})

    def _disjoint_roots(self, roots: Sequence[str], groups: Sequence[frozenset[str]]) -> list[str]:
        """The roots without those that may be roots of the same source as an earlier one."""
        disjoint: list[str] = []
        for root in roots:
            if not any(root in group and not group.isdisjoint(disjoint) for group in groups):
                disjoint.append(root)
        return disjoint

    def _common_shape(self, sources: Sequence[ParsedToken], min_count: int) -> str:
        """Word families or shared letters, case, spacing, part of speech and length; empty if there is too little.

        All parts hold for the same sources: each part is tested on the sources that passed the parts before, and named
        if at least `min_count` of them pass.
        """
        words = [source.word for source in sources if source.is_word]
        families, passed = _narrow_by_test(self._family_tests(sources), sources, min_count)
        letters, passed = _narrow_by_test({} if families else _letter_tests(words, min_count), passed, min_count)
        noun, passed = _narrow_by_test(NOUN_TESTS, passed, min_count)
        spacing, passed = _narrow_by_test(SPACING_TESTS, passed, min_count)
        if not noun:
            return f"strings{spacing}" if spacing == " with a leading space" else ""
        part, passed = _narrow_by_test(self.part_of_speech_tests, passed, min_count)
        length, _ = _narrow_by_test(LENGTH_TESTS, passed, min_count)
        mostly = f", mostly {part}" if part else ""
        return length + noun + spacing + letters + mostly + families


def _narrow_by_test(
    tests: dict[str, TokenTest], sources: Sequence[ParsedToken], min_count: int
) -> tuple[str, Sequence[ParsedToken]]:
    """The first test that enough sources pass, and these sources; an empty name and all sources if there is none."""
    name = first_passed_test(tests, sources, min_count)
    return name, [source for source in sources if tests[name](source)] if name else sources


def _letter_tests(words: Sequence[str], min_count: int) -> dict[str, TokenTest]:
    """The test for the beginning, else the ending, else the first letters that enough words have."""
    start = _longest_common_prefix(words, min_count)
    end = _longest_common_prefix([word[::-1] for word in words], min_count)[::-1]
    if start:
        return {f" that begin with “{start}”": _starts_with_test((start,))}
    if end:
        return {f" that end in “{end}”": lambda token: token.is_word and token.word.endswith(end)}
    return _first_letter_tests(words, min_count)


def _first_letter_tests(words: Sequence[str], min_count: int) -> dict[str, TokenTest]:
    """The test for two or three first letters that enough words have."""
    common = [letter for letter, _ in Counter(sorted(word[:1] for word in words)).most_common(3)]
    for number in range(2, len(common) + 1):
        letters = tuple(common[:number])
        if sum(word.startswith(letters) for word in words) >= min_count:
            quoted = [f"“{letter}”" for letter in letters]
            phrase = f" that begin with {', '.join(quoted[:-1])} or {quoted[-1]}"
            return {phrase: _starts_with_test(letters)}
    return {}


def _starts_with_test(starts: tuple[str, ...]) -> TokenTest:
    return lambda token: token.is_word and token.word.startswith(starts)


def first_passed_test(tests: dict[str, TokenTest], sources: Collection[ParsedToken], min_count: int) -> str:
    """The name of the first test that enough sources pass, or an empty string."""
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
