"""A head as plain text for a terminal: every character is visible, and none acts on the screen."""

from __future__ import annotations

from maps.atlas.patterns import current_patterns, is_operation_failure
from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase, targets_phrase
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.report.copying_control import classified_value, control_phrase, stronger_value
from maps.scoring.score_table import is_detection
from maps.text import escape_invisible, pluralize, visible_token
from maps.types import HeadId, Mapping, RelationScore

MAX_SIMILAR_HEADS = 3
MAX_CHECKS = 3  # named checks that are shown


def head_text(atlas: Atlas, head: HeadId) -> str:
    """A head's descriptions with their scores, its operations, failures of describers, relations, evidence, mappings.

    Relations are those with τ or more beyond copying, and those with τ or more where the control leaves too few pairs.
    Raises MapsError for a head that was not mapped.
    """
    if head not in atlas.head_ids:
        raise MapsError(f"{escape_invisible(atlas.model)} has no mapped head {head}: {head_range_text(atlas)}.")
    reading = f"{escape_invisible(reading_phrase(atlas.reading))}: targets are {targets_phrase(atlas.reading)}"
    lines = [f"{head} of {escape_invisible(atlas.model)}", reading, ""]
    stale = atlas.stale_description_ids(head)
    scores = [*filter(is_detection, atlas.table("scores", head=head).to_pylist())]
    for row in atlas.descriptions(head):
        pattern, inputs = escape_invisible(row["observed_pattern"]), escape_invisible(row["input_strings"])
        lines += [f"{escape_invisible(row['describer'])}: {pattern}", f"  inputs: {inputs}"]
        if row["description_id"] in stale:
            lines.append("  stale: the mappings changed after this description; describe the atlas again")
        if row["support"] is not None:
            lines.append(f"  supported by {pluralize(row['support'], 'mapping')}")
        lines += [detection_text(score) for score in scores if score["description_id"] == row["description_id"]]
    lines += map(operation_text, current_patterns(atlas, head))
    lines += failure_texts(atlas, head)
    tau = float(atlas.info["settings"]["tau"])
    min_pairs = int(atlas.info["settings"]["min_pairs"])
    lines += [relation_text(score, min_pairs) for score in atlas.relation_scores(head) if is_shown(score, tau)]
    mappings = atlas.mappings(head)
    (checks, concentration), has_outdated = current_measurements(atlas, head, mapping_hash(mappings))
    lines += [check_text(row, len(mappings)) for row in sorted(checks, key=lambda row: -row["support"])[:MAX_CHECKS]]
    lines += [concentration_text(row) for row in concentration]
    if has_outdated:
        lines.append("evidence from earlier mappings is left out; score the atlas again")
    lines += similar_heads_text(atlas, head)
    return "\n".join([*lines, "", *map(mapping_text, mappings)])


def is_shown(score: RelationScore, tau: float) -> bool:
    """Whether a relation reaches τ beyond copying, or reaches it and has too few pairs for that control."""
    if score.score is None:
        return False
    if score.classified_score is None:
        return stronger_value(score.score, score.suppression) >= tau
    return classified_value(score) >= tau


def relation_text(score: RelationScore, min_pairs: int) -> str:
    """`country_to_capital: 0.63, suppression 0.00, 53 pairs; copying alone gives 0.10; …`."""
    few = " (too few pairs to classify by)" if score.pairs < min_pairs else ""
    values = f"{score.score:.2f}, suppression {score.suppression:.2f}, {pluralize(score.pairs, 'pair')}{few}"
    return "; ".join(filter(None, (f"{escape_invisible(score.relation)}: {values}", control_phrase(score))))


def operation_text(row: Row) -> str:
    """`operation 2 by offline (5 mappings): …`, from a row of `patterns`."""
    describer, size = escape_invisible(row["describer"]), pluralize(len(row["source_ids"]), "mapping")
    return f"operation {row['operation']} by {describer} ({size}): {escape_invisible(row['observed_pattern'])}"


