"""The library's functions, as `import maps` gives them. Each imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from maps.types import MIN_PAIRS, TAU, Description, HeadId, Mapping, RelationScore, check_seed

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
    first_mlp: bool = True,
    final_norm: bool = False,
) -> Model:
    """Opens a model: a Hub id, a model folder, a .gguf file, or `smollm2` (the bundled one). Reads no weights yet.

    `device`: a torch device. `dtype`: what E and U are kept in, `stored`, `float32` or `bfloat16`. `first_mlp`: later
    layers read MLP₀(norm(E)), not E (paper, section 2). `final_norm`: the final norm's gain goes on U's side.
    Raises MapsError where the model cannot be opened or the device not be used.
    """
    from maps.mapping.model import Model

    return Model.open(str(model), device, dtype, first_mlp, final_norm)


def salient_mappings(model: Model, head: HeadId | str, salient: int = 30, targets: int = 5) -> list[Mapping]:
    """The tokens on which a head acts most strongly, each with its highest targets (paper, section 3.2).

    `head`: such as `L26H2`. The list has `salient` mappings by rank, each with `targets` targets, highest first, or as
    many as the vocabulary has. Raises MapsError for a head that the model lacks and for numbers below 1.
    """
    from maps.mapping.single_head import mappings_of_head

    return mappings_of_head(model, model.head(head), salient, targets)


def relation_scores(
    model: Model, head: HeadId | str, relations: RelationChoice = None, *, k: int | None = None
) -> list[RelationScore]:
    """How much a head implements and suppresses relations: shares from 0 to 1 (paper, section 3.1).

    `relations`: names of the twenty, `Relation` values, or your own as `{"capitals": [("France", "Paris"), …]}`; the
    twenty where it is left out. `k`: how many targets count; the paper's where it is left out. A score is None where
    no pair is usable. Raises MapsError for a head that the model lacks and for what is no relation.
    """
    from maps.data import resolve_relations
    from maps.mapping.single_head import scores_of_head

    return scores_of_head(model, model.head(head), resolve_relations(relations), k)


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
    progress: Callable[[Sequence[int], int], Iterable[int]] | None = None,
) -> Atlas:
    """Maps every head of a model into the folder `out` and opens the atlas; goes on where a run stopped.

    `model`: what `load` gives, or what it takes, then with its defaults. `layers`: the first and the last, both
    included. The other options are those of `python -m maps map` (docs/contract.md); `progress` wraps the layers still
    to do, given them and how many are done. Raises MapsError where `out` holds an atlas made with other settings.
    """
    from maps.atlas.reader import Atlas
    from maps.data import resolve_relations
    from maps.mapping.settings import MappingSettings, is_mapping_finished

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
    asked_for = str(model) if isinstance(model, str | Path) else model
    if isinstance(asked_for, str) and is_mapping_finished(asked_for, Path(out), settings):
        return Atlas.open(out)  # without torch
    from maps.mapping.mapper import map_model

    return map_model(asked_for, Path(out), settings, progress=progress or (lambda todo, _done: todo))


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
) -> DescribeSummary | Description:
    """Puts heads into words: those of an atlas (or its folder), which keeps the answers, or one head's mappings.

    `describer`: `offline`, the name of a model on an OpenAI-compatible server (`base_url`, `api_key`; no variable of
    the environment is read), or your own `maps.describers.describer.Describer`. `concurrency`: heads of an atlas that are asked
    about at once. `seed`: of a head's first question. `redo`: ask again about heads that are described. Of an atlas it
    returns how many heads were `asked` about now, how many `failed`, and in how many of its `heads` the describer sees
    `patterns`. Raises MapsError where the describer cannot go on, or has no usable reply about the one head.
    """
    from maps.atlas.reader import Atlas
    from maps.data import predefined_relations
    from maps.describers.ask_many import describe_mappings
    from maps.describers.describe_atlas import describe_atlas
    from maps.describers.named import make_describer

    if isinstance(describer, str):
        describer = make_describer(
            describer, base_url, api_key, concurrency=concurrency, relations=predefined_relations()
        )
    if isinstance(what, Atlas | str | Path):
        return describe_atlas(atlas_folder(what), describer, concurrency, seed=seed, redo=redo)
    return describe_mappings(what, describer, seed).description


def load_atlas(
    name_or_folder: str | Path, *, revision: str | None = None, token: str | None = None, cache: Path | None = None
) -> Atlas:
    """Opens an atlas: a folder or, where there is no such folder, a dataset on the Hub such as `user/name`.

    `revision`: a branch, tag or commit of the dataset. `cache`: where its files are kept, the Hub's cache unless named.
    Raises MapsError where there is no finished atlas or the Hub cannot be reached.
    """
    from maps.atlas.remote import load_atlas as open_atlas

    return open_atlas(name_or_folder, revision, token, cache=cache)


def push(atlas: Atlas | str | Path, repo: str, *, private: bool = False, token: str | None = None) -> str:
    """Sends an atlas (or its folder) to the dataset `repo` on the Hub, such as `user/name`; returns its address there.

    Repeated, it sends what changed; nothing is deleted there. Raises MapsError without a token (`hf auth login`),
    where `private` is asked for and the dataset is public, and where the Hub refuses or cannot be reached.
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
) -> Atlas:
    """Measures how far the descriptions of an atlas (or its folder) can be trusted, and opens the atlas with that.

    Its tables `checks` and `concentration` are written. `random_heads`: random heads a layer that are drawn from the
    model, which is at `model` now or where it was mapped from; with 0, those that were drawn before are compared with.
    `scorer`: a model on an OpenAI-compatible server (`base_url`, `api_key`; no variable of the environment is read)
    that is asked, `concurrency` questions at once, which mappings the descriptions fit, all or those of `describer`;
    the answers go into `scores`. `seed`: of what is drawn and asked. Repeated, it goes on with what is missing.
    Raises MapsError where the model cannot be read or is another one, where there is no description to be asked
    about, and where the scorer cannot go on.
    """
    from maps.atlas.reader import Atlas
    from maps.files.lock import lock_folder
    from maps.llm.budget import Budget
    from maps.llm.client import Chat
    from maps.llm.error_messages import MEASURE_OFFLINE_ADVICE
    from maps.llm.prices import read_prices
    from maps.scoring.detection import run_detection
    from maps.scoring.measures import write_offline_measures
    from maps.scoring.plan import plan_detection

    opened, chat, questions = Atlas.open(atlas_folder(atlas)), None, []
    if scorer is not None:
        budget = Budget(read_prices().price_of(scorer))
        chat = Chat(
            scorer, base_url, api_key, concurrency=concurrency, budget=budget, fallback_advice=MEASURE_OFFLINE_ADVICE
        )
        chat.check_key()
        questions = plan_detection(opened, describer, seed).questions
    with lock_folder(opened.folder, "score"):
        write_offline_measures(opened, random_heads, str(model) if model else None, check_seed(seed))
        if chat is not None:
            run_detection(opened, questions, chat, seed, concurrency)
    return opened


