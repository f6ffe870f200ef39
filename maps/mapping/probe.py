"""All heads of a model at once, asked about a token, a pair or own pairs: exact, from weights that stay in memory.

A few products over the vocabulary in float32, whose close calls are redone in float64 (`maps.heads.rank_tests`, `maps.heads.top_targets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock

import torch
from torch import Tensor

from maps.data import is_text, relation_of
from maps.errors import MapsError
from maps.heads.circuit import saliency
from maps.heads.eight_bit import at_unit_length
from maps.heads.parallel import each_alone, one_thread, side_by_side
from maps.heads.rank_tests import Standing, standing
from maps.heads.relation_scores import scores_of_layer
from maps.heads.sources import FAINT, Sources
from maps.heads.top_targets import Targets, highest, in_order
from maps.heads.unembedding import UNIT, gamma
from maps.mapping.model import Layer, Model
from maps.mapping.probe_results import OwnRelation, OwnScore, Probe, Progress, Promoted, Promoter, Ranked, Token
from maps.text import visible
from maps.types import HeadId

TARGETS = 5  # highest targets of a source under each head
PIECES = 8  # of a word that is no single token, that are named
LONGEST = 200  # characters of what is asked about
BLOCK = 1024  # sources a product


def probed(model: Model, source: str, target: str | None, progress: Progress) -> Probe:
    """What `maps.probe` gives."""
    s = token_named(model, source)
    t = None if target is None else token_named(model, target)
    get_ready(model, progress, with_means=t is None)
    if t is not None:
        return Probe(model.name, model.vocabulary.size, s, t, pair=pair_under_heads(model, s, t))
    targets, sources = source_under_heads(model, s), target_under_heads(model, s)
    return Probe(model.name, model.vocabulary.size, s, as_source=targets, as_target=sources)


def token_named(model: Model, word: str) -> Token:
    """The token that a word is; raises MapsError where it is none, naming the pieces it falls apart into."""
    if not is_text(word):
        raise MapsError("Type a token: a word, or a part of one.")
    if len(word) > LONGEST:
        raise MapsError(f"What was typed has {len(word):,} characters; a token has {LONGEST} at most here.")
    known = model.vocabulary
    found = known.token(word)
    if found is None and word.startswith("·"):  # as tokens are shown
        found = known.token(word[1:])
    if found is not None:
        return Token(found, known.tokens[found])
    pieces = known.pieces(word)
    more = f" and {len(pieces) - PIECES} more" if len(pieces) > PIECES else ""
    named = ", ".join(f"“{visible(piece)}”" for piece in pieces[:PIECES])
    raise MapsError(
        f"“{visible(word.strip())}” is no single token of {model.name}: it is read as {named}{more}. "
        "Type one of these, or another word."
    )


def get_ready(model: Model, progress: Progress, with_means: bool = True) -> None:
    """Reads what is asked again and again: every layer, U, Ẽ and, where wanted, each head's mean saliency."""
    layers, means = range(model.shape.layers), model.mean_saliency
    todo = [layer for layer in layers if not model.is_kept(layer) or (with_means and layer not in means)]
    if not todo:
        return
    model.checkpoint.require(todo, model.first_mlp)
    _, _, reading = model.columns, model.through_mlp, Lock()

    def read(layer: int) -> Tensor | None:
        with reading:
            found = model.kept_layer(layer)
        return saliency(found.sources, found.heads).double().mean(1) if with_means else None

    for layer, mean in zip(progress(todo, len(layers) - len(todo)), each_alone(read, todo), strict=True):
        if mean is not None:
            means[layer] = mean


def layers_of(model: Model) -> Iterator[tuple[int, Layer]]:
    """Every layer with its number."""
    for layer in range(model.shape.layers):
        yield layer, model.kept_layer(layer)


def heads_of(model: Model) -> list[HeadId]:
    """Every head, by layer."""
    return [HeadId(layer, head) for layer in range(model.shape.layers) for head in range(model.shape.heads)]


