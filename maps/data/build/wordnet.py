"""Reads WordNet's database files."""

from __future__ import annotations

from pathlib import Path

Pair = tuple[str, str]
Synset = tuple[list[str], list[str]]  # words, and the fields of the pointers, four per pointer

PART_LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}  # names in file names: letters in pointers


class WordNet:
    """Lemmas by part of speech (in their own spelling), and all pairs of synonyms and antonyms."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "data.noun").is_file():
            raise SystemExit(f"There is no WordNet in {folder}: install Debian's wordnet-base or give --wordnet.")
        self.lemmas: dict[str, set[str]] = {}
        self.synonyms: set[Pair] = set()
        self.antonyms: set[Pair] = set()
        synsets: dict[Pair, Synset] = {}
        for part, letter in PART_LETTERS.items():
            of_part = read_synsets(folder / f"data.{part}")
            self.lemmas[part] = {word for words, _ in of_part.values() for word in words}
            synsets |= {(letter, offset): synset for offset, synset in of_part.items()}
        for words, pointers in synsets.values():
            self.synonyms.update((a, b) for a in words for b in words if a != b)
            self._follow_pointers(words, pointers, synsets)

    def _follow_pointers(self, words: list[str], pointers: list[str], synsets: dict[Pair, Synset]) -> None:
        """Follows the pointers of a synset to antonyms (!) and to similar adjectives (&), which count as synonyms."""
        for start in range(0, len(pointers) - 3, 4):
            symbol, offset, part, word_numbers = pointers[start : start + 4]
            if symbol not in "!&":
                continue
            others = synsets[part.replace("s", "a"), offset][0]
            if symbol == "!":
                source, target = int(word_numbers[:2], 16), int(word_numbers[2:], 16)  # from 1
                self.antonyms.add((words[source - 1], others[target - 1]))
            else:
                self.synonyms.update((a, b) for a in words for b in others)

    def all_lemmas(self) -> set[str]:
        return set().union(*self.lemmas.values())


def read_synsets(file: Path) -> dict[str, Synset]:
    """The synsets of a data file by offset; the format is described in WordNet's manual page wndb(5)."""
    synsets = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split(" | ")[0].split()
            end = 4 + 2 * int(fields[3], 16)
            words = [word.split("(")[0] for word in fields[4:end:2]]
            synsets[fields[0]] = (words, fields[end + 1 : end + 1 + 4 * int(fields[end])])
    return synsets
