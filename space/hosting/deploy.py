"""Brings a Space into the desired state: inspects it, carries out the missing steps, and waits until it runs.

A deployment may be interrupted at any point: the same command then inspects the Space again and continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from maps.errors import CommitConflictError, MapsError
from maps.hub.repository import HubDataset, RepositoryState
from space.hosting import plan
from space.hosting.hub import HubSpace
from space.hosting.plan import CurrentSpace, DesiredSpace

POLL_SECONDS = 5.0  # between looks at a Space that starts
GRACE_SECONDS = 30.0  # for so long a Space may still report its previous stage
MAX_TRIES = 3  # for a commit that conflicts with others
RUNNING_STAGES = ("RUNNING", "SLEEPING")  # a visit wakes a sleeping Space
FAILED_STAGES = ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "STOPPED", "PAUSED", "DELETING")
Reporter = Callable[[str], None]


def inspect_space(space: HubSpace, judgments: HubDataset) -> CurrentSpace:
    """The current state of Space and dataset. Raises MapsError if the dataset is public, before anything is changed."""
    state, ledger = space.read_state(), judgments.read_state()
    if ledger is not None and not ledger.is_private:
        raise MapsError(f"The dataset {judgments.name} is public; make it private on its page, or choose another one.")
    if state is None:
        return CurrentSpace(judgments=ledger)
    runtime = space.runtime()
    return CurrentSpace(state, ledger, space.secret_descriptions(), space.variables(), runtime.stage, runtime.hardware)


def carry_out_steps(
    steps: plan.Steps, desired: DesiredSpace, space: HubSpace, judgments: HubDataset, report: Reporter
) -> None:
    """Carries out the steps in order and reports each one before it starts."""
    for number, step in enumerate(steps, start=1):
        report(f"{number}/{len(steps)}  {plan.step_sentence(step, desired.space)}")
        carry_out_step(step, desired, space, judgments)


def carry_out_step(step: plan.DeploymentStep, desired: DesiredSpace, space: HubSpace, judgments: HubDataset) -> None:
    match step:
        case plan.CreateDataset(_):
            judgments.create(private=True)
        case plan.CreateSpace(private, hardware):
            space.create_space(private, hardware)
        case plan.MakePrivate():
            space.make_private()
        case plan.SetSecret(name):
            space.set_secret(name, desired.secrets[name], plan.secret_description(desired.secrets[name]))
        case plan.SetVariable(name, value):
            space.set_variable(name, value)
        case plan.DeleteVariable(name):
            space.delete_variable(name)
        case plan.UploadFiles():
            upload_files(step, desired, space)
        case plan.RequestHardware(name):
            space.request_hardware(name)
        case plan.RestartSpace():
            space.restart()


def upload_files(step: plan.UploadFiles, desired: DesiredSpace, space: HubSpace) -> None:
    """Uploads in one commit. On a conflict (perhaps with its own commit, whose response was lost) it plans again."""
    for _ in range(MAX_TRIES):
        files = {path: desired.files[path] for path in step.changed_paths}
        parent = step.parent_commit or require_space_state(space).commit
        try:
            space.commit("Deploy the app", files, step.deleted_paths, parent)
        except CommitConflictError:
            remaining = plan.plan_upload(desired, CurrentSpace(space=require_space_state(space)))
            if remaining is None:
                return
            step = remaining
        else:
            return
    raise MapsError(f"Other commits to {space.name} keep getting in the way; deploy again when nobody changes it.")


def require_space_state(space: HubSpace) -> RepositoryState:
    """The newest state of a Space; raises MapsError if it was deleted."""
    state = space.read_state()
    if state is None:
        raise MapsError(f"The Space {space.name} was deleted; deploy again.")
    return state


def wait_until_running(
    space: HubSpace,
    timeout: float,
    report: Reporter,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Waits until the newest commit runs; raises MapsError if it fails or takes longer than `timeout` seconds."""
    start, last_stage, newest = clock(), "", require_space_state(space).commit
    while True:
        runtime = space.runtime()
        if runtime.stage != last_stage:
            report(f"The Space is {runtime.stage}.")
            last_stage = runtime.stage
        if runtime.stage in RUNNING_STAGES and runtime.commit in ("", newest):
            return
        if runtime.stage in FAILED_STAGES and clock() >= start + min(GRACE_SECONDS, timeout):
            reason = f" ({runtime.error})" if runtime.error else ""
            raise MapsError(f"The Space failed: it is {runtime.stage}{reason}. Read the log on its page.")
        if clock() >= start + timeout:
            raise MapsError(
                f"The Space was not running after {timeout:.0f} seconds; read the log on its page, or deploy again to "
                "keep waiting."
            )
        sleep(POLL_SECONDS)
