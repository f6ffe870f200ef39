"""Runs jobs one after the other, each step in a child process, in a thread of the app.

The state of a job is in the store. How far its running step is, and keys that were typed for it, are in memory only.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Condition, Thread, Timer
from typing import TextIO

from maps.errors import MapsError
from maps.files.lock import lock_folder
from maps.text import escape_invisible
from space.jobs.job import Job, JobError, JobRequest, Progress, State, Step
from space.jobs.keeper import JobKeeper
from space.jobs.store import JobStore
from space.jobs.worker import RECORD_MARK, WORKER_FOLDER

ROOT = Path(__file__).parents[2]
QUICK_FOLDER = "quick"  # where quick commands take turns, beside the queue
QUICK_SECONDS = 120.0
STOP_SECONDS = 150.0  # for a command to wait for replies that cost money after an interrupt; then it is killed
END_SECONDS = 30.0  # that the end of the app waits for the job; its process ends soon after the app in any case
APP_SECRETS = ("MAPS_PSEUDONYM_KEY",)  # that no command of the library needs
KEY_GONE_MESSAGE = "The app was restarted, and the key for this job was kept in memory only. Type it again to go on."
NOT_STARTED_MESSAGE = "Jobs have not been started here yet. Try again in a moment."
OTHER_APP_MESSAGE = "Another app that uses the same data folder runs the jobs: start them there."
ELSEWHERE_MESSAGE = "The Job on the Hub continues. The log below says how to end it."
RESTORING_MESSAGE = "The jobs of this Space are being read from the Hub. Try again in a minute."
RESTORE_WAIT = 30.0  # seconds between tries
KILLED_MESSAGE = "The process was killed: perhaps the machine has too little memory."


class JobRunner:
    """The queue of an app. `on_folder` is called from its thread with the folder of the job's atlas, after every step
    and every change of progress.

    `environment`: of the child processes. `folder`: for a log file of each job. `off_reason` says why no jobs run
    here; it is empty if they do. Of the apps that use one data folder, only one runs jobs.
    """

    def __init__(
        self,
        store: JobStore,
        folder: Path,
        environment: Mapping[str, str],
        on_folder: Callable[[Path], None] = lambda _folder: None,
        keeper: JobKeeper | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = store
        self._folder = folder
        self.off_reason = NOT_STARTED_MESSAGE
        self._lock = ExitStack()
        paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        kept = {name: value for name, value in environment.items() if name not in APP_SECRETS}
        self._environment = kept | {"PYTHONPATH": ":".join(paths), "PYTHONUNBUFFERED": "1"}
        self._on_folder, self.keeper = on_folder, keeper
        self._changed = Condition()
        self._keys: dict[int, dict[str, str]] = {}
        self._wishes: dict[int, State] = {}  # what a running job is to become: paused, cancelled, or queued again
        self._child: subprocess.Popen[str] | None = None
        self._progress: Progress | None = None
        self._is_stopping = False
        self._thread: Thread | None = None

    def start(self) -> None:
        """Goes on with the jobs that an earlier process left, and waits for others."""
        try:
            self._lock.enter_context(lock_folder(self._folder, "app"))
        except MapsError:
            self.off_reason = OTHER_APP_MESSAGE
            return
        if self.keeper is None:
            self._queue_again()
        else:
            self.off_reason = RESTORING_MESSAGE
        self._thread = Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def _queue_again(self) -> None:
        """Queues the jobs that ran when an earlier process ended."""
        for job in self.store.all_jobs():
            if job.state.is_active and job.key_name:
                self.store.change(job.job_id, (job.state,), State.PAUSED, KEY_GONE_MESSAGE)
            elif job.state is State.RUNNING:
                self.store.change(job.job_id, (State.RUNNING,), State.QUEUED)
        self.off_reason = ""

    def _restore(self, keeper: JobKeeper) -> None:
        """Reads jobs and atlases that are kept on the Hub, and tries again until that succeeds or the app ends."""
        while not self._is_stopping:
            try:
                keeper.restore()
            except MapsError as error:
                self.off_reason = f"The jobs of this Space cannot be read from the Hub: {error}"
                with self._changed:
                    self._changed.wait(RESTORE_WAIT)
            else:
                for job in self.store.all_jobs():
                    self._on_folder(Path(job.folder))
                self._queue_again()
                keeper.start()
                return

    def stop(self) -> None:
        """Stops the running job, which goes on when the app is started again."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            if (job := self.running_job()) is not None:
                self._stop_child(job.job_id, State.QUEUED)
            self._thread.join(END_SECONDS)
        if self.keeper is not None:
            self.keeper.stop()
        self._lock.close()
        self.store.close()

    def submit(self, request: JobRequest) -> Job:
        """Puts a job into the queue; raises JobError if it is there already, or if no jobs run here."""
        if self.off_reason:
            raise JobError(self.off_reason)
        for other in self.store.all_jobs():
            if other.state.is_unfinished and (other.folder, other.title) == (request.folder, request.title):
                raise JobError(f"This job is {other.state} already: {other.title}.")
        job = self.store.add(request)
        self._keys[job.job_id] = request.keys
        self._wake()
        return job

    def pause(self, job_id: int) -> Job:
        """Pauses a queued or running job; a running one stops where it can go on."""
        return self._withdraw(job_id, State.PAUSED)

    def cancel(self, job_id: int) -> Job:
        """Ends a job for good. What it has stored stays."""
        return self._withdraw(job_id, State.CANCELLED)

    def resume(self, job_id: int, key: str = "") -> Job:
        """Puts a paused or failed job back into the queue; raises JobError if a key must be typed again."""
        job = self.store.job(job_id)
        if job.key_name and key:
            self._keys[job_id] = {job.key_name: key}
        if job.key_name and not self._keys.get(job_id):
            raise JobError(f"This job needs its key again ({job.key_name}): type it, then press Go on.")
        resumed = self.store.change(job_id, (State.PAUSED, State.FAILED), State.QUEUED)
        self._wake()
        return resumed

    def run_now(self, step: Step, keys: Mapping[str, str], seconds: float = QUICK_SECONDS) -> list[str]:
        """The lines of a quick command, which runs beside the queue; raises JobError if it fails or takes too long."""
        command = worker_command(self._folder / QUICK_FOLDER, step)
        with start_child(command, {**self._environment, **keys}) as child:
            timer = Timer(seconds, child.kill)
            timer.start()
            printed = [line for line in child.stdout or () if line.strip() and not line.startswith(RECORD_MARK)]
        timer.cancel()
        lines = [escape_invisible(line.rstrip()) for line in printed]
        if child.returncode == -signal.SIGKILL:
            raise JobError("This took too long and was stopped. Try again when no job is running.")
        if child.returncode:
            raise JobError(lines[-1] if lines else f"The command ended with status {child.returncode}.")
        return lines

    def problems(self) -> list[str]:
        """Why no jobs run here, and why results are not kept, each in one sentence; empty if all is well."""
        kept = self.keeper.problem if self.keeper is not None else ""
        return [problem for problem in (self.off_reason, kept) if problem]

    def report_folder(self, folder: Path) -> None:
        """Has an atlas that was changed outside of a job shown and kept."""
        self._on_folder(folder)
        self._wake()

    def running_job(self) -> Job | None:
        return self.store.first(State.RUNNING)

    def progress(self, job: Job) -> Progress | None:
        """How far the running step of a job is; None if the job does not run or has not reported yet."""
        return self._progress if job.state is State.RUNNING else None

    def log_lines(self, job: Job, count: int) -> list[str]:
        """The last lines that a job has printed."""
        path = self.log_file(job.job_id)
        return path.read_text(encoding="utf-8").splitlines()[-count:] if path.exists() else []

    def log_file(self, job_id: int) -> Path:
        return self._folder / f"{job_id}.log"

    def _wake(self) -> None:
        """Lets the thread look at the queue again, and has the change kept."""
        with self._changed:
            self._changed.notify_all()
        if self.keeper is not None:
            self.keeper.request()

    def _withdraw(self, job_id: int, wish: State) -> Job:
        """Makes a job paused or cancelled; a running one as soon as its process has ended."""
        job = self.store.job(job_id)
        if job.state is State.RUNNING:
            self._stop_child(job_id, wish)
            return job
        expected = (State.QUEUED,) if wish is State.PAUSED else (State.QUEUED, State.PAUSED, State.FAILED)
        return self.store.change(job_id, expected, wish)

    def _stop_child(self, job_id: int, wish: State) -> None:
        self._wishes[job_id] = wish
        child = self._child
        if child is not None:
            child.send_signal(signal.SIGINT)
            Thread(target=kill_later, args=(child,), name="stop job", daemon=True).start()

    def _run(self) -> None:
        if self.keeper is not None:
            self._restore(self.keeper)
        while True:
            with self._changed:
                while not self._is_stopping and self.store.first(State.QUEUED) is None:
                    self._changed.wait()
                if self._is_stopping:
                    return
            job = self.store.first(State.QUEUED)
            if job is not None:
                self._wishes.pop(job.job_id, None)  # that came when an earlier run of the job had just ended
                self._run_job(self.store.change(job.job_id, (State.QUEUED,), State.RUNNING))

    def _run_job(self, job: Job) -> None:
        """Runs the steps that are left; the job then is done, failed, or what somebody wished it to be."""
        state, message = State.DONE, ""
        while (step := job.current_step) is not None:
            failure = self._run_step(job, step)
            if (wish := self._wishes.pop(job.job_id, None)) is not None:
                state, message = wish, ELSEWHERE_MESSAGE if step.is_elsewhere else ""
                break
            if failure and not step.is_optional:
                state, message = State.FAILED, failure
                break
            job = self.store.finish_step(job.job_id)
            self._report_change(job)
        if state is not State.QUEUED and state is not State.PAUSED:
            self._keys.pop(job.job_id, None)
        self._report_change(self.store.change(job.job_id, (State.RUNNING,), state, message))

    def _report_change(self, job: Job) -> None:
        self._on_folder(Path(job.folder))
        if self.keeper is not None:
            self.keeper.request()

    def _run_step(self, job: Job, step: Step) -> str:
        """Runs a step to its end; returns why it failed, in one sentence, or an empty text."""
        self._progress = None
        command = worker_command(self._folder / WORKER_FOLDER, step)
        environment = self._environment | self._keys.get(job.job_id, {})
        with self.log_file(job.job_id).open("a", encoding="utf-8") as log, start_child(command, environment) as child:
            self._child = child
            if job.job_id in self._wishes:  # somebody stopped the job a moment before
                child.send_signal(signal.SIGINT)
            last = self._follow(child, job, log)
        self._child = None
        if child.returncode == 0:
            return ""
        return KILLED_MESSAGE if child.returncode < 0 else last or f"The command ended with status {child.returncode}."

    def _follow(self, child: subprocess.Popen[str], job: Job, log: TextIO) -> str:
        """Reads what a worker prints, until it ends; returns the last line that is no record of progress."""
        last = ""
        for line in child.stdout or ():
            if line.startswith(RECORD_MARK):
                self._progress = progress_from_line(line)
                self._on_folder(Path(job.folder))
            elif line.strip():
                last = escape_invisible(line.strip())
                print(last, file=log, flush=True)
        return last


def worker_command(folder: Path, step: Step) -> list[str]:
    return [sys.executable, "-m", "space.jobs.worker", str(folder), step.program, *step.arguments]


def start_child(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Starts a worker. It has a session of its own: Ctrl+C in the terminal reaches the app only, which then stops it.

    Its standard input is a pipe that closes with the app, however the app ends.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )


def progress_from_line(line: str) -> Progress:
    return Progress(**json.loads(line.removeprefix(RECORD_MARK)))


def kill_later(child: subprocess.Popen[str]) -> None:
    """Kills a process that has not ended some time after it was interrupted."""
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
