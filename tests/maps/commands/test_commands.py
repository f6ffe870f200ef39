"""The commands, as people run them."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from maps.__main__ import main
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import make_table
from maps.types import HeadId
from tests.small_models import VOCABULARY_SIZE, WORDS, SmallModel, random_weights, save_gguf, save_model_folder

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


def refused(capsys: Capture, *arguments: object) -> str:
    """The error message of a command: one sentence, status 1 or 2, nothing on standard output."""
    status = main([str(argument) for argument in arguments])
    out, message = capsys.readouterr()
    assert (status in (1, 2), out, message.count("\n")) == (True, "", 1)
    assert "Traceback" not in message
    return message.removesuffix("\n")


def misused(capsys: Capture, *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, message = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    return message.strip().split("\n")[-1]


def test_a_model_is_mapped_described_and_shown(tmp_path: Path, capsys: Capture, small_model: Path) -> None:
    out = tmp_path / "atlas"
    (tmp_path / "next.json").write_text(json.dumps([[word, "amber"] for word in WORDS]))
    command = ["map", str(small_model), "--out", str(out), "--relations", "copying", "--k", "40", "--tau", "0.3"]
    command += ["--relation", f"to_amber={tmp_path / 'next.json'}", "--salient", "7", "--targets", "3"]
    command += [
        "--min-pairs",
        "5",
        "--layers",
        "1-1",
        "--no-first-mlp",
        "--final-norm",
        "--dtype",
        "float32",
        "--suppressive",
        "--output-space",
        "--top-scoring",
    ]
    assert main(command) == 0
    printed, bar = capsys.readouterr()
    assert printed == f"Mapped 4 heads of small: the atlas is in {out}.\n"
    assert "mapping: 100%" in bar
    atlas = Atlas.open(out)
    settings = {key: value for key, value in atlas.info["settings"].items() if key != "relations"}
    assert list(atlas.info["settings"]["relations"]) == ["copying", "to_amber"]
    assert settings == {
        **{"salient": 7, "heldout": 30, "targets": 3, "k": 40, "tau": 0.3, "min_pairs": 5},
        **{"reading": "embedding+final-norm", "calibration": None, "dtype": "float32", "layers": [1, 1]},
        **{"suppressive": True, "output_space": True, "top_scoring": True},
    }
    assert {len(atlas.mappings(head, "suppressive")) for head in atlas.head_ids} == {7}
    heads = atlas.table("heads").to_pylist()
    assert all(0 < row["output_space"] <= 1 and 0 <= row["top_scoring_jaccard"] <= 1 for row in heads)
    assert {(len(m.targets), len(atlas.mappings(head))) for head in atlas.head_ids for m in atlas.mappings(head)} == {
        (3, 7)
    }
    assert main(command) == 0
    assert capsys.readouterr() == (f"The atlas in {out} was already finished.\n", "")
    assert main(["describe", str(out), "--describer", "offline"]) == 0
    assert capsys.readouterr().out == (
        "offline described 4 heads now.\n"
        f"It sees a pattern in 0 of 4 heads that it described: {out}/descriptions.parquet\n"
    )
    assert main(["show", str(out), "l1h3"]) == 0
    shown = capsys.readouterr().out.split("\n")
    assert shown[0] == "L1H3 of small"
    assert shown[1].startswith("the reading embedding+final-norm: targets are ")
    assert shown[2:5] == ["", "offline: Unclear", "  inputs: Unclear"]
    assert [line[:3] for line in shown[-8:]] == ["  1", "  2", "  3", "  4", "  5", "  6", "  7", ""]


def test_tokens_without_a_row_are_left_out_said_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, small_model: Path
) -> None:
    folder = tmp_path / "padded"
    shutil.copytree(small_model, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["[PAD]", "<|im_start|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    command = ["map", str(folder), "--out", str(tmp_path / "atlas"), "--relations", "copying"]
    assert main(command) == 0
    said = "has 2 tokens without a row in its embedding ([PAD], <|im_start|>): left out."
    assert caplog.messages == [f"The tokenizer of padded {said}"]
    atlas = Atlas.open(tmp_path / "atlas")
    assert (atlas.info["tokens_without_rows"], atlas.info["vocabulary"]) == (2, VOCABULARY_SIZE)
    assert main(["map", str(small_model), "--out", str(tmp_path / "whole"), "--relations", "copying"]) == 0
    whole = Atlas.open(tmp_path / "whole")
    assert whole.info["tokens_without_rows"] == 0
    assert atlas.table("mappings") == whole.table("mappings")


def test_an_own_relation_alone_replaces_the_predefined_ones(tmp_path: Path, capsys: Capture, small_model: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text('[["amber", "basket"]]')
    assert main(["map", str(small_model), "--out", str(tmp_path / "a"), "--relation", f"own={file}"]) == 0
    assert main(["map", str(small_model), "--out", str(tmp_path / "b"), "--layers", "0"]) == 0
    capsys.readouterr()
    alone, all_of_them = (Atlas.open(tmp_path / name).relation_scores(HeadId(0, 0)) for name in "ab")
    assert [(score.relation, score.category, score.k, score.pairs) for score in alone] == [("own", "", 10, 1)]
    assert len(all_of_them) == 20


def bad_inputs(here: Path, model: Path) -> dict[str, tuple[list[object], str]]:
    """Invalid arguments, each with the beginning of its error message."""
    cut, pairs, empty, file = here / "cut.gguf", here / "pairs.json", here / "empty", here / "file"
    whole = save_gguf(here / "whole.gguf", SmallModel(), random_weights(SmallModel())).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    pairs.write_text('{"France": "Paris"}')
    file.write_text("not a folder")
    (empty / "only").mkdir(parents=True)
    (empty / "only" / "config.json").write_text('{"model_type": "llama"}')
    out: list[object] = ["--out", here / "atlas"]
    must = 'The relation r must be a list of pairs such as [["France", "Paris"]].'
    return {
        "path": (["map", "no/such/model", *out], "There is no file or folder no/such/model; give a Hub id, a model"),
        "folder": (["map", empty, *out], f"{empty} has no config.json, so it is not a model; give the folder"),
        "weights": (["map", empty / "only", *out], f"{empty / 'only'} has a config.json but no *.safetensors file and"),
        "truncated": (["map", cut, *out], f"{cut} is not a complete GGUF file: it may be cut off; download it again."),
        "relation": (["map", model, *out, "--relations", "copying,rhyme"], "There is no relation rhyme. Choose from"),
        "spec": (["map", model, *out, "--relation", "rhyme"], "--relation takes NAME=FILE.json, not 'rhyme'."),
        "file": (
            ["map", model, *out, "--relation", f"r={here}/none"],
            f"The relation file {here}/none cannot be read:",
        ),
        "pairs": (["map", model, *out, "--relation", f"r={pairs}"], must),
        "json": (["map", model, *out, "--relation", f"r={file}"], f"The relation file {file} is not JSON in UTF-8: "),
        "layers": (["map", model, *out, "--layers", "2"], "--layers 2-2 is outside the model's layers 0-1."),
        "device": (["map", model, *out, "--device", "abacus"], "The device abacus cannot be used here; leave out"),
        "under a file": (
            ["map", model, "--out", file / "atlas"],
            f"{file / 'atlas'} cannot be written or read: ",
        ),
        "no device": (["map", model, "--out", "/dev/full/atlas"], "/dev/full/atlas cannot be written or read: "),
        "describe": (
            ["describe", here, "--describer", "offline"],
            f"{here} is not an atlas; `python -m maps map MODEL",
        ),
        "show": (["show", here / "none", "L0H0"], f"{here / 'none'} is not an atlas; `python -m maps map MODEL"),
    }


BAD = [
    *("path", "folder", "weights", "truncated", "relation", "spec", "file", "pairs", "json", "layers", "device"),
    *("under a file", "no device", "describe", "show"),
]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_answered_by_one_sentence(name: str, tmp_path: Path, capsys: Capture, small_model: Path) -> None:
    arguments, sentence = bad_inputs(tmp_path, small_model)[name]
    assert refused(capsys, *arguments).startswith(sentence)
    assert not (tmp_path / "atlas").exists()


def test_every_bad_input_is_tried(tmp_path: Path, small_model: Path) -> None:
    assert list(bad_inputs(tmp_path, small_model)) == BAD


def test_bad_heads_and_names_are_answered_by_one_sentence(tmp_path: Path, capsys: Capture, mapped_once: Path) -> None:
    assert refused(capsys, "show", mapped_once, "H3") == (
        "'H3' is not a head; write the layer and the head, as in L23H4."
    )
    assert refused(capsys, "show", mapped_once, "L0H4") == (
        "small has no mapped head L0H4: layers 0 to 1, heads 0 to 3."
    )
    file = tmp_path / "own.json"
    file.write_text('[["a", "b"]]')
    twice = ["--relations", "copying", "--relation", f"copying={file}"]
    assert refused(capsys, "map", "smollm2", "--out", tmp_path / "atlas", *twice) == (
        "Two relations have the same name; give each its own."
    )


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--salient", "0", "argument --salient: '0' is not a whole number from 1 to 999,999,999"),
        ("--k", "ten", "argument --k: 'ten' is not a whole number from 0 to 999,999,999"),
        ("--tau", "1.5", "argument --tau: '1.5' is not a number from 0 to 1"),
        ("--tau", "nan", "argument --tau: 'nan' is not a number from 0 to 1"),
        ("--layers", "a-b", "argument --layers: 'a-b' is not a range of layers such as 0-3"),
        ("--layers", "-3", "argument --layers: '-3' is not a range of layers such as 0-3"),
    ],
)
def test_bad_options_are_reported(option: str, value: str, sentence: str, capsys: Capture) -> None:
    message = misused(capsys, "map", "smollm2", "--out", "nowhere", option, value)
    assert message == f"python -m maps map: error: {sentence}"


@pytest.mark.parametrize("command", ["map", "describe", "show", "push"])
def test_help_has_an_example(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"example: python -m maps {command} " in capsys.readouterr().out


def test_a_full_disk_is_reported_and_the_run_continues_later(
    tmp_path: Path, capsys: Capture, small_model: Path
) -> None:
    """Limits the size of files, which looks like a full disk to a program."""
    command = ["map", str(small_model), "--out", str(tmp_path / "atlas"), "--relations", "copying"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        status = main(command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out, message = capsys.readouterr()
    assert (status, out) == (1, "")
    assert message.rstrip("\n").split("\n")[-1] == f"{tmp_path / 'atlas'} cannot be written or read: File too large."
    with pytest.raises(Exception, match="contains an unfinished mapping"):
        Atlas.open(tmp_path / "atlas")
    assert main(command) == 0
    assert len(Atlas.open(tmp_path / "atlas").head_ids) == 8


def shown_to(target: str, atlas: Path) -> subprocess.CompletedProcess[str]:
    command = f"set -o pipefail; {sys.executable} -m maps show {atlas} L0H1 {target}"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(["bash", "-c", command], cwd=ROOT, env=buffered, capture_output=True, text=True, check=False)


@pytest.fixture
def brief(atlas_folder: Path) -> Path:
    """An atlas so small that the output stays in the buffer until the command ends."""
    rows = Atlas.open(atlas_folder).table("mappings").to_pylist()
    write_table(atlas_folder, "mappings", make_table("mappings", [row for row in rows if row["rank"] < 3]))
    return atlas_folder


@pytest.mark.process
def test_a_closed_pipe_is_not_an_error(mapped_once: Path, brief: Path) -> None:
    for atlas in (mapped_once, brief):
        done = shown_to("| (exec true)", atlas)
        assert (done.returncode, done.stderr) == (0, "")
    first = shown_to("| head -n 1", mapped_once)
    assert (first.returncode, first.stdout, first.stderr) == (0, "L0H1 of small\n", "")


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_cannot_be_written_is_reported(mapped_once: Path, brief: Path) -> None:
    for atlas in (mapped_once, brief):
        done = shown_to("> /dev/full", atlas)
        assert (done.returncode, done.stderr) == (1, "A file cannot be written or read: No space left on device.\n")


@pytest.mark.process
def test_an_interrupt_says_how_to_continue(tmp_path: Path) -> None:
    small = SmallModel(layers=60)
    folder = save_model_folder(tmp_path / "deep", small, random_weights(small))
    command = [sys.executable, "-m", "maps", "map", str(folder), "--out", str(tmp_path / "atlas")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (tmp_path / "atlas" / "parts" / "layer-000").is_dir():
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        out, message = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert message.rstrip("\n").split("\n")[-1] == "Stopped. Run the same command again to go on where it stopped."
    assert "Traceback" not in message
