"""All heads of a model at once, asked about a token, a pair or own pairs: exact, from weights that stay in memory.

A few products over the vocabulary in float32, whose close calls are redone in float64 (`maps.heads.rank_tests`, `maps.heads.top_targets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock

import torch
from torch import Tensor

from maps.data import is_text, parse_relation
from maps.errors import MapsError
from maps.heads.circuit import saliency
from maps.heads.eight_bit import normalise_rows
from maps.heads.parallel import map_in_threads, run_in_shares, use_one_thread
from maps.heads.rank_tests import RankCounts, count_ranks
from maps.heads.relation_scores import score_layer_relations
from maps.heads.sources import FAINT_NORM, Sources
from maps.heads.top_targets import Targets, find_highest_targets, sort_order
from maps.heads.unembedding import UNIT_ROUNDOFF, gamma
from maps.mapping.model import LayerWeights, Model
from maps.mapping.probe_results import (
    HeadBestSource,
    HeadPairRank,
    HeadTargets,
    LayerProgress,
    OwnPairsResult,
    OwnPairsScore,
    Probe,
    VocabularyToken,
)
from maps.text import visible_token
from maps.types import HeadId

TARGETS_PER_HEAD = 5  # highest targets of a source under each head
MAX_PIECES = 8  # of a word that is no single token, that are named
MAX_CHARACTERS = 200  # characters of what is asked about
BLOCK = 1024  # sources a product


def run_probe(model: Model, source: str, target: str | None, progress: LayerProgress) -> Probe:
    """What `maps.probe` gives."""
    s = find_token(model, source)
    t = None if target is None else find_token(model, target)
    prepare_model(model, progress, with_means=t is None)
    if t is not None:
        return Probe(model.name, model.vocabulary.size, s, t, pair=probe_pair(model, s, t))
    targets, sources = probe_source(model, s), probe_target(model, s)
    return Probe(model.name, model.vocabulary.size, s, as_source=targets, as_target=sources)


def find_token(model: Model, word: str) -> VocabularyToken:
    """The token that a word is; raises MapsError where it is none, naming the pieces it falls apart into."""
    if not is_text(word):
        raise MapsError("Type a token: a word, or a part of one.")
    if len(word) > MAX_CHARACTERS:
        raise MapsError(f"What was typed has {len(word):,} characters; a token has {MAX_CHARACTERS} at most here.")
    known = model.vocabulary
    found = known.token_id(word)
    if found is None and word.startswith("·"):  # as tokens are shown
        found = known.token_id(word[1:])
    if found is not None:
        return VocabularyToken(found, known.tokens[found])
    pieces = known.pieces(word)
    more = f" and {len(pieces) - MAX_PIECES} more" if len(pieces) > MAX_PIECES else ""
    named = ", ".join(f"“{visible_token(piece)}”" for piece in pieces[:MAX_PIECES])
    raise MapsError(
        f"“{visible_token(word.strip())}” is no single token of {model.name}: it is read as {named}{more}. "
        "Type one of these, or another word."
    )


def prepare_model(model: Model, progress: LayerProgress, with_means: bool = True) -> None:
    """Reads what is asked again and again: every layer, U, Ẽ and, where wanted, each head's mean saliency."""
    layers, means = range(model.shape.layers), model.mean_saliency
    todo = [layer for layer in layers if not model.is_layer_cached(layer) or (with_means and layer not in means)]
    if not todo:
        return
    model.checkpoint.check_files(todo, model.first_mlp)
    _, _, reading = model.unembedding, model.mlp_sources, Lock()

    def read(layer: int) -> Tensor | None:
        with reading:
            found = model.cached_layer(layer)
        return saliency(found.sources, found.heads).double().mean(1) if with_means else None

    for layer, mean in zip(progress(todo, len(layers) - len(todo)), map_in_threads(read, todo), strict=True):
        if mean is not None:
            means[layer] = mean


def iterate_layers(model: Model) -> Iterator[tuple[int, LayerWeights]]:
    """Every layer with its number."""
    for layer in range(model.shape.layers):
        yield layer, model.cached_layer(layer)


