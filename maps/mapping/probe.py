"""What all heads of a model do with a token, a pair, or a person's own pairs; exact, from weights kept in memory.

Products over the vocabulary are computed in float32, and every decision that float32 leaves open is redone in float64
(`maps.heads.rank_tests`, `maps.heads.top_targets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Lock

import torch
from torch import Tensor

from maps.data import is_text, parse_relation
from maps.errors import MapsError, SplitWordError
from maps.heads.circuit import saliency
from maps.heads.eight_bit import normalise_rows
from maps.heads.parallel import map_in_threads, run_in_shares, use_one_thread
from maps.heads.rank_tests import RankCounts, count_ranks
from maps.heads.relation_scores import score_layer_relations
from maps.heads.sources import FAINT_NORM, Sources
from maps.heads.top_targets import find_highest_targets, sort_order
from maps.heads.unembedding import UNIT_ROUNDOFF, gamma
from maps.mapping import probe_results as results
from maps.mapping.model import LayerWeights, Model
from maps.mapping.probe_results import OwnPairsScore, Probe, VocabularyToken
from maps.text import join_words, visible_token
from maps.types import HeadId, Progress
from maps.weights.tokens import Vocabulary

TARGETS_PER_HEAD = 5  # highest targets of a source under each head
MAX_PIECES = 8  # pieces of a word that an error message lists
MAX_SUGGESTIONS = 3  # other spellings that it suggests
NUMBER_WORDS = {1: "a", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
MAX_CHARACTERS = 200  # of a word
BLOCK = 1024  # sources in one product: their scores fit into the processor's cache


def run_probe(model: Model, source: str, target: str | None, progress: Progress[int]) -> Probe:
    """See `maps.probe`."""
    name, size, token = model.name, model.vocabulary.size, find_token(model, source)
    if target is not None:
        target_token = find_token(model, target)
        prepare_model(model, progress, with_means=False)
        return Probe(name, size, token, target_token, pair=probe_pair(model, token, target_token))
    prepare_model(model, progress)
    return Probe(name, size, token, as_source=probe_source(model, token), as_target=probe_target(model, token))


def find_token(model: Model, word: str) -> VocabularyToken:
    """The single token that a word is; raises SplitWordError where it is not one token, MapsError if it is no word."""
    if not is_text(word):
        raise MapsError("Type a token: a word, or a part of one.")
    if len(word) > MAX_CHARACTERS:
        raise MapsError(f"The word has {len(word):,} characters; type at most {MAX_CHARACTERS}.")
    vocabulary = model.vocabulary
    token_id = vocabulary.token_id(word)
    if token_id is None and word.startswith("·"):  # copied from a page, where · is a space
        token_id = vocabulary.token_id(word[1:])
    if token_id is not None:
        return VocabularyToken(token_id, vocabulary.tokens[token_id])
    raise split_word_error(vocabulary, word)


def split_word_error(vocabulary: Vocabulary, word: str) -> SplitWordError:
    """Says how a word is split, and suggests other spellings of it or, without any, to type something else."""
    pieces = vocabulary.pieces(word)
    shown = [visible_token(piece.strip(" ") or piece) for piece in pieces[:MAX_PIECES]]
    if len(pieces) > MAX_PIECES:
        shown.append("…")
    count = NUMBER_WORDS.get(len(pieces), f"{len(pieces):,}")
    tokens = "token that is written differently" if len(pieces) == 1 else "tokens"
    split = f"The model splits “{visible_token(word.strip())}” into {count} {tokens} ({' + '.join(shown)})."
    suggestions = other_spellings(vocabulary, word)
    if suggestions:
        advice = f"Did you mean {join_words([f'“{visible_token(each)}”' for each in suggestions], 'or')}?"
    else:
        advice = "Type one of these, or another word."
    return SplitWordError(f"{split} {advice}", split, word, suggestions)


def other_spellings(vocabulary: Vocabulary, word: str) -> tuple[str, ...]:
    """Spellings of a word in another case that are single tokens, those of tokens with a leading space first."""
    folded = word.strip().removeprefix("·").casefold()
    tokens = [token for token in vocabulary.tokens if token.strip().casefold() == folded]
    tokens.sort(key=lambda token: not token.startswith(" "))
    spellings = dict.fromkeys(token.strip() for token in tokens)
    return tuple(each for each in spellings if vocabulary.token_id(each) is not None)[:MAX_SUGGESTIONS]


def prepare_model(model: Model, progress: Progress[int], with_means: bool = True) -> None:
    """Reads everything that probes need into memory: all layers, U, Ẽ and optionally each head's mean saliency."""
    layers, means = model.shape.layers_with_heads, model.mean_saliency
    todo = [layer for layer in layers if not model.is_layer_cached(layer) or (with_means and layer not in means)]
    if not todo:
        return
    model.check_files(todo)
    _ = model.unembedding  # read once, before threads use it
    if with_means:
        model.prepare_shared_rows()
    read_lock = Lock()

    def read_layer(layer: int) -> Tensor | None:
        with read_lock:
            weights = model.cached_layer(layer)
        return saliency(weights.sources, weights.heads).double().mean(1) if with_means else None

    for layer, mean in zip(progress(todo, len(layers) - len(todo)), map_in_threads(read_layer, todo), strict=True):
        if mean is not None:
            means[layer] = mean