def written(model: Model, sources: Sequence[int]) -> Tensor:
    """What every head writes for a source of its own, as scores see it: a token for each of N heads to (N, d)."""
    ids = torch.tensor(sources, device=model.device).view(model.shape.layers, -1)
    with one_thread():
        return torch.cat([x.reading.each_written(x.sources.exact(ids[number])) for number, x in layers_of(model)])


def standing_of_target(model: Model, rows: Tensor, target: Token) -> Standing:
    """Where a target stands in rows (N, d)."""
    targets = torch.full((len(rows),), target.id, device=rows.device)
    parts = side_by_side(lambda part: standing(rows[part], targets[part], model.columns), len(rows))
    return Standing(*(torch.cat(each) for each in zip(*parts, strict=True)))


def pair_under_heads(model: Model, source: Token, target: Token) -> tuple[Ranked, ...]:
    """The target's ranks in the source's row of M under every head, the best rank first."""
    heads = heads_of(model)
    rows = written(model, [source.id] * len(heads))
    found = standing_of_target(model, rows, target)
    columns = (found.own.tolist(), found.above.tolist(), found.below.tolist())
    ranked = [Ranked(h, own, 1 + above, 1 + below) for h, own, above, below in zip(heads, *columns, strict=True)]
    return tuple(sorted(ranked, key=lambda each: (each.rank, each.head)))


def source_under_heads(model: Model, source: Token) -> tuple[Promoted, ...]:
    """What every head makes of a source, the one first on which it acts most strongly beside its mean."""
    heads, tokens = heads_of(model), model.vocabulary.tokens
    rows = written(model, [source.id] * len(heads))
    values = zip(lengths_written(model, source, rows), torch.cat(means_of(model)).tolist(), strict=True)
    parts = side_by_side(lambda part: highest(rows[part], TARGETS, model.columns)[0], len(rows))
    best = Targets(*(torch.cat(each) for each in zip(*parts, strict=True)))
    found = [
        Promoted(h, sigma, sigma / mean if mean else None, tuple(Token(i, tokens[i]) for i in ids), tuple(scores))
        for h, (sigma, mean), ids, scores in zip(heads, values, best.ids.tolist(), best.scores.tolist(), strict=True)
    ]
    return tuple(sorted(found, key=lambda each: (-(each.ratio or 0.0), each.head)))


def means_of(model: Model) -> list[Tensor]:
    """The mean saliency of every head, by layer."""
    return [model.mean_saliency[layer] for layer in range(model.shape.layers)]


def lengths_written(model: Model, source: Token, rows: Tensor) -> list[float]:
    """σ = ‖ẽ W_V W_O‖ / ‖ẽ‖ of a source under every head, in float64; 0 where its row is zero.

    `rows` (N, d) is what the heads write for it as scores see it: with the final norm's gain, where that is asked for.
    """
    token, found = torch.tensor([source.id], device=model.device), list[float]()
    with one_thread():
        for (_, layer), given in zip(layers_of(model), rows.split(model.shape.heads), strict=True):
            row = layer.sources.exact(token)
            plain = given if layer.gain is None else layer.exact.each_written(row.expand(len(given), -1))
            found += (plain.norm(dim=1) / (float(row.norm()) or 1.0)).tolist()
    return found


def target_under_heads(model: Model, target: Token) -> tuple[Promoter, ...]:
    """What makes every head promote a target: its best source, and the target's rank there, the best rank first."""
    heads, tokens = heads_of(model), model.vocabulary.tokens
    u = model.columns.of_tokens(torch.tensor([target.id], device=model.device))[0].double()
    with one_thread():
        asked = [layer.reading.each_asked(u) for _, layer in layers_of(model)]
    best = best_sources(model.plain, asked[0])
    best += best_sources(model.through_mlp, torch.cat(asked[1:])) if len(asked) > 1 else []
    rows = written(model, best)
    found = standing_of_target(model, rows, target)
    columns = zip(heads, best, found.own.tolist(), found.above.tolist(), strict=True)
    promoters = [Promoter(h, Token(s, tokens[s]), own, 1 + above) for h, s, own, above in columns]
    return tuple(sorted(promoters, key=lambda each: (each.rank, each.head)))


