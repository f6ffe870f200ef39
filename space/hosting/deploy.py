"""Brings a Space to what is wanted: looks what is there, does what is missing, waits until it runs.

Each step leaves the Hub in a state from which the next look goes on, so that a deployment which was cut off anywhere
is mended by the same command again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from maps.errors import ChangedError, MapsError
from maps.hub.repository import Head, HubDataset
from space.hosting.hub import HubSpace
from space.hosting.plan import (
    Act,
    AskHardware,
    DropVariable,
    Found,
    Hide,
    MakeDataset,
    MakeSpace,
    Restart,
    SetSecret,
    SetVariable,
    Upload,
    Wanted,
    description,
    told,
    uploads,
)

EVERY = 5.0  # seconds between looks at a Space that starts
GRACE = 30.0  # seconds for which a Space may still say what it was before
TRIES = 3  # at a commit that others came before
RUNS = ("RUNNING", "SLEEPING")  # a sleeping Space wakes by a visit
FAILED = ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "STOPPED", "PAUSED", "DELETING")
Say = Callable[[str], None]


def look(space: HubSpace, judgments: HubDataset) -> Found:
    """What is there; raises MapsError where the dataset is public, before anything is done."""
    there, ledger = space.head(), judgments.head()
    if ledger is not None and not ledger.private:
        raise MapsError(f"The dataset {judgments.name} is public; make it private on its page, or name another one.")
    if there is None:
        return Found(judgments=ledger)
    now = space.runtime()
    return Found(there, ledger, space.secrets(), space.variables(), now.stage, now.hardware)


def carry_out(acts: tuple[Act, ...], wanted: Wanted, space: HubSpace, judgments: HubDataset, say: Say) -> None:
    """Does the steps in their order; `say` is told each before it is done."""
    for number, act in enumerate(acts, start=1):
        say(f"{number}/{len(acts)}  {told(act, wanted.space)}")
        do(act, wanted, space, judgments)


def do(act: Act, wanted: Wanted, space: HubSpace, judgments: HubDataset) -> None:
    """Does one step."""
    match act:
        case MakeDataset(_):
            judgments.make(private=True)
        case MakeSpace(private, hardware):
            space.make_on(private, hardware)
        case Hide():
            space.hide()
        case SetSecret(name):
            space.set_secret(name, wanted.secrets[name], description(wanted.secrets[name]))
        case SetVariable(name, value):
            space.set_variable(name, value)
        case DropVariable(name):
            space.drop_variable(name)
        case Upload():
            send(act, wanted, space)
        case AskHardware(name):
            space.ask_hardware(name)
        case Restart():
            space.restart()


def send(act: Upload, wanted: Wanted, space: HubSpace) -> None:
    """Uploads in one commit. Where another came between, its own with a lost answer too, it looks again."""
    for _ in range(TRIES):
        files = {path: wanted.files[path] for path in act.add}
        try:
            space.commit("Deploy the app", files, act.delete, act.parent or state(space).commit)
        except ChangedError:
            left = uploads(wanted, Found(space=state(space)))
            if not left:
                return
            [act] = [each for each in left if isinstance(each, Upload)]
        else:
            return
    raise MapsError(f"Others change {space.name} all the time; deploy again when they are done.")


def state(space: HubSpace) -> Head:
    """The newest state of a Space that must be there."""
    found = space.head()
    if found is None:
        raise MapsError(f"The Space {space.name} is gone; deploy again.")
    return found


def wait(
    space: HubSpace,
    seconds: float,
    say: Say,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Waits until the newest commit runs; raises MapsError where it fails, or takes longer."""
    start, before, newest = clock(), "", state(space).commit
    while True:
        now = space.runtime()
        if now.stage != before:
            say(f"The Space is {now.stage}.")
            before = now.stage
        if now.stage in RUNS and now.commit in ("", newest):
            return
        if now.stage in FAILED and clock() >= start + min(GRACE, seconds):
            why = f" ({now.error})" if now.error else ""
            raise MapsError(f"The Space does not run: it is {now.stage}{why}; its page shows the log.")
        if clock() >= start + seconds:
            raise MapsError(
                f"The Space was not running after {seconds:.0f} seconds; its page shows the log. "
                "Deploying again waits again."
            )
        sleep(EVERY)