def show(atlas: Atlas, head: HeadId | str) -> str:
    """One head of an atlas as text: descriptions, relations from τ on, mappings, and what evidence `score` found.

    · is a space, ⏎ a newline, ⇥ a tab. Raises MapsError for a head that the atlas lacks.
    """
    from maps.report.head_text import head_text

    return head_text(atlas, HeadId.parse(head) if isinstance(head, str) else head)


def atlas_folder(atlas: Atlas | str | Path) -> Path:
    """The folder of an atlas."""
    return Path(atlas) if isinstance(atlas, str | Path) else atlas.folder


def probe(
    model: Model,
    source: str,
    target: str | None = None,
    *,
    progress: Callable[[Sequence[int], int], Iterable[int]] | None = None,
) -> Probe:
    """Asks every head of a model about a pair: the target's exact rank in the source's row of M; or about one token.

    A token is asked about as a source (its saliency, and the 5 highest targets) and as a target (the source with the
    highest score for it, and its rank in that row). A word is stripped and given one leading space, as in relations;
    what is no single token so may be one as it stands, in the stored form. The first call reads the model's layers,
    which `progress` wraps as in `map`; further calls answer from memory. Raises MapsError for what is no single token.
    """
    from maps.mapping.probe import run_probe

    return run_probe(model, source, target, progress or (lambda todo, _done: todo))
