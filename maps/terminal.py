"""Tokens and heads as plain text for a terminal: every character visible, none that acts on the screen."""

from __future__ import annotations

import unicodedata

from maps.atlas import Atlas
from maps.types import HeadId, Mapping, MapsError

SYMBOLS = {" ": "·", "\n": "⏎", "\t": "⇥"}
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}  # control, formatting, unassigned, white space
MARKS = {"Mn", "Me"}  # combining marks: seen only on a letter before them


def visible(token: str) -> str:
    """A stored token with nothing hidden: · for a space, ⏎ and ⇥ for newline and tab, \\u200F for what has no glyph.

    A token that holds one of these symbols itself shows it as an escape, so two tokens never look the same.
    """
    written = (SYMBOLS.get(c) or (escaped(c) if hidden(c) else c) for c in token)
    shown = "".join(written)
    first = unicodedata.category(shown[0]) if shown else ""
    return escaped(shown[0]) + shown[1:] if first in MARKS else shown


def said(sentence: str) -> str:
    """A describer's sentence on one line, with what can't be seen or would act on the screen escaped."""
    shown = (" ", *SYMBOLS.values())
    return "".join(escaped(c) if c not in shown and hidden(c) else c for c in sentence)


def hidden(character: str) -> bool:
    """Whether a character would not be seen, or would be taken for one of the symbols."""
    selector = "\ufe00" <= character <= "\ufe0f"  # variation selectors
    return selector or character in SYMBOLS.values() or unicodedata.category(character) in UNSEEN


def escaped(character: str) -> str:
    """`\\u200F`; eight digits beyond the basic plane."""
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def head_text(atlas: Atlas, head: HeadId) -> str:
    """A head for the terminal: descriptions, relations from τ on, mappings."""
    if head not in atlas.ids:
        raise MapsError(f"{atlas.model} has no mapped head {head}: {span(atlas)}.")
    lines = [f"{head} of {atlas.model}", ""]
    stale = atlas.stale(head)
    for row in atlas.descriptions(head):
        pattern, inputs = said(row["observed_pattern"]), said(row["input_strings"])
        lines += [f"{said(row['describer'])}: {pattern}", f"  inputs: {inputs}"]
        if row["description_id"] in stale:
            lines.append("  stale: the mappings below are not those that were described; describe the atlas again")
        if row["support"] is not None:
            lines.append(f"  borne out by {row['support']} mappings")
    tau = float(atlas.info["settings"]["tau"])
    for score in atlas.relation_scores(head):
        if score.score is not None and max(score.score, score.suppression or 0.0) >= tau:
            few = " (too few pairs to classify by)" if score.pairs < atlas.info["settings"]["min_pairs"] else ""
            values = f"{score.score:.2f}, suppression {score.suppression:.2f}, {score.pairs} pairs"
            lines.append(f"{score.relation}: {values}{few}")
    return "\n".join([*lines, "", *(mapping_text(m) for m in atlas.mappings(head))])


def mapping_text(mapping: Mapping) -> str:
    """One mapping as a line."""
    targets = "  ".join(visible(target) for target in mapping.targets)
    return f"{mapping.rank:3}  {mapping.saliency:7.3f}  {visible(mapping.source):>20}  →  {targets}"


def span(atlas: Atlas) -> str:
    """Which heads an atlas holds, in words."""
    layers = sorted({head.layer for head in atlas.ids})
    return f"layers {layers[0]} to {layers[-1]}, heads 0 to {atlas.info['heads'] - 1}"
