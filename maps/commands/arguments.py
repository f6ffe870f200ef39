"""The options that several commands share, what they configure, and the progress bar."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from maps.command_line import parse_positive_number, positive_int, share
from maps.errors import MapsError
from maps.progress import bar_class
from maps.types import DTYPES, MIN_PAIRS, TAU, HeadId, Relation, UnevenParts

if TYPE_CHECKING:
    from maps.atlas.choice import HeadChoice
    from maps.llm.budget import Budget
    from maps.llm.client import Chat
    from maps.mapping.calibration import Calibration
    from maps.mapping.reading import Reading
    from maps.mapping.settings import MappingSettings


MISSING_PICTURES_HINT = (
    "Pictures need vl-convert: `python -m pip install vl-convert-python`, then run this command again."
)
TodoItem = TypeVar("TodoItem")


def seconds(text: str) -> float:
    """An argument such as 2.5."""
    return parse_positive_number(text, "a time in seconds such as 2.5")


def dollars(text: str) -> float:
    """An argument such as 2.50."""
    return parse_positive_number(text, "an amount of dollars such as 2.50")


def model_name(text: str) -> str:
    """The name of a model; not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name of the model is empty")
    return text


def layer_range(text: str) -> tuple[int, int]:
    """`0-3` or `7` as the first and the last layer."""
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of layers such as 0-3")
    return int(first), int(last or first)


def head_list(text: str) -> tuple[HeadId, ...]:
    """An argument such as `L26H2,L23H4`."""
    try:
        return tuple(dict.fromkeys(HeadId.parse(each) for each in text.split(",")))
    except MapsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_choice_options(p: argparse.ArgumentParser) -> None:
    """Declares which heads of an atlas count; `choice_from` reads it, with `--seed`."""
    p.add_argument("--heads", type=head_list, default=(), metavar="L23H4,…", help="only these heads")
    p.add_argument("--layers", type=layer_range, metavar="20-29", help="only heads of these layers")
    p.add_argument("--sample", type=positive_int, metavar="N", help="only N of them, drawn by --seed: for a trial")


def choice_from(arguments: argparse.Namespace) -> HeadChoice:
    from maps.atlas.choice import HeadChoice

    return HeadChoice(arguments.heads, arguments.layers, arguments.sample, arguments.seed)


def progress_bar(
    todo: Sequence[TodoItem], done: int, doing: str = "mapping", unit: str = "layer"
) -> Iterable[TodoItem]:
    """A progress bar over `todo`, with the remaining time. `done`: how many were done before."""
    bar = bar_class()(todo, initial=done, total=done + len(todo), unit=unit, desc=doing, dynamic_ncols=True)
    if isinstance(todo, UnevenParts):
        bar.work = todo.work
    return bar


def add_atlas_model_option(p: argparse.ArgumentParser) -> None:
    """Declares where the model of an atlas is now."""
    p.add_argument(
        "--model",
        help="the atlas's model, on the Hub also with a revision, NAME@REVISION (default: where it was mapped from)",
    )


def add_model_argument(p: argparse.ArgumentParser) -> None:
    """Declares the model and its revision; `model_from` reads both."""
    p.add_argument("model", help="a Hub id, a model folder, a .gguf file, or smollm2 (the bundled model)")
    p.add_argument("--revision", help="a branch, tag or commit of a model on the Hub, such as step1000")


def model_from(arguments: argparse.Namespace) -> str:
    """The model's name with its revision, `name@revision`; raises MapsError for a revision of a model that is here."""
    from maps.weights.open import is_on_hub, with_revision

    if arguments.revision is None:
        return str(arguments.model)
    if not is_on_hub(arguments.model):
        raise MapsError(f"--revision names a state of a model on the Hub, but {arguments.model} is on this machine.")
    return with_revision(arguments.model, arguments.revision)


def add_model_options(p: argparse.ArgumentParser, out: str) -> None:
    """Declares the model, the folder for results (`out`: its help), and the options of relations and weights."""
    add_model_argument(p)
    p.add_argument("--out", required=True, type=Path, help=out)
    p.add_argument("--relations", metavar="NAME,…", help="score only these predefined relations")
    p.add_argument("--relation", action="append", default=[], metavar="NAME=FILE.json", help="score your own relation")
    p.add_argument(
        "--k", type=positive_int, help="highest targets that count as a hit (default: the paper's k of each relation)"
    )
    p.add_argument("--tau", type=share, default=TAU, help=f"lowest score of a head that implements a relation ({TAU})")
    p.add_argument(
        "--min-pairs", type=positive_int, default=MIN_PAIRS, help=f"usable pairs a relation needs ({MIN_PAIRS})"
    )
    p.add_argument("--layers", type=layer_range, metavar="0-3", help="only these layers")
    add_reading_options(p)


