"""The functions of `import maps`. Each imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from maps.types import (
    MIN_PAIRS,
    TAU,
    Description,
    HeadId,
    Mapping,
    Progress,
    RelationScore,
    check_at_least_one,
    check_seed,
    no_progress_bar,
)

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.data import RelationChoice
    from maps.describers.describe_atlas import DescribeSummary
    from maps.describers.describer import Describer
    from maps.mapping.model import Model
    from maps.mapping.probe_results import Probe


def load(
    model: str | Path,
    *,
    device: str = "cpu",
    dtype: str = "stored",
    reading: str = "paper",
    calibration: str | Path | None = None,
) -> Model:
    """Opens a model: a Hub id, a model folder, a .gguf file, or `smollm2` (the bundled one). Reads no weights yet.

    `device`: a torch device. `dtype`: of E and U in memory: `stored`, `float32` or `bfloat16`. `reading`: how sources
    and targets are read, such as `mlp+input-norm+final-norm` (docs/readings.md). `calibration`: the file that
    `calibrate` made, for a reading that needs it. Raises MapsError where the model cannot be opened, the device cannot
    be used, or the calibration is of another model.
    """
    from maps.mapping.calibration import Calibration
    from maps.mapping.model import Model
    from maps.mapping.reading import Reading

    maps = None if calibration is None else Calibration.open(Path(calibration))
    return Model.open(str(model), device, dtype, Reading.parse(reading), maps)


def calibrate(
    model: Model | str | Path, out: str | Path, *, tokens: int | None = None, progress: Progress[Any] | None = None
) -> Path:
    """Fits the maps that calibrated readings need, by running the model on `tokens` tokens; returns the file `out`.

    Continues where a run stopped. Raises MapsError where the model cannot be run, or `out` holds another calibration.
    """
    from maps.experiments.calibrate import TOKENS
    from maps.experiments.calibrate import calibrate as fit

    opened = load(model) if isinstance(model, str | Path) else model
    count = TOKENS if tokens is None else check_at_least_one("tokens", tokens)
    return fit(opened, Path(out), count, progress or no_progress_bar).path


def salient_mappings(model: Model, head: HeadId | str, salient: int = 30, targets: int = 5) -> list[Mapping]:
    """The `salient` tokens on which a head acts most strongly, each with its `targets` highest targets.

    `head`: such as `L26H2`. See section 3.2 of the paper. Raises MapsError for a head that the model lacks and for
    numbers below 1.
    """
    from maps.heads.salient_tokens import SalientCounts, find_salient_mappings

    head = model.head(head)
    counts = SalientCounts(check_at_least_one("salient", salient), 0, check_at_least_one("targets", targets))
    layer, own = model.layer(head.layer), slice(head.head, head.head + 1)
    exact, scoring = layer.exact_heads.single_head(head.head), layer.scoring_heads.single_head(head.head)
    found = find_salient_mappings(layer.sources, layer.saliency[own], exact, scoring, model.unembedding, counts)
    return model.mappings(found, found.highest_targets)[0]


def relation_scores(
    model: Model, head: HeadId | str, relations: RelationChoice = None, *, k: int | None = None
) -> list[RelationScore]:
    """How much a head implements and suppresses relations: shares of pairs from 0 to 1 (paper, section 3.1).

    `relations`: names of predefined relations, `Relation` values, or your own pairs as
    `{"capitals": [("France", "Paris"), …]}` (default: the twenty predefined ones). `k`: how many highest targets count
    as a hit (default: the paper's). A score is None where no pair is usable. Raises MapsError for a head that the
    model lacks and for an invalid relation.
    """
    from maps.data import resolve_relations
    from maps.heads.relation_scores import score_layer_relations

    head = model.head(head)
    chosen = resolve_relations(relations)
    pairs = model.usable_pairs(chosen, None if k is None else check_at_least_one("k", k))
    layer = model.layer(head.layer)
    single = layer.scoring_heads.single_head(head.head)
    copied = model.copied_pairs(pairs, layer)
    return score_layer_relations(pairs, layer.sources, single, model.unembedding, copied)[0]


def map(
    model: Model | str | Path,
    out: str | Path,
    *,
    relations: RelationChoice = None,
    salient: int = 30,
    targets: int = 5,
    k: int | None = None,
    tau: float = TAU,
    min_pairs: int = MIN_PAIRS,
    layers: tuple[int, int] | None = None,
    suppressive: bool = False,
    output_space: bool = False,
    top_scoring: bool = False,
    progress: Progress[int] | None = None,
) -> Atlas:
    """Maps every head of a model into the folder `out` and opens the atlas; continues where a run stopped.

    `model`: a Model, or the name of one, which is then opened with the defaults of `load`. `layers`: the first and the
    last, both included. `progress`: wraps the layers still to do, given them and how many are done. The other options
    are those of `python -m maps map` (docs/contract.md). Raises MapsError where `out` contains an atlas made with
    other settings or of other weights.
    """
    from maps.data import resolve_relations
    from maps.mapping.settings import MappingSettings

    settings = MappingSettings(
        resolve_relations(relations),
        salient=salient,
        targets=targets,
        k=k,
        tau=tau,
        min_pairs=min_pairs,
        layers=layers,
        suppressive=suppressive,
        output_space=output_space,
        top_scoring=top_scoring,
    )
    from maps.mapping.mapper import map_model

    model = str(model) if isinstance(model, Path) else model
    return map_model(model, Path(out), settings, progress=progress or no_progress_bar)


@overload
def describe(
    what: Atlas | str | Path,
    describer: str | Describer = "offline",
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int = 1,
    seed: int = 0,
    redo: bool = False,
    heads: Sequence[HeadId | str] = (),
) -> DescribeSummary: ...


@overload
def describe(
    what: Sequence[Mapping],
    describer: str | Describer = "offline",
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int = 1,
    seed: int = 0,
    redo: bool = False,
    heads: Sequence[HeadId | str] = (),
) -> Description: ...


def describe(
    what: Atlas | str | Path | Sequence[Mapping],
    describer: str | Describer = "offline",
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int = 1,
    seed: int = 0,
    redo: bool = False,
    heads: Sequence[HeadId | str] = (),
) -> DescribeSummary | Description:
    """Describes the heads of an atlas (or its folder), which stores the answers, or one head's mappings.

    `describer`: `offline`, the name of a model on an OpenAI-compatible server (`base_url`, `api_key`; no environment
    variable is read), or your own `maps.describers.describer.Describer`. `concurrency`: how many heads to ask about at
    once. `seed`: of the first question about a head. `redo`: ask again about heads that are already described. `heads`:
    only these heads of the atlas.
    For an atlas, returns how many heads were `asked` about now, how many `failed`, and in how many of its `heads` the
    describer sees `patterns`. Raises MapsError where the describer cannot continue, or gives no usable reply about
    the one head.
    """
    from maps.atlas.choice import named_heads
    from maps.atlas.reader import Atlas
    from maps.atlas.readings import PAPER_READING
    from maps.data import predefined_relations
    from maps.describers.ask_many import describe_mappings
    from maps.describers.describe_atlas import describe_atlas
    from maps.describers.describer import make_describer

    if isinstance(describer, str):
        reading = Atlas.open(atlas_folder(what)).reading if isinstance(what, Atlas | str | Path) else PAPER_READING
        relations = predefined_relations()
        describer = make_describer(
            describer, base_url, api_key, concurrency=concurrency, relations=relations, reading=reading
        )
    if isinstance(what, Atlas | str | Path):
        choice = named_heads(heads)
        return describe_atlas(atlas_folder(what), describer, concurrency, seed=seed, redo=redo, choice=choice)
    return describe_mappings(what, describer, seed).description


def load_atlas(
    name_or_folder: str | Path, *, revision: str | None = None, token: str | None = None, cache: Path | None = None
) -> Atlas:
    """Opens an atlas: a folder or, where there is no such folder, a dataset on the Hub such as `user/name`.

    `revision`: a branch, tag or commit of the dataset. `cache`: the folder for its files (default: the Hub's cache).
    Raises MapsError where there is no finished atlas or the Hub cannot be reached.
    """
    from maps.atlas.remote import load_atlas as open_atlas

    return open_atlas(name_or_folder, revision, token, cache=cache)


def push(atlas: Atlas | str | Path, repo: str, *, private: bool = False, token: str | None = None) -> str:
    """Uploads an atlas (or its folder) to the dataset `repo` on the Hub, such as `user/name`; returns the commit's URL.

    A second push sends only what changed; nothing is deleted on the Hub. Raises MapsError without a token
    (`hf auth login`), where `private` is set and the dataset is public, and where the Hub refuses or cannot be reached.
    """
    from maps.atlas.remote import push as push_folder

    return push_folder(atlas_folder(atlas), repo, token, private)


def score(
    atlas: Atlas | str | Path,
    scorer: str | None = None,
    *,
    describer: str | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int = 1,
    random_heads: int = 0,
    model: str | Path | None = None,
    seed: int = 0,
    heads: Sequence[HeadId | str] = (),
    look_alikes: bool = False,
) -> Atlas:
    """Measures how far the descriptions of an atlas (or its folder) can be trusted; opens the atlas with the results.

    Writes the tables `checks` and `concentration`. `random_heads`: how many random heads to draw for each layer from
    the model (at `model`, or where it was mapped from); 0 compares with those drawn before. `scorer`: a model on an
    OpenAI-compatible server (`base_url`, `api_key`; no environment variable is read) that is asked which mappings
    each description fits, `concurrency` questions at once; its results go into `scores`. `describer`: score only this
    describer's descriptions. `seed`: of the random heads and the questions. `heads`: ask only about these heads.
    `look_alikes`: ask also with mappings of the most similar heads beside the head's own. A second call continues with
    what is missing. Raises MapsError where the model cannot be read or is another one, where there is no description
    to ask about, and where the scorer cannot continue.
    """
    from maps.atlas.choice import named_heads
    from maps.atlas.reader import Atlas
    from maps.files.lock import lock_folder
    from maps.llm.budget import Budget
    from maps.llm.client import Chat
    from maps.llm.error_messages import MEASURE_OFFLINE_ADVICE
    from maps.llm.prices import read_prices
    from maps.scoring.detection import run_detection
    from maps.scoring.measures import write_offline_measures
    from maps.scoring.plan import plan_detection

    opened = Atlas.open(atlas_folder(atlas))
    chat, questions = None, []
    if scorer is not None:
        budget = Budget(read_prices().price_of(scorer))
        chat = Chat(
            scorer, base_url, api_key, concurrency=concurrency, budget=budget, fallback_advice=MEASURE_OFFLINE_ADVICE
        )
        chat.check_key()
        questions = plan_detection(opened, describer, seed, named_heads(heads), look_alikes).questions
    with lock_folder(opened.folder, "score"):
        write_offline_measures(opened, random_heads, str(model) if model else None, check_seed(seed))
        if chat is not None:
            run_detection(opened, questions, chat, seed, concurrency)
    return opened


def show(atlas: Atlas, head: HeadId | str) -> str:
    """One head of an atlas as text: descriptions, relations that it implements, mappings, and the results of `score`.

    · is a space, ⏎ a newline, ⇥ a tab. Raises MapsError for a head that the atlas lacks.
    """
    from maps.report.head_text import head_text

    return head_text(atlas, HeadId.parse(head) if isinstance(head, str) else head)


def atlas_folder(atlas: Atlas | str | Path) -> Path:
    return Path(atlas) if isinstance(atlas, str | Path) else atlas.folder


def probe(model: Model, source: str, target: str | None = None, *, progress: Progress[int] | None = None) -> Probe:
    """What every head of a model does with a pair (the target's exact rank in the source's row of M) or with a token.

    Without a target, the token is looked at as a source (its saliency and its 5 highest targets) and as a target (the
    source with the highest score for it, and its rank in that source's row). A word is stripped and given one leading
    space, as in relations; if that is not a single token, the word itself is tried in the stored form. The first call
    reads all layers, which `progress` wraps as in `map`; further calls answer from memory. Raises MapsError for a word
    that is not a single token.
    """
    from maps.mapping.probe import run_probe

    return run_probe(model, source, target, progress or no_progress_bar)