def iterate_layers(model: Model) -> Iterator[LayerWeights]:
    return map(model.cached_layer, model.shape.layers_with_heads)


def all_heads(model: Model) -> list[HeadId]:
    return [HeadId(layer, head) for layer in model.shape.layers_with_heads for head in range(model.shape.heads)]


def outputs_of_all_heads(model: Model, sources: Sequence[int]) -> Tensor:
    """The output of every head for a source of its own: N token ids, one for each head, to (N, d) float64."""
    ids = torch.tensor(sources, device=model.device).view(len(model.shape.layers_with_heads), -1)
    layers = zip(iterate_layers(model), ids, strict=True)
    with use_one_thread():
        return torch.cat([x.scoring_heads.output_per_head(x.sources.exact_rows(own)) for x, own in layers])


def count_around_target(model: Model, rows: Tensor, target: VocabularyToken) -> RankCounts:
    """The score of a target in each row of outputs (N, d), and how many tokens score higher and lower."""
    targets = torch.full((len(rows),), target.id, device=rows.device)
    parts = run_in_shares(lambda part: count_ranks(rows[part], targets[part], model.unembedding), len(rows))
    return RankCounts(*map(torch.cat, zip(*parts, strict=True)))


def probe_pair(model: Model, source: VocabularyToken, target: VocabularyToken) -> tuple[results.HeadPairRank, ...]:
    """The target's ranks in the source's row of M under every head, the best rank first."""
    heads = all_heads(model)
    counts = count_around_target(model, outputs_of_all_heads(model, [source.id] * len(heads)), target)
    scores, higher, lower = counts.target_scores.tolist(), counts.higher_count.tolist(), counts.lower_count.tolist()
    ranks = [results.HeadPairRank(head, scores[i], 1 + higher[i], 1 + lower[i]) for i, head in enumerate(heads)]
    return tuple(sorted(ranks, key=lambda each: (each.rank, each.head)))


def probe_source(model: Model, source: VocabularyToken) -> tuple[results.HeadTargets, ...]:
    """What every head does with a source. First the head on which it acts most strongly relative to the head's mean."""
    heads, tokens = all_heads(model), model.vocabulary.tokens
    outputs = outputs_of_all_heads(model, [source.id] * len(heads))
    saliencies = exact_saliencies(model, source, outputs)
    means = torch.cat([model.mean_saliency[layer] for layer in model.shape.layers_with_heads]).tolist()
    parts = run_in_shares(
        lambda part: find_highest_targets(outputs[part], TARGETS_PER_HEAD, model.unembedding)[0], len(outputs)
    )
    target_ids, scores = torch.cat([p.ids for p in parts]).tolist(), torch.cat([p.scores for p in parts]).tolist()
    rows = [
        results.HeadTargets(
            head,
            saliencies[i],
            saliencies[i] / means[i] if means[i] else None,
            tuple(VocabularyToken(token_id, tokens[token_id]) for token_id in target_ids[i]),
            tuple(scores[i]),
        )
        for i, head in enumerate(heads)
    ]
    return tuple(sorted(rows, key=lambda each: (-(each.ratio or 0.0), each.head)))


def exact_saliencies(model: Model, source: VocabularyToken, outputs: Tensor) -> list[float]:
    """σ = ‖ẽ W_V W_O‖ / ‖ẽ‖ of a source under every head, in float64; 0 where ẽ is zero.

    `outputs`: (N, d) of the heads for this source. Where the target side changes them, they are computed anew without
    it, because saliency is defined without it.
    """
    token, saliencies = torch.tensor([source.id], device=model.device), list[float]()
    with use_one_thread():
        for layer, of_layer in zip(iterate_layers(model), outputs.split(model.shape.heads), strict=True):
            row = layer.sources.exact_rows(token)
            if not layer.target_side.is_plain:
                of_layer = layer.exact_heads.output_per_head(row.expand(len(of_layer), -1))
            saliencies += (of_layer.norm(dim=1) / (float(row.norm()) or 1.0)).tolist()
    return saliencies


def probe_target(model: Model, target: VocabularyToken) -> tuple[results.HeadBestSource, ...]:
    """The source with the highest score for a target under every head, and the target's rank there, best first."""
    heads, tokens = all_heads(model), model.vocabulary.tokens
    u = model.unembedding.rows_of_tokens(torch.tensor([target.id], device=model.device))[0].double()
    best = []
    for sources, layers in groupby(iterate_layers(model), lambda layer: layer.sources):
        with use_one_thread():  # M's column of the target is ẽ · (W_V W_O u)
            directions = torch.cat([layer.scoring_heads.target_directions(u) for layer in layers])
        best += best_sources(sources, directions)
    counts = count_around_target(model, outputs_of_all_heads(model, best), target)
    scores, higher = counts.target_scores.tolist(), counts.higher_count.tolist()
    rows = [
        results.HeadBestSource(head, VocabularyToken(best[i], tokens[best[i]]), scores[i], 1 + higher[i])
        for i, head in enumerate(heads)
    ]
    return tuple(sorted(rows, key=lambda each: (each.rank, each.head)))


