"""The options that design a study, and the study that they describe: for `study create` and `study plan`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from annotation.commands.arguments import parse_deadline
from annotation.study.candidates import create_study, main_describer
from annotation.study.panel import PRESETS, panel_settings
from annotation.study.sampling import MAX_SEED, SAMPLE_METHODS, draw_seed
from annotation.study.study import NOTICE_FIELDS, Study, StudyNotice, StudyPlan, check_notice
from maps.atlas.reader import Atlas
from maps.command_line import positive_int, share, whole_number
from maps.errors import MapsError

DEFAULT_CONTROLS_SHARE = 0.1  # of the sampled heads
NOTICE_HELP = {  # what people are told before they take part
    "title": "the study's title, for its annotators",
    "organiser": "who asks: names and institution",
    "purpose": "what the answers are for",
    "contact": "whom annotators can write to",
    "ethics": "who approved the study, with its number, or why nobody had to",
    "payment": "what annotators get",
    "next_steps": "what happens after an annotator's last item",
}
EXIT_HELP = {  # what people are given at the end
    "completed": "a code, or an address to go back to, for whoever is done; {id} in it is the person's id at the panel",
    "screened_out": "the same for whoever fails the practice or finds nothing left to judge",
    "declined": "the same for whoever does not agree to take part",
}
NUMBER_OPTIONS = (
    "heads", "per_item", "overlap", "swapped", "shuffled", "practice_pass", "per_annotator", "annotators", "seed",
)  # fmt: skip
SHOW_DESCRIPTIONS_HELP = (
    "go on showing the descriptions of these heads in the app's explorer: visitors miss nothing, but an annotator who "
    "looks a head up can tell controls (default: hidden until the study is over). Whoever has the atlas's files from "
    "elsewhere can tell them in both cases"
)


def add_design_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--atlas", type=Path, required=True, metavar="FOLDER", help="the atlas to judge")
    p.add_argument("--describer", help="whose descriptions to judge (default: the describer of most heads)")
    number = partial(p.add_argument, metavar="N")
    number("--heads", type=positive_int, default=138, help="number of heads to draw (default: 138)")
    sample_help = "draw from all heads alike, or by layer quarter (default: uniform)"
    p.add_argument("--sample", choices=SAMPLE_METHODS, default="uniform", help=sample_help)
    number("--per-item", type=positive_int, default=3, help="judgments for each item (default: 3)")
    number(
        "--overlap", type=whole_number, default=10, help="heads among them that every annotator judges (default: 10)"
    )
    controls_help = "number of controls, as a share of the heads (default: 0.1)"
    p.add_argument("--controls", type=share, metavar="SHARE", help=controls_help)
    number("--swapped", type=whole_number, help="number of controls with another head's, or operation's, description")
    number("--shuffled", type=whole_number, help="number of controls with shuffled mappings")
    p.add_argument("--no-practice", action="store_true", help="skip the practice items at the start")
    pass_help = "give items only to people who answer at least N practice items right (default: to everybody)"
    number("--practice-pass", type=whole_number, default=0, help=pass_help)
    number("--per-annotator", type=positive_int, help="most items for one annotator (default: no limit)")
    annotators_help = (
        "number of invited annotators: with an overlap, the study ends by itself once so many have judged it "
        "(default: unknown)"
    )
    number("--annotators", type=positive_int, help=annotators_help)
    deadline_help = "last day (UTC), such as 2027-01-31 (default: none)"
    p.add_argument("--deadline", type=parse_deadline, metavar="DAY", help=deadline_help)
    number("--seed", type=parse_seed, help="seed of the sample, the controls and the order (default: drawn, and kept)")
    p.add_argument(
        "--per-operation",
        action="store_true",
        help="judge single operations, of heads that have several, as `maps describe --operations` describes them",
    )
    p.add_argument("--show-descriptions", action="store_true", help=SHOW_DESCRIPTIONS_HELP)
    invited_help = "only people with an invitation (`annotation invite`) take part (default: whoever has the link)"
    p.add_argument("--invited-only", action="store_true", help=invited_help)
    panel_help = "the panel that people come from: its links hold a person's id (default: none)"
    p.add_argument("--panel", choices=sorted(PRESETS), default="", help=panel_help)
    parameter_help = "the name of the link's parameter that holds a person's id (default: that of the panel)"
    p.add_argument("--panel-parameter", default="", metavar="NAME", help=parameter_help)
    for name, text in EXIT_HELP.items():
        p.add_argument(f"--{name.replace('_', '-')}", default="", metavar="CODE", help=text)
    for name, text in NOTICE_HELP.items():
        p.add_argument(f"--{name.replace('_', '-')}", default="", metavar="TEXT", help=text)


def design_study(options: argparse.Namespace, name: str) -> Study:
    """The study of these options, not saved. Raises MapsError if it cannot be drawn."""
    source = options.atlas
    atlas = Atlas.open(source).named_by_reading()
    describer = options.describer or main_describer(atlas, options.per_operation)
    if not describer:
        what, option = (
            ("descriptions of operations", " --operations") if options.per_operation else ("descriptions", "")
        )
        raise MapsError(f"The atlas {source} has no {what} yet; run `python -m maps describe {source}{option}`.")
    return create_study(atlas, describer, name, plan_from_options(options))


def parse_seed(text: str) -> int:
    """An argument from 0 to the largest seed of a study."""
    return whole_number(text, MAX_SEED)


def plan_from_options(options: argparse.Namespace) -> StudyPlan:
    swapped, shuffled = _control_counts(options)
    return StudyPlan(
        heads=options.heads,
        sample=options.sample,
        per_item=options.per_item,
        overlap=options.overlap,
        swapped=swapped,
        shuffled=shuffled,
        practice=not options.no_practice,
        per_annotator=options.per_annotator,
        deadline=options.deadline,
        seed=draw_seed() if options.seed is None else options.seed,
        annotators=options.annotators,
        hides_descriptions=not options.show_descriptions,
        per_operation=options.per_operation,
        invited_only=options.invited_only,
        practice_pass=options.practice_pass,
        panel=panel_settings(
            options.panel, options.panel_parameter, options.completed, options.screened_out, options.declined
        ),
        notice=check_notice(StudyNotice(**{name: getattr(options, name) for name in NOTICE_FIELDS})),
    )


def design_arguments(atlas: Path, describer: str, plan: StudyPlan) -> list[str]:
    """The arguments of `add_design_options` that make this plan, for a process that creates the study."""
    flags = {
        "--no-practice": not plan.practice,
        "--per-operation": plan.per_operation,
        "--show-descriptions": not plan.hides_descriptions,
        "--invited-only": plan.invited_only,
    }
    values: dict[str, object] = {
        **{f"--{name.replace('_', '-')}": getattr(plan, name) for name in NUMBER_OPTIONS},
        **{"--atlas": atlas, "--describer": describer, "--sample": plan.sample},
        "--deadline": plan.deadline and f"{plan.deadline:%Y-%m-%d}",
        "--panel": next((key for key, preset in PRESETS.items() if preset.name == plan.panel.name), ""),
        "--panel-parameter": plan.panel.parameter,
        **{f"--{name.replace('_', '-')}": getattr(plan.panel, name) for name in EXIT_HELP},
        **{f"--{name.replace('_', '-')}": getattr(plan.notice, name) for name in NOTICE_HELP},
    }
    given = [f"{option}={value}" for option, value in values.items() if value not in (None, "")]
    return [*given, *(flag for flag, is_given in flags.items() if is_given)]


def _control_counts(options: argparse.Namespace) -> tuple[int, int]:
    """The numbers of swapped and shuffled controls: as given, or half of the share each.

    Shuffled controls of operations would look like the others, so all are swapped there.
    """
    if options.swapped is None and options.shuffled is None:
        total = round((DEFAULT_CONTROLS_SHARE if options.controls is None else options.controls) * options.heads)
        return (total, 0) if options.per_operation else (total - total // 2, total // 2)
    if options.controls is not None:
        raise MapsError("Give either --controls, or --swapped and --shuffled, but not both.")
    return options.swapped or 0, options.shuffled or 0
