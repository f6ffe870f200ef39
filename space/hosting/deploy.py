"""Brings a Space to what is wanted: looks what is there, does what is missing, waits until it runs.

Each step leaves the Hub in a state from which the next look goes on, so that a deployment which was cut off anywhere
is mended by the same command again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from maps.errors import CommitConflictError, MapsError
from maps.hub.repository import HubDataset, RepositoryState
from space.hosting.hub import HubSpace
from space.hosting.plan import (
    CreateDataset,
    CreateSpace,
    CurrentSpace,
    DeleteVariable,
    DeploymentStep,
    DesiredSpace,
    MakePrivate,
    RequestHardware,
    RestartSpace,
    SetSecret,
    SetVariable,
    UploadFiles,
    plan_uploads,
    secret_description,
    step_sentence,
)

POLL_SECONDS = 5.0  # seconds between looks at a Space that starts
GRACE_SECONDS = 30.0  # seconds for which a Space may still say what it was before
MAX_TRIES = 3  # at a commit that others came before
RUNNING_STAGES = ("RUNNING", "SLEEPING")  # a sleeping Space wakes by a visit
FAILED_STAGES = ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "STOPPED", "PAUSED", "DELETING")
Reporter = Callable[[str], None]


def inspect_space(space: HubSpace, judgments: HubDataset) -> CurrentSpace:
    """What is there; raises MapsError where the dataset is public, before anything is done."""
    there, ledger = space.read_state(), judgments.read_state()
    if ledger is not None and not ledger.is_private:
        raise MapsError(f"The dataset {judgments.name} is public; make it private on its page, or name another one.")
    if there is None:
        return CurrentSpace(judgments=ledger)
    now = space.runtime()
    return CurrentSpace(there, ledger, space.secret_descriptions(), space.variables(), now.stage, now.hardware)


def carry_out_steps(
    steps: tuple[DeploymentStep, ...], desired: DesiredSpace, space: HubSpace, judgments: HubDataset, report: Reporter
) -> None:
    """Does the steps in their order; `report` is told each before it is done."""
    for number, act in enumerate(steps, start=1):
        report(f"{number}/{len(steps)}  {step_sentence(act, desired.space)}")
        carry_out_step(act, desired, space, judgments)


def carry_out_step(step: DeploymentStep, desired: DesiredSpace, space: HubSpace, judgments: HubDataset) -> None:
    """Does one step."""
    match step:
        case CreateDataset(_):
            judgments.create(private=True)
        case CreateSpace(private, hardware):
            space.create_space(private, hardware)
        case MakePrivate():
            space.make_private()
        case SetSecret(name):
            space.set_secret(name, desired.secrets[name], secret_description(desired.secrets[name]))
        case SetVariable(name, value):
            space.set_variable(name, value)
        case DeleteVariable(name):
            space.delete_variable(name)
        case UploadFiles():
            upload_files(step, desired, space)
        case RequestHardware(name):
            space.request_hardware(name)
        case RestartSpace():
            space.restart()


def upload_files(step: UploadFiles, desired: DesiredSpace, space: HubSpace) -> None:
    """Uploads in one commit. Where another came between, its own with a lost answer too, it looks again."""
    for _ in range(MAX_TRIES):
        files = {path: desired.files[path] for path in step.changed_paths}
        try:
            space.commit(
                "Deploy the app", files, step.deleted_paths, step.parent_commit or require_space_state(space).commit
            )
        except CommitConflictError:
            left = plan_uploads(desired, CurrentSpace(space=require_space_state(space)))
            if not left:
                return
            [step] = [each for each in left if isinstance(each, UploadFiles)]
        else:
            return
    raise MapsError(f"Others change {space.name} all the time; deploy again when they are done.")


def require_space_state(space: HubSpace) -> RepositoryState:
    """The newest state of a Space that must be there."""
    found = space.read_state()
    if found is None:
        raise MapsError(f"The Space {space.name} is gone; deploy again.")
    return found


def wait_until_running(
    space: HubSpace,
    timeout: float,
    report: Reporter,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Waits until the newest commit runs; raises MapsError where it fails, or takes longer."""
    start, before, newest = clock(), "", require_space_state(space).commit
    while True:
        now = space.runtime()
        if now.stage != before:
            report(f"The Space is {now.stage}.")
            before = now.stage
        if now.stage in RUNNING_STAGES and now.commit in ("", newest):
            return
        if now.stage in FAILED_STAGES and clock() >= start + min(GRACE_SECONDS, timeout):
            why = f" ({now.error})" if now.error else ""
            raise MapsError(f"The Space does not run: it is {now.stage}{why}; its page shows the log.")
        if clock() >= start + timeout:
            raise MapsError(
                f"The Space was not running after {timeout:.0f} seconds; its page shows the log. "
                "Deploying again waits again."
            )
        sleep(POLL_SECONDS)
