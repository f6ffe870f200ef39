"""Tokens and heads as plain text for a terminal: every character visible, none that acts on the screen."""

from __future__ import annotations

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.text import escape_invisible, pluralize, visible_token
from maps.types import HeadId, Mapping

MAX_SIMILAR_HEADS = 3  # heads like it that are shown
MAX_CHECKS = 3  # named checks of a head that are shown


def head_text(atlas: Atlas, head: HeadId) -> str:
    """A head for the terminal: descriptions with their scores, relations from τ on, evidence, mappings."""
    if head not in atlas.head_ids:
        raise MapsError(f"{escape_invisible(atlas.model)} has no mapped head {head}: {head_range_text(atlas)}.")
    lines = [f"{head} of {escape_invisible(atlas.model)}", ""]
    stale, scores = atlas.stale_description_ids(head), atlas.table("scores", head=head).to_pylist()
    for row in atlas.descriptions(head):
        pattern, inputs = escape_invisible(row["observed_pattern"]), escape_invisible(row["input_strings"])
        lines += [f"{escape_invisible(row['describer'])}: {pattern}", f"  inputs: {inputs}"]
        if row["description_id"] in stale:
            lines.append("  stale: the mappings below are not those that were described; describe the atlas again")
        if row["support"] is not None:
            lines.append(f"  borne out by {pluralize(row['support'], 'mapping')}")
        lines += [detection_text(score) for score in scores if score["description_id"] == row["description_id"]]
    tau = float(atlas.info["settings"]["tau"])
    for score in atlas.relation_scores(head):
        if score.score is not None and max(score.score, score.suppression or 0.0) >= tau:
            few = " (too few pairs to classify by)" if score.pairs < atlas.info["settings"]["min_pairs"] else ""
            values = f"{score.score:.2f}, suppression {score.suppression:.2f}, {pluralize(score.pairs, 'pair')}"
            lines.append(f"{escape_invisible(score.relation)}: {values}{few}")
    mappings = atlas.mappings(head)
    (checks, concentration), left_out = current_measurements(atlas, head, mapping_hash(mappings))
    lines += [check_text(row, len(mappings)) for row in sorted(checks, key=lambda row: -row["support"])[:MAX_CHECKS]]
    lines += [concentration_text(row) for row in concentration]
    lines += ["what was measured of other mappings is left out; score the atlas again"] if left_out else []
    lines += similar_heads_text(atlas, head)
    return "\n".join([*lines, "", *map(mapping_text, mappings)])


def similar_heads_text(atlas: Atlas, head: HeadId) -> list[str]:
    """The heads that are most like one, as a line; none where no other head shares a source with it."""
    from maps.analysis.similar_heads import MAPPING_COLUMNS, MappingIndex, similar_heads

    found = similar_heads(MappingIndex.from_table(atlas.table("mappings", MAPPING_COLUMNS)), head, MAX_SIMILAR_HEADS)
    said = ", ".join(f"{each.head} ({each.mappings:.2f}, sources {each.sources:.2f})" for each in found)
    return [f"shares most mappings (Jaccard similarity) with {said}"] if found else []


def detection_text(score: Row) -> str:
    """A detection score as a line, beside its control."""
    seed = f", seed {score['seed']}" if score["seed"] else ""
    who = f"  detection by {escape_invisible(score['scorer'])}{seed}:"
    if score["detection"] is None:
        return f"{who} none. {escape_invisible(score['reason'])}"
    swapped = score["detection_swapped"]
    control = "no control" if swapped is None else f"{swapped:.2f} with another head's description"
    interval = f"{score['detection_low']:.2f} to {score['detection_high']:.2f}"
    return f"{who} {score['detection']:.2f} (95 % interval {interval}), {control}; chance is 0.5"


def current_measurements(atlas: Atlas, head: HeadId, present_hash: str) -> tuple[list[list[Row]], bool]:
    """The rows of `checks` and `concentration` that are of a head's present mappings (by their hash), and whether there
    are others.
    """
    every = [atlas.table(name, head=head).to_pylist() for name in ("checks", "concentration")]
    kept = [[row for row in rows if row.get("mapping_hash") == present_hash] for rows in every]
    return kept, kept != every


def check_text(row: Row, mappings: int) -> str:
    """A named check of a head as a line."""
    chance = "" if row["by_chance"] is None else f", {row['by_chance']:.1f} by chance"
    return f"named check, borne out by {row['support']} of {mappings} mappings{chance}: {escape_invisible(row['check'])}"


def concentration_text(row: Row) -> str:
    """How concentrated a head's targets are, as a line."""
    below = row["entropy_below"]
    beside = (
        "" if below is None else f", lower in {100 * below:.0f} % of {pluralize(row['random_heads'], 'random head')}"
    )
    return f"entropy of the targets: {row['target_entropy']:.2f} bits{beside}"


def mapping_text(mapping: Mapping) -> str:
    """One mapping as a line."""
    targets = "  ".join(visible_token(target) for target in mapping.targets)
    return f"{mapping.rank:3}  {mapping.saliency:7.3f}  {visible_token(mapping.source):>20}  →  {targets}"


def head_range_text(atlas: Atlas) -> str:
    """Which heads an atlas holds, in words."""
    layers = sorted({head.layer for head in atlas.head_ids})
    heads = {head.head for head in atlas.head_ids}
    return f"layers {layers[0]} to {layers[-1]}, heads 0 to {max(heads)}"
