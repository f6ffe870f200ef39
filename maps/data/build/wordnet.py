"""WordNet's database files, as far as the build of the relations asks them."""

from __future__ import annotations

from pathlib import Path

Pair = tuple[str, str]
Synset = tuple[list[str], list[str]]  # words, and the fields of the pointers

PART_LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}  # as files name them, and as pointers do


class WordNet:
    """Lemmas by part of speech (in their own spelling), and the pairs that are synonyms or antonyms."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "data.noun").is_file():
            raise SystemExit(f"There is no WordNet in {folder}: install Debian's wordnet-base or give --wordnet.")
        self.lemmas: dict[str, set[str]] = {}
        self.synonyms: set[Pair] = set()
        self.antonyms: set[Pair] = set()
        synsets: dict[Pair, Synset] = {}
        for part, letter in PART_LETTERS.items():
            found = read_synsets(folder / f"data.{part}")
            self.lemmas[part] = {word for words, _ in found.values() for word in words}
            synsets |= {(letter, offset): synset for offset, synset in found.items()}
        for words, pointers in synsets.values():
            self.synonyms.update((a, b) for a in words for b in words if a != b)
            self._follow_pointers(words, pointers, synsets)

    def _follow_pointers(self, words: list[str], pointers: list[str], synsets: dict[Pair, Synset]) -> None:
        """Follows a synset's pointers to antonyms (!) and to adjectives that are near synonyms (&)."""
        for symbol, offset, part, ends in zip(*(iter(pointers),) * 4, strict=False):
            if symbol not in "!&":
                continue
            others = synsets[part.replace("s", "a"), offset][0]
            if symbol == "!":
                self.antonyms.add((words[int(ends[:2], 16) - 1], others[int(ends[2:], 16) - 1]))
            else:
                self.synonyms.update((a, b) for a in words for b in others)

    def all_lemmas(self) -> set[str]:
        """Every lemma."""
        return set().union(*self.lemmas.values())


def read_synsets(file: Path) -> dict[str, Synset]:
    """The synsets of one data file by offset; its format is in WordNet's manual page wndb(5)."""
    synsets = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split(" | ")[0].split()
            end = 4 + 2 * int(fields[3], 16)
            words = [word.split("(")[0] for word in fields[4:end:2]]
            synsets[fields[0]] = (words, fields[end + 1 : end + 1 + 4 * int(fields[end])])
    return synsets