def add_reading_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--reading",
        metavar="NAME",
        help="how sources and targets are read: paper (default), or such as mlp+input-norm+final-norm",
    )
    p.add_argument(
        "--calibration", type=Path, metavar="FILE", help="from `maps calibrate`, for a reading that needs it"
    )
    p.add_argument("--no-first-mlp", action="store_true", help="short for --reading embedding")
    p.add_argument("--final-norm", action="store_true", help="adds +final-norm to the reading")
    p.add_argument("--dtype", choices=DTYPES, default="stored", help="precision of E and U in memory (default stored)")
    p.add_argument("--device", default="cpu", help="a torch device (default cpu)")


def reading_from(arguments: argparse.Namespace) -> Reading:
    """The reading from these options; raises MapsError for one that does not exist."""
    from maps.mapping.reading import AUTO, PAPER, Reading

    if arguments.reading == AUTO:
        raise MapsError("Only `maps map` chooses a reading by itself; name the reading instead of auto.")
    reading = Reading.parse(arguments.reading or PAPER)
    if arguments.no_first_mlp:
        if arguments.reading is not None:
            raise MapsError("--no-first-mlp and --reading both name the source; leave one of them out.")
        reading = Reading("embedding")
    return replace(reading, final_norm=reading.final_norm or arguments.final_norm)


def calibration_from(arguments: argparse.Namespace) -> Calibration | None:
    from maps.mapping.calibration import Calibration

    return None if arguments.calibration is None else Calibration.open(arguments.calibration)


def settings_from(arguments: argparse.Namespace, **further: Any) -> MappingSettings:
    """The settings from these options; `further`: those from options of one command."""
    from maps.mapping.settings import MappingSettings

    return MappingSettings(
        relations_from(arguments),
        k=arguments.k,
        tau=arguments.tau,
        min_pairs=arguments.min_pairs,
        layers=arguments.layers,
        reading=reading_from(arguments),
        calibration=calibration_from(arguments),
        dtype=arguments.dtype,
        **further,
    )


def relations_from(arguments: argparse.Namespace) -> tuple[Relation, ...]:
    """The chosen relations and the user's own, by default all predefined ones; MapsError where two have one name."""
    from maps import data

    names = [name.strip() for name in arguments.relations.split(",")] if arguments.relations else []
    own = [data.read_own_relation(spec) for spec in arguments.relation]
    return data.resolve_relations([*names, *own] or None)


def add_server_options(p: argparse.ArgumentParser, unit: str) -> None:
    """Declares the options. `unit`: what `--concurrency` counts, such as "heads asked about"."""
    p.add_argument("--base-url", help="the server's address (default: OPENAI_BASE_URL, else OpenAI)")
    p.add_argument("--concurrency", type=positive_int, default=8, help=f"{unit} at once (default 8)")
    p.add_argument("--timeout", type=seconds, default=120, metavar="SECONDS", help="to wait for a reply (default 120)")
    p.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="of a reply, with reasoning (default: enough for most)"
    )
    p.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the run can cost more than this")
    p.add_argument("--prices", type=Path, metavar="FILE", help="a price table to use instead of the built-in one")


def chat_from(model: str, arguments: argparse.Namespace, budget: Budget, fallback_advice: str) -> Chat:
    """The client for a model, from the options and the environment; raises DescriberError where they are invalid.

    `fallback_advice`: what to do instead where there is no API key.
    """
    from maps.llm.client import Chat

    environment = arguments.environment
    return Chat(
        model,
        arguments.base_url or environment.get("OPENAI_BASE_URL") or None,
        environment.get("OPENAI_API_KEY") or None,
        timeout=arguments.timeout,
        max_tokens=arguments.max_tokens,
        concurrency=arguments.concurrency,
        budget=budget,
        fallback_advice=fallback_advice,
        organization=environment.get("OPENAI_ORG_ID") or None,
        project=environment.get("OPENAI_PROJECT_ID") or None,
        key_name=getattr(arguments, "key_name", "OPENAI_API_KEY"),
    )
