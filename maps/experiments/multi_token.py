"""The same correlation for sources of several tokens, beside the single-token figures (paper, section 4.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maps.experiments.correlation import NOWHERE, by_name, part_of, sentences, single_part
from maps.experiments.dynamic_scores import dynamic_scores
from maps.experiments.hooked_model import Running
from maps.experiments.prompts import Spoken, several
from maps.experiments.results import KINDS, P_VALUES, LeftOut, Result
from maps.experiments.setup import Progress, enough, plainly, prepared, too_few
from maps.experiments.static_scores import Static
from maps.files.lock import locked
from maps.mapping.mapper import Work
from maps.mapping.settings import Settings, chosen_layers


def multi_token(
    model: str,
    out: Path,
    settings: Settings,
    prompts: str = "paper",
    device: str = "cpu",
    progress: Progress = plainly,
) -> Result:
    """Correlates static scores with the dynamic ones of sources of two or more tokens; writes `multi_token.csv`.

    The static scores are those of the relation's single-token pairs. A relation needs enough pairs of both kinds.
    """
    templates = sentences(prompts)
    work, run = prepared("multi_token", model, out, settings, device, {"prompts": templates})
    with locked(out, "evaluate"):
        finished = run.finished()
        if finished is not None:
            return finished
        spoken, left = both_kinds(work)
        todo = [name for name in spoken if not run.has(name)]
        if todo:
            scored, running = by_name(work), Running.open(work.model)
            for name in progress(todo, len(spoken) - len(todo)):
                run.keep(name, part(running, work, scored[name], spoken[name], templates))
        parts = [run.part(name) for name in spoken]
        left += [LeftOut(each["relation"], each["pairs"], NOWHERE) for each in parts if each["row"] is None]
        return run.end([each["row"] for each in parts if each["row"] is not None], left)


def both_kinds(work: Work) -> tuple[dict[str, list[Spoken]], list[LeftOut]]:
    """The longer pairs of the relations that have enough of them and of single-token ones; the others with why not."""
    kept, left = enough(work)
    left = [each._replace(reason=f"single-token sources: {each.reason}") for each in left]
    found = {}
    for usable in kept:
        name, pairs = usable.relation.name, several(work.model, usable.relation)
        if len(pairs) < work.settings.min_pairs:
            left.append(LeftOut(name, len(pairs), f"longer sources: {too_few(len(pairs), work.settings.min_pairs)}"))
        else:
            found[name] = pairs
    return found, left


def part(running: Running, work: Work, static: Static, pairs: list[Spoken], templates: list[str]) -> dict[str, Any]:
    """What a relation's row is made of: the part of its longer sources, with that of the single ones in it."""
    layers = chosen_layers(work.settings, work.model.shape.layers)
    dynamic = dynamic_scores(running, pairs, static.usable.k, templates, layers)
    found, single = part_of(work, static, len(pairs), dynamic), single_part(running, work, static, templates)
    if found["row"] is not None:
        own = single["row"] or dict.fromkeys(("pairs", *KINDS, *P_VALUES))
        found["row"] |= {f"single_{name}": own[name] for name in ("pairs", *KINDS, *P_VALUES)}
    return found | {"single": single}