def all_heads(model: Model) -> list[HeadId]:
    """Every head, by layer."""
    return [HeadId(layer, head) for layer in range(model.shape.layers) for head in range(model.shape.heads)]


def outputs_of_all_heads(model: Model, sources: Sequence[int]) -> Tensor:
    """What every head writes for a source of its own, as scores see it: a token for each of N heads to (N, d)."""
    ids = torch.tensor(sources, device=model.device).view(model.shape.layers, -1)
    with use_one_thread():
        return torch.cat(
            [x.scoring_heads.output_per_head(x.sources.exact_rows(ids[number])) for number, x in iterate_layers(model)]
        )


def count_around_target(model: Model, rows: Tensor, target: VocabularyToken) -> RankCounts:
    """Where a target stands in rows (N, d)."""
    targets = torch.full((len(rows),), target.id, device=rows.device)
    parts = run_in_shares(lambda part: count_ranks(rows[part], targets[part], model.unembedding), len(rows))
    return RankCounts(*(torch.cat(each) for each in zip(*parts, strict=True)))


def probe_pair(model: Model, source: VocabularyToken, target: VocabularyToken) -> tuple[HeadPairRank, ...]:
    """The target's ranks in the source's row of M under every head, the best rank first."""
    heads = all_heads(model)
    rows = outputs_of_all_heads(model, [source.id] * len(heads))
    found = count_around_target(model, rows, target)
    columns = (found.target_scores.tolist(), found.higher_count.tolist(), found.lower_count.tolist())
    ranked = [HeadPairRank(h, own, 1 + above, 1 + below) for h, own, above, below in zip(heads, *columns, strict=True)]
    return tuple(sorted(ranked, key=lambda each: (each.rank, each.head)))


def probe_source(model: Model, source: VocabularyToken) -> tuple[HeadTargets, ...]:
    """What every head makes of a source, the one first on which it acts most strongly beside its mean."""
    heads, tokens = all_heads(model), model.vocabulary.tokens
    rows = outputs_of_all_heads(model, [source.id] * len(heads))
    values = zip(exact_saliencies(model, source, rows), torch.cat(mean_saliencies(model)).tolist(), strict=True)
    parts = run_in_shares(
        lambda part: find_highest_targets(rows[part], TARGETS_PER_HEAD, model.unembedding)[0], len(rows)
    )
    best = Targets(*(torch.cat(each) for each in zip(*parts, strict=True)))
    found = [
        HeadTargets(
            h, sigma, sigma / mean if mean else None, tuple(VocabularyToken(i, tokens[i]) for i in ids), tuple(scores)
        )
        for h, (sigma, mean), ids, scores in zip(heads, values, best.ids.tolist(), best.scores.tolist(), strict=True)
    ]
    return tuple(sorted(found, key=lambda each: (-(each.ratio or 0.0), each.head)))


def mean_saliencies(model: Model) -> list[Tensor]:
    """The mean saliency of every head, by layer."""
    return [model.mean_saliency[layer] for layer in range(model.shape.layers)]


def exact_saliencies(model: Model, source: VocabularyToken, rows: Tensor) -> list[float]:
    """σ = ‖ẽ W_V W_O‖ / ‖ẽ‖ of a source under every head, in float64; 0 where its row is zero.

    `rows` (N, d) is what the heads write for it as scores see it: with the final norm's gain, where that is asked for.
    """
    token, found = torch.tensor([source.id], device=model.device), list[float]()
    with use_one_thread():
        for (_, layer), given in zip(iterate_layers(model), rows.split(model.shape.heads), strict=True):
            row = layer.sources.exact_rows(token)
            plain = (
                given
                if layer.final_norm_gain is None
                else layer.exact_heads.output_per_head(row.expand(len(given), -1))
            )
            found += (plain.norm(dim=1) / (float(row.norm()) or 1.0)).tolist()
    return found