def best_sources(sources: Sources, asked: Tensor) -> list[int]:
    """The token of highest ẽ · x for every row x of `asked` (n, d) float64, ties by lower id.

    Float32 leaves few candidates, which are redone in float64.
    """
    x = at_unit_length(asked)[0]
    found = [each for part in side_by_side(lambda part: candidates(sources, x[part]), len(x)) for each in part]
    with one_thread():
        names, which = torch.cat(found).unique(return_inverse=True)
        rows = sources.exact(names)
        tie = 1e-13 * float(rows.norm(dim=1).max())
        best = []
        for mine, direction in zip(which.split([len(each) for each in found]), x, strict=True):
            best.append(int(names[mine][in_order(rows[mine] @ direction, names[mine], tie)[0]]))
    return best


def candidates(sources: Sources, x: Tensor) -> list[Tensor]:
    """For each row x (n, d) at length 1 the tokens that may score highest: a list of (m,).

    A float32 score is off by at most what its sum rounds, and by what the row of Ẽ is off itself. A row of zeros, on
    which all tokens tie, leaves the first.
    """
    off = 1.02 * (gamma(x.shape[1] + 3) + 2 * UNIT) * sources.norms + 1.02 * sources.off
    off = off.index_fill(0, sources.faint, FAINT)
    single, faint = x.float(), torch.zeros(len(off), dtype=torch.bool, device=x.device)
    faint[sources.faint] = True

    def scores(rows: Tensor, start: int, block: Tensor) -> Tensor:
        part = slice(start, start + len(block))
        return (rows @ block.T).masked_fill_(faint[part], 0.0) if len(sources.faint) else rows @ block.T

    blocks = list(blocks_of(sources))
    tops = torch.stack([scores(single, *each).amax(1) for each in blocks])  # (blocks, n)
    reach = torch.stack([off[start : start + len(block)].max() for start, block in blocks])[:, None]
    floor = (tops - reach).amax(0)
    found: list[tuple[Tensor, Tensor]] = []
    for each, open_rows in zip(blocks, tops + reach >= floor, strict=True):
        some, here = open_rows.nonzero()[:, 0], off[each[0] : each[0] + len(each[1])]
        row, place = (scores(single[some], *each) + here >= floor[some, None]).nonzero().T
        found.append((some[row], place + each[0]))
    row, token = (torch.cat(each) for each in zip(*found, strict=True))
    lists = token[row.argsort(stable=True)].split(row.bincount(minlength=len(x)).tolist())
    return [mine if direction.any() else mine[:1] for mine, direction in zip(lists, x, strict=True)]


def blocks_of(sources: Sources) -> Iterator[tuple[int, Tensor]]:
    """The float32 rows of Ẽ, so many at a time that their scores stay in the processor's cache."""
    for start, rows in sources.blocks():
        for i, part in enumerate(rows.split(BLOCK)):
            yield start + i * BLOCK, part


def own_relation(model: Model, pairs: Sequence[Sequence[str]], progress: Progress, k: int | None = None) -> OwnRelation:
    """Own pairs scored on every head as `map --relation` does; pairs that are no two single tokens are named."""
    relation = relation_of("own", pairs)
    single = [model.vocabulary.single_tokens([pair[side] for pair in relation.pairs]) for side in (0, 1)]
    unusable = [pair for pair, *ids in zip(relation.pairs, *single, strict=True) if None in ids]
    prepared = model.pairs([relation], k)
    get_ready(model, progress, with_means=False)
    for sources in (model.plain, model.through_mlp):
        sources.exact(prepared.sources.unique())  # made once, before threads read it
    reading = Lock()

    def score(layer: int) -> list[OwnScore]:
        with reading:
            found = model.kept_layer(layer)
        rows = scores_of_layer(prepared, found.sources, found.reading, model.columns)
        return [OwnScore(HeadId(layer, head), row.score, row.suppression) for head, [row] in enumerate(rows)]

    scores = [each for some in each_alone(score, range(model.shape.layers)) for each in some]
    used = prepared.relations[0]
    return OwnRelation(model.name, used.k, len(used.sources), tuple(unusable), tuple(scores))
