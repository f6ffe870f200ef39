"""Four heads described, and two descriptions scored, by a server of another make: `transformers serve`.

The model on it is the bundled one, far too small for the task: what counts is that the runs end, with descriptions and
answers or recorded failures, none garbled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pyarrow.compute as pc
import pytest

from maps.atlas.reader import Atlas, write_table
from maps.describers.prompt import REPLY_KEYS
from maps.files.atomic import write_json
from tests.bundled_modules import save_bundled_model
from tests.ports import free_port

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
SEED = ROOT / "space" / "seed" / "smollm2"
LAYER = 26  # nine heads; one more of the next


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a folder, which is its name on the server."""
    folder = tmp_path_factory.mktemp("model") / "bundled"
    save_bundled_model(folder)
    return folder


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[str]:
    """The address of a running `transformers serve`."""
    port = free_port()
    program = Path(sys.executable).with_name("transformers")
    command = [str(program), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        try:
            end = time.monotonic() + 180
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert serving.poll() is None, "transformers serve ended"
                assert time.monotonic() < end, "transformers serve did not start within three minutes"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            serving.kill()  # it would end the replies under way first


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """The seed's heads of one layer, with the offline describer's words."""
    folder = Path(shutil.copytree(SEED, tmp_path_factory.mktemp("atlas") / "layer"))
    whole = Atlas.open(folder)
    kept = {(head.layer, head.head) for head in whole.head_ids if head.layer == LAYER}
    for name in whole.table_names:
        table = whole.table(name)
        if "layer" not in table.column_names:  # the pairs of the relations
            continue
        rows = [index for index, row in enumerate(table.to_pylist()) if (row["layer"], row["head"]) in kept]
        write_table(folder, name, pc.take(table, rows))
    settings = whole.info["settings"] | {"layers": [LAYER, LAYER]}
    write_json(folder / "atlas.json", whole.info | {"settings": settings})
    return Atlas.open(folder)


def connection(server: str) -> list[str]:
    return ["--base-url", server, "--concurrency", "2", "--timeout", "300", "--max-tokens", "100"]


def run(*arguments: str) -> tuple[int, str]:
    """A command's status and what it says; without a traceback."""
    environment = {**os.environ, "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    ended = subprocess.run(
        [sys.executable, "-m", "maps", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr[-2000:]
    return ended.returncode, ended.stdout + ended.stderr


def test_the_heads_of_a_layer_end_as_descriptions_or_recorded_failures(atlas: Atlas, model: Path, server: str) -> None:
    asked = ["--describer", str(model), "--sample", "4"]
    status, said = run("describe", str(atlas.folder), *asked, *connection(server))
    mine = [row for row in atlas.table("descriptions").to_pylist() if row["describer"] == str(model)]
    failed = atlas.table("failures").to_pylist()
    print(said, [row["observed_pattern"] for row in mine], [row["reason"] for row in failed], sep="\n")
    assert status == (1 if len(failed) > len(mine) else 0)
    heads = [(row["layer"], row["head"]) for row in [*mine, *failed]]
    assert len(heads) == len(set(heads)) == 4
    assert set(heads) <= {(head.layer, head.head) for head in atlas.head_ids}
    for row in mine:
        assert row["prompt_tokens"] > 500
        assert row["completion_tokens"] > 0
        assert "\ufffd" not in row["observed_pattern"] + row["input_strings"] + row["reasoning"]
        assert not any(f'"{key}"' in row["observed_pattern"] for key in REPLY_KEYS)
    assert all(row["attempts"] == 3 and row["reason"] for row in failed)


def test_a_scorers_answers_are_scores_or_recorded_failures(atlas: Atlas, model: Path, server: str) -> None:
    patterns = [row for row in atlas.descriptions() if row["describer"] == "offline" and row["pattern"]][:2]
    heads = ",".join(f"L{row['layer']}H{row['head']}" for row in patterns)
    asked = ["--scorer", str(model), "--describer", "offline", "--heads", heads, "--no-random"]
    status, said = run("score", str(atlas.folder), *asked, *connection(server))
    rows = [row for row in atlas.table("detections").to_pylist() if row["scorer"] == str(model)]
    print(said, *rows, sep="\n")
    failed = sum(row["reason"] is not None for row in rows)
    assert status == (1 if failed > len(rows) - failed else 0)
    assert {row["description_id"] for row in rows} == {row["description_id"] for row in patterns} != set()
    for row in rows:
        assert (row["own_named"] is None) == (row["reason"] is not None)
        assert row["own_named"] is None or row["own_named"] <= row["own"]
    scores = atlas.table("scores").to_pylist()
    assert {row["description_id"] for row in scores} >= {row["description_id"] for row in rows}
    assert all(row["detection"] is None or 0 <= row["detection"] <= 1 for row in scores)