def failure_texts(atlas: Atlas, head: HeadId) -> list[str]:
    """A line for each describer whose newest result for the head is a failure."""
    described = {row["describer"]: row["created_at"] for row in atlas.descriptions(head)}
    every = atlas.table("failures", head=head).to_pylist()
    rows = sorted((row for row in every if not is_operation_failure(row)), key=lambda row: row["created_at"])
    lines = []
    for describer, row in {row["describer"]: row for row in rows}.items():
        name, reason = escape_invisible(describer), escape_invisible(row["reason"])
        tries = f"asked {pluralize(row['attempts'], 'time')}, last on {row['created_at']:%Y-%m-%d}"
        if describer not in described:
            lines.append(f"{name} failed ({tries}): {reason}")
        elif described[describer] < row["created_at"]:
            lines.append(f"{name} failed when it was asked again ({tries}): {reason}")
    return lines


def similar_heads_text(atlas: Atlas, head: HeadId) -> list[str]:
    """A line with the most similar heads; no line when no other head shares a source with this one."""
    from maps.analysis.similar_heads import MAPPING_COLUMNS, MappingIndex, similar_heads

    index = MappingIndex.from_table(atlas.table("mappings", MAPPING_COLUMNS))
    similar = similar_heads(index, head, MAX_SIMILAR_HEADS)
    names = ", ".join(f"{each.head} ({each.mappings:.2f}, sources {each.sources:.2f})" for each in similar)
    return [f"shares most mappings (Jaccard similarity) with {names}"] if similar else []


def detection_text(score: Row) -> str:
    seed = f", seed {score['seed']}" if score["seed"] else ""
    scorer = f"  detection by {escape_invisible(score['scorer'])}{seed}:"
    if score["detection"] is None:
        return f"{scorer} none. {escape_invisible(score['reason'])}"
    swapped = score["detection_swapped"]
    control = "no control" if swapped is None else f"{swapped:.2f} with another head's description"
    interval = f"{score['detection_low']:.2f} to {score['detection_high']:.2f}"
    return f"{scorer} {score['detection']:.2f} (95 % interval {interval}), {control}; chance is 0.5"


def current_measurements(atlas: Atlas, head: HeadId, present_hash: str) -> tuple[list[list[Row]], bool]:
    """A head's rows of `checks` and of `concentration`, and whether there are outdated rows, which are left out.

    `present_hash` is the hash of the head's present mappings; a row is outdated if it was measured on others.
    """
    all_rows = [atlas.table(name, head=head).to_pylist() for name in ("checks", "concentration")]
    current = [[row for row in rows if row.get("mapping_hash") == present_hash] for rows in all_rows]
    return current, current != all_rows


def check_text(row: Row, total: int) -> str:
    chance = "" if row["by_chance"] is None else f", {row['by_chance']:.1f} by chance"
    return f"named check, supported by {row['support']} of {total} mappings{chance}: {escape_invisible(row['check'])}"


def concentration_text(row: Row) -> str:
    below, comparison = row["entropy_below"], ""
    if below is not None:
        comparison = f", lower in {100 * below:.0f} % of {pluralize(row['random_heads'], 'random head')}"
    return f"entropy of the targets: {row['target_entropy']:.2f} bits{comparison}"


def mapping_text(mapping: Mapping) -> str:
    targets = "  ".join(visible_token(target) for target in mapping.targets)
    return f"{mapping.rank:3}  {mapping.saliency:7.3f}  {visible_token(mapping.source):>20}  →  {targets}"


def head_range_text(atlas: Atlas) -> str:
    """The heads of an atlas: `layers 0 to 29, heads 0 to 8`."""
    layers = sorted({head.layer for head in atlas.head_ids})
    heads = {head.head for head in atlas.head_ids}
    return f"layers {layers[0]} to {layers[-1]}, heads 0 to {max(heads)}"