def probe_target(model: Model, target: VocabularyToken) -> tuple[HeadBestSource, ...]:
    """What makes every head promote a target: its best source, and the target's rank there, the best rank first."""
    heads, tokens = all_heads(model), model.vocabulary.tokens
    u = model.unembedding.rows_of_tokens(torch.tensor([target.id], device=model.device))[0].double()
    with use_one_thread():
        asked = [layer.scoring_heads.target_directions(u) for _, layer in iterate_layers(model)]
    best = best_sources(model.embedding_sources, asked[0])
    best += best_sources(model.mlp_sources, torch.cat(asked[1:])) if len(asked) > 1 else []
    rows = outputs_of_all_heads(model, best)
    found = count_around_target(model, rows, target)
    columns = zip(heads, best, found.target_scores.tolist(), found.higher_count.tolist(), strict=True)
    promoters = [HeadBestSource(h, VocabularyToken(s, tokens[s]), own, 1 + above) for h, s, own, above in columns]
    return tuple(sorted(promoters, key=lambda each: (each.rank, each.head)))


def best_sources(sources: Sources, directions: Tensor) -> list[int]:
    """The token of highest ẽ · x for every row x of `directions` (n, d) float64, ties by lower id.

    Float32 leaves few candidates, which are redone in float64.
    """
    x = normalise_rows(directions)[0]
    found = [each for part in run_in_shares(lambda part: candidate_sources(sources, x[part]), len(x)) for each in part]
    with use_one_thread():
        names, which = torch.cat(found).unique(return_inverse=True)
        rows = sources.exact_rows(names)
        tie = 1e-13 * float(rows.norm(dim=1).max())
        best = []
        for mine, direction in zip(which.split([len(each) for each in found]), x, strict=True):
            best.append(int(names[mine][sort_order(rows[mine] @ direction, names[mine], tie)[0]]))
    return best


def candidate_sources(sources: Sources, x: Tensor) -> list[Tensor]:
    """For each row x (n, d) at length 1 the tokens that may score highest: a list of (m,).

    A float32 score is off by at most what its sum rounds, and by what the row of Ẽ is off itself. A row of zeros, on
    which all tokens tie, leaves the first.
    """
    off = 1.02 * (gamma(x.shape[1] + 3) + 2 * UNIT_ROUNDOFF) * sources.norms + 1.02 * sources.error_bounds
    off = off.index_fill(0, sources.faint_ids, FAINT_NORM)
    single, faint = x.float(), torch.zeros(len(off), dtype=torch.bool, device=x.device)
    faint[sources.faint_ids] = True

    def scores(rows: Tensor, start: int, block: Tensor) -> Tensor:
        part = slice(start, start + len(block))
        return (rows @ block.T).masked_fill_(faint[part], 0.0) if len(sources.faint_ids) else rows @ block.T

    blocks = list(iterate_small_blocks(sources))
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


def iterate_small_blocks(sources: Sources) -> Iterator[tuple[int, Tensor]]:
    """The float32 rows of Ẽ, so many at a time that their scores stay in the processor's cache."""
    for start, rows in sources.blocks():
        for i, part in enumerate(rows.split(BLOCK)):
            yield start + i * BLOCK, part


def score_own_pairs(
    model: Model, pairs: Sequence[Sequence[str]], progress: LayerProgress, k: int | None = None
) -> OwnPairsResult:
    """Own pairs scored on every head as `map --relation` does; pairs that are no two single tokens are named."""
    relation = parse_relation("own", pairs)
    single = [model.vocabulary.single_token_ids([pair[side] for pair in relation.pairs]) for side in (0, 1)]
    unusable = [pair for pair, *ids in zip(relation.pairs, *single, strict=True) if None in ids]
    prepared = model.usable_pairs([relation], k)
    prepare_model(model, progress, with_means=False)
    for sources in (model.embedding_sources, model.mlp_sources):
        sources.exact_rows(prepared.sources.unique())  # made once, before threads read it
    reading = Lock()

    def score(layer: int) -> list[OwnPairsScore]:
        with reading:
            found = model.cached_layer(layer)
        rows = score_layer_relations(prepared, found.sources, found.scoring_heads, model.unembedding)
        return [OwnPairsScore(HeadId(layer, head), row.score, row.suppression) for head, [row] in enumerate(rows)]

    scores = [each for some in map_in_threads(score, range(model.shape.layers)) for each in some]
    used = prepared.relations[0]
    return OwnPairsResult(model.name, used.k, len(used.sources), tuple(unusable), tuple(scores))