def best_sources(sources: Sources, directions: Tensor) -> list[int]:
    """The token with the highest ẽ · x for every row x of `directions` (n, d) float64; the lower id where two tie.

    Float32 leaves a few candidates for each direction, whose scores are computed in float64.
    """
    x = normalise_rows(directions)[0]
    parts = run_in_shares(lambda part: candidate_sources(sources, x[part]), len(x))
    candidates = [ids for part in parts for ids in part]
    with use_one_thread():
        token_ids, positions = torch.cat(candidates).unique(return_inverse=True)
        rows = sources.exact_rows(token_ids)
        tie = 1e-13 * float(rows.norm(dim=1).max())  # scores closer than this are equal
        best = []
        for own, direction in zip(positions.split([len(ids) for ids in candidates]), x, strict=True):
            best.append(int(token_ids[own][sort_order(rows[own] @ direction, token_ids[own], tie)[0]]))
    return best


def candidate_sources(sources: Sources, x: Tensor) -> list[Tensor]:
    """For each row of x (n, d), of length 1, the tokens that may score highest: a list of id tensors (m,).

    The exact score of token i is within bound[i] = (rounding of the float32 sum) + (error of the float32 row ẽ) of its
    float32 score. So the best exact score is at least max(score - bound), and only tokens with
    score + bound >= that floor are candidates. A direction of zeros, on which all tokens tie, keeps the first one.
    """
    bounds = 1.02 * (gamma(x.shape[1] + 3) + 2 * UNIT_ROUNDOFF) * sources.norms + 1.02 * sources.error_bounds
    bounds = bounds.index_fill(0, sources.faint_ids, FAINT_NORM)
    single, is_faint = x.float(), torch.zeros(len(bounds), dtype=torch.bool, device=x.device)
    is_faint[sources.faint_ids] = True

    def scores(directions: Tensor, start: int, block: Tensor) -> Tensor:
        part = slice(start, start + len(block))
        product = directions @ block.T
        return product.masked_fill_(is_faint[part], 0.0) if len(sources.faint_ids) else product

    blocks = list(iterate_small_blocks(sources))
    tops = torch.stack([scores(single, *block).amax(1) for block in blocks])  # (blocks, n)
    widest = torch.stack([bounds[start : start + len(block)].max() for start, block in blocks])[:, None]
    floor = (tops - widest).amax(0)  # (n,)
    rows, tokens = [], []
    for (start, block), is_open in zip(blocks, tops + widest >= floor, strict=True):  # most blocks are ruled out
        open_rows, bound = is_open.nonzero()[:, 0], bounds[start : start + len(block)]
        row, column = (scores(single[open_rows], start, block) + bound >= floor[open_rows, None]).nonzero().T
        rows.append(open_rows[row])
        tokens.append(column + start)
    row, token = torch.cat(rows), torch.cat(tokens)
    by_row = token[row.argsort(stable=True)].split(row.bincount(minlength=len(x)).tolist())
    return [ids if direction.any() else ids[:1] for ids, direction in zip(by_row, x, strict=True)]


def iterate_small_blocks(sources: Sources) -> Iterator[tuple[int, Tensor]]:
    """The float32 rows of Ẽ, at most BLOCK at a time, with the id of the first."""
    for start, rows in sources.blocks():
        for i, part in enumerate(rows.split(BLOCK)):
            yield start + i * BLOCK, part


def score_own_pairs(
    model: Model, pairs: Sequence[Sequence[str]], progress: Progress[int], k: int | None = None
) -> results.OwnPairsResult:
    """Scores a person's own pairs on every head, as `map --relation` does; lists the pairs that are not two tokens."""
    relation = parse_relation("own", pairs)
    found = zip(relation.pairs, model.token_pairs(relation), strict=True)
    unusable = [pair for pair, ids in found if ids is None]
    usable = model.usable_pairs([relation], k)
    prepare_model(model, progress, with_means=False)
    read_lock = Lock()

    def score_layer(layer: int) -> list[OwnPairsScore]:
        with read_lock:
            weights = model.cached_layer(layer)
            copied = model.copied_pairs(usable, weights)
        by_head = score_layer_relations(usable, weights.sources, weights.scoring_heads, model.unembedding, copied)
        return [OwnPairsScore(HeadId(layer, head), row.score, row.suppression) for head, [row] in enumerate(by_head)]

    scores = [score for layer in map_in_threads(score_layer, model.shape.layers_with_heads) for score in layer]
    [used] = usable.relations
    return results.OwnPairsResult(model.name, used.k, len(used.sources), tuple(unusable), tuple(scores))
