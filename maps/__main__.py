"""The commands of MAPS. Thin: arguments into calls, errors into one sentence and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from maps.types import MIN_PAIRS, TAU, HeadId, MapsError

STOPPED = 130  # the shell's status for an interrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0, 2 for bad input, 1 for a failure, 130 for an interrupt."""
    arguments = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        run(arguments)
        sys.stdout.flush()  # here, where a reader that is gone or a full disk is still answered
    except MapsError as error:
        return said(str(error), 2)
    except BrokenPipeError:  # the reader of our output is gone, as in `show … | head`
        drop_output()
    except OSError as error:
        drop_output()
        place = error.filename or vars(arguments).get("out") or "A file"
        return said(f"{place} cannot be written or read: {error.strerror or error}.", 1)
    except MemoryError:
        return said("There is not enough memory; close other programs or take a larger machine.", 1)
    except KeyboardInterrupt:
        return said("Stopped. Run the same command again to go on where it stopped.", STOPPED)
    return 0


def drop_output() -> None:
    """Drops what cannot be printed, which the interpreter would try once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def said(sentence: str, status: int) -> int:
    """Prints one sentence for a person."""
    print(sentence, file=sys.stderr)
    return status


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m maps",
        description="Read from its weights what an attention head does.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_map(commands)
    add_describe(commands)
    add_show(commands)
    return top


Commands = argparse._SubParsersAction  # the type that add_subparsers returns has no public name


def add_map(commands: Commands[argparse.ArgumentParser]) -> None:
    """`map`."""
    p = commands.add_parser(
        "map",
        help="map every head of a model into an atlas",
        description="Map every head of a model into an atlas. A run that was stopped goes on.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    p.add_argument("model", help="a Hub id, a model folder, a .gguf file, or smollm2 (the bundled model)")
    p.add_argument("--out", required=True, type=Path, help="the atlas's folder")
    p.add_argument("--relations", metavar="NAME,…", help="score only these of the predefined relations")
    p.add_argument("--relation", action="append", default=[], metavar="NAME=FILE.json", help="score your own relation")
    p.add_argument("--salient", type=positive, default=30, help="salient tokens a head (default 30)")
    p.add_argument("--targets", type=positive, default=5, help="targets a salient token (default 5)")
    p.add_argument("--k", type=positive, help="targets that count as a hit, for every relation (default: the paper's)")
    p.add_argument("--tau", type=share, default=TAU, help=f"score from which a head implements a relation ({TAU})")
    p.add_argument("--min-pairs", type=positive, default=MIN_PAIRS, help=f"usable pairs a relation needs ({MIN_PAIRS})")
    p.add_argument("--layers", type=layer_range, metavar="0-3", help="map only these layers")
    p.add_argument("--no-first-mlp", action="store_true", help="read E itself instead of the first MLP's output")
    p.add_argument("--device", default="cpu", help="a torch device (default cpu)")
    p.set_defaults(run=run_map)


def add_describe(commands: Commands[argparse.ArgumentParser]) -> None:
    """`describe`."""
    p = commands.add_parser(
        "describe",
        help="describe the heads of an atlas",
        description="Describe the heads of an atlas. Heads whose current mappings are described are not asked again.",
        epilog="example: python -m maps describe data/atlases/smollm2 --describer offline",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("--describer", default="gpt-4o", help="offline, or a model of an OpenAI-compatible server (gpt-4o)")
    p.add_argument("--base-url", help="the server's address (default: OPENAI_BASE_URL, else OpenAI)")
    p.add_argument("--concurrency", type=positive, default=1, help="heads asked about at once (default 1)")
    p.set_defaults(run=run_describe)


def add_show(commands: Commands[argparse.ArgumentParser]) -> None:
    """`show`."""
    p = commands.add_parser(
        "show",
        help="show a head in the terminal",
        description="Show a head in the terminal. · is a space, ⏎ a newline, ⇥ a tab, \\xE2 a byte that is no text.",
        epilog="example: python -m maps show data/atlases/smollm2 L26H2",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("head", help="such as L26H2")
    p.set_defaults(run=run_show)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def layer_range(text: str) -> tuple[int, int]:
    """`0-3` or `7`."""
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no range of layers such as 0-3")
    return int(first), int(last or first)


def run_map(arguments: argparse.Namespace) -> None:
    """Maps a model; returns at once where the atlas is there already."""
    from maps import data

    out: Path = arguments.out
    names = [name.strip() for name in arguments.relations.split(",")] if arguments.relations else []
    own = tuple(data.own(spec) for spec in arguments.relation)
    relations = (data.named(names) if names else () if own else data.predefined()) + own
    if len({relation.name for relation in relations}) < len(relations):
        raise MapsError("Two relations have the same name; give each its own.")
    from maps.settings import Settings, is_finished

    settings = Settings(
        relations,
        salient=arguments.salient,
        targets=arguments.targets,
        k=arguments.k,
        tau=arguments.tau,
        min_pairs=arguments.min_pairs,
        first_mlp=not arguments.no_first_mlp,
        layers=arguments.layers,
    )
    if is_finished(arguments.model, out, settings):
        print(f"The atlas is in {out}; nothing was left to do.")
        return
    from maps.mapper import map_model

    atlas = map_model(arguments.model, out, settings, arguments.device, with_bar)
    print(f"Mapped {len(atlas.ids):,} heads of {atlas.model}: the atlas is in {out}.")


def with_bar(layers: Sequence[int], done: int) -> Iterable[int]:
    """A progress bar over layers, with the time that is left."""
    from tqdm import tqdm

    return tqdm(layers, initial=done, total=done + len(layers), unit="layer", desc="mapping", dynamic_ncols=True)


def run_describe(arguments: argparse.Namespace) -> None:
    """Describes the heads of an atlas that are not described yet."""
    from maps.data import predefined
    from maps.described import describe_atlas
    from maps.describers import describer_named

    base_url = arguments.base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = os.environ.get("OPENAI_API_KEY") or None
    describer = describer_named(arguments.describer, base_url, key, relations=predefined())
    run = describe_atlas(arguments.atlas, describer, arguments.concurrency)
    failed = f" and failed on {run.failed:,} (see failures.parquet)" if run.failed else ""
    print(f"{describer.name} described {run.asked:,} heads now{failed}.")
    print(f"It sees a pattern in {run.patterns:,} of {run.heads:,} heads: {arguments.atlas}/descriptions.parquet")


def run_show(arguments: argparse.Namespace) -> None:
    """Prints a head."""
    from maps.atlas import Atlas
    from maps.show import head_text

    atlas = Atlas.open(arguments.atlas)
    print(head_text(atlas, HeadId.parse(arguments.head)))


if __name__ == "__main__":
    sys.exit(main())
