"""What cannot be read is refused in one sentence that names the real cause and says what to do."""

from __future__ import annotations

import importlib.util
import json
import re
from importlib.machinery import ModuleSpec
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import maps.weights.folder
from maps.errors import MapsError
from maps.weights.hub import open_hub_model
from maps.weights.open import open_checkpoint
from tests.hub.loopback import LoopbackHub
from tests.small_models import SmallModel, gguf_name, random_weights, save_gguf, save_model_folder

NAME = "tester/small"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()))


def refusal(name: Path) -> str:
    with pytest.raises(MapsError) as caught:
        open_checkpoint(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def hub_refusal(hub: LoopbackHub, folder: Path, home: Path) -> str:
    hub.add_model(NAME, folder)
    with pytest.raises(MapsError) as caught:
        open_hub_model(NAME, None, hub.client(), home, waits=(0.0,))
    return str(caught.value)


QUANTISED = (
    "small holds weights quantised with {}, which are not read; use the unquantised model, or a .gguf file of it."
)


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}, "GPTQ (4 bits)"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "AWQ (4 bits)"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "bitsandbytes (4 bits)"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "bitsandbytes (8 bits)"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"quantization_config": {"quant_method": "something new"}}, "something new"),
        ({"quantization_config": "odd"}, "an unknown method"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "MLX (4 bits)"),
        ({"quantization": {"bits": 8}, "quantization_config": {"group_size": 64, "bits": 8}}, "MLX (8 bits)"),
    ],
)
def test_the_kind_of_quantisation_is_that_of_the_configuration(
    entries: dict[str, object], kind: str, hub: LoopbackHub, tmp_path: Path
) -> None:
    folder = save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()), **entries)
    (folder / "model.safetensors").write_bytes(b"numbers of types that no version of the library knows")
    assert refusal(folder) == QUANTISED.format(kind)
    assert hub_refusal(hub, folder, tmp_path / "home") == QUANTISED.format(kind).replace("small", NAME)


def quantised(ends: dict[str, Tensor]) -> dict[str, Tensor]:
    """The small model with the weights of its projections replaced by tensors of these endings."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in random_weights(SmallModel()).items():
        if "_proj." not in name:
            tensors[name] = tensor
        if "_proj." in name:
            tensors |= {name.removesuffix(".weight") + end: x.clone() for end, x in ends.items()}
    return tensors


INTEGERS, SCALES = torch.zeros(4, 4, dtype=torch.int32), torch.ones(4)


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        ({".qweight": INTEGERS, ".qzeros": INTEGERS, ".scales": SCALES, ".g_idx": INTEGERS}, "GPTQ"),
        ({".qweight": INTEGERS, ".qzeros": INTEGERS, ".scales": SCALES}, "AWQ"),
        ({".weight": INTEGERS, ".weight.absmax": SCALES, ".weight.quant_map": SCALES}, "bitsandbytes (4 bits)"),
        ({".weight": INTEGERS, ".SCB": SCALES}, "bitsandbytes (8 bits)"),
        ({".weight_packed": INTEGERS, ".weight_scale": SCALES}, "compressed-tensors"),
        ({".weight": INTEGERS.to(torch.uint32), ".scales": SCALES, ".biases": SCALES}, "MLX"),
    ],
)
def test_the_kind_of_quantisation_is_seen_in_the_tensors_names(
    ends: dict[str, Tensor], kind: str, tmp_path: Path, hub: LoopbackHub
) -> None:
    folder = save_model_folder(tmp_path / "small", SmallModel(), quantised(ends))
    assert refusal(folder) == QUANTISED.format(kind)
    assert hub_refusal(hub, folder, tmp_path / "home") == QUANTISED.format(kind).replace("small", NAME)


@pytest.mark.parametrize(("model_type", "method"), [("minicpm3", "fp8"), ("dbrx", "gptq")])
def test_a_family_that_is_not_supported_is_named_before_its_quantisation(
    model_type: str, method: str | None, tmp_path: Path
) -> None:
    """A .gguf file of it could not be read either."""
    entries = {"model_type": model_type, "quantization_config": method and {"quant_method": method}}
    message = refusal(save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()), **entries))
    assert message.startswith(f"small has the model type {model_type}, which is not supported; supported are ")
    assert "gguf" not in message


def test_a_configuration_without_a_model_type_is_named(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    assert refusal(folder) == (
        "The config.json of small has no model_type, so the family of the model is not known; add the entry, or "
        "download the model again."
    )


ADAPTER = {"peft_type": "LORA", "base_model_name_or_path": "tester/base"}
MERGE = (
    "is an adapter (LoRA) for tester/base, not a model; merge it into tester/base with merge_and_unload() of the "
    "package peft, save the result, and give its folder."
)


@pytest.mark.parametrize("has_config", [False, True])
def test_an_adapter_is_to_be_merged(has_config: bool, folder: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(ADAPTER))
    if not has_config:
        (folder / "config.json").unlink()
    assert refusal(folder) == f"{folder} {MERGE}"
    assert hub_refusal(hub, folder, tmp_path / "home") == f"{NAME} on the Hub {MERGE}"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("small.Q4_K_M.gguf", "has its weights as a GGUF file, small.Q4_K_M.gguf; give the path of that file."),
        ("tf_model.h5", "has its weights only as tf_model.h5, which is not read; use its safetensors files."),
        ("consolidated.00.pth", "has its weights only as consolidated.00.pth, which is not read; use its safetensors"),
        ("optimizer.pt", "has a config.json but no *.safetensors file and no pytorch_model.bin; add the model's"),
    ],
)
def test_weights_of_another_format_are_named(
    file: str, said: str, folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    (folder / "model.safetensors").rename(folder / file)
    assert refusal(folder).startswith(f"{folder} {said}")
    assert hub_refusal(hub, folder, tmp_path / "home").startswith(f"{NAME} on the Hub {said}")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("small.gguf", "has its weights as a GGUF file, small.gguf; give the path of that file."),
        ("params.json", "is in the format of the model's makers (params.json), which is not read; use its version for"),
    ],
)
def test_a_folder_without_a_configuration_says_what_it_is(file: str, said: str, folder: Path) -> None:
    (folder / "config.json").rename(folder / file)
    assert refusal(folder).startswith(f"{folder} {said}")


SENTENCEPIECE, TIKTOKEN = b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02", b"IQ== 0\nIg== 1\n"


@pytest.mark.parametrize(("content", "package"), [(SENTENCEPIECE, "sentencepiece"), (TIKTOKEN, "tiktoken")])
def test_the_package_that_a_tokenizer_needs_is_named(
    content: bytes, package: str, folder: Path, hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(name: str) -> ModuleSpec | None:
        return None if name == package else importlib.util.find_spec(name)

    monkeypatch.setattr(maps.weights.folder, "find_spec", without)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(content)
    advice = f"run `python -m pip install {package}`, or put the model's tokenizer.json there."
    assert refusal(folder) == f"{folder}/tokenizer.model can only be read with the package {package}: {advice}"
    assert hub_refusal(hub, folder, tmp_path / "home").endswith(advice)


@pytest.mark.parametrize("name", ["tekken.json", "tiktoken.model"])
def test_a_tokenizer_in_its_makers_own_format_is_named(
    name: str, folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    (folder / "tokenizer.json").rename(folder / name)
    said = f"has its tokenizer only as {name}, a format of its makers, which is not read; put the model's"
    assert refusal(folder) == f"{folder} {said} tokenizer.json there."
    assert said in hub_refusal(hub, folder, tmp_path / "home")


@pytest.mark.parametrize(("name", "title"), [("Small.GGUF", "Small"), ("sha256-0a1b", "sha256-0a1b")])
def test_a_gguf_file_is_known_by_its_beginning(name: str, title: str, tmp_path: Path) -> None:
    small = SmallModel()
    file = save_gguf(tmp_path / "small.gguf", small, random_weights(small)).rename(tmp_path / name)
    assert open_checkpoint(str(file)).model == title


def test_a_missing_gguf_file_is_not_looked_for_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(Path("nothing.GGUF")).startswith("There is no file or folder nothing.GGUF; give a Hub id,")


def test_one_file_of_a_model_is_not_the_model(folder: Path, tmp_path: Path) -> None:
    torch.save(random_weights(SmallModel()), folder / "pytorch_model.bin")
    blob = tmp_path / "0a1b2c"
    blob.write_bytes((folder / "model.safetensors").read_bytes())
    for name in ("model.safetensors", "pytorch_model.bin", "config.json"):
        assert refusal(folder / name) == f"{folder / name} is one file of a model; give its folder, {folder}."
    alone = "is one file of a model; give a folder that holds it with its config.json and its tokenizer."
    assert refusal(blob) == f"{blob} {alone}"


@pytest.mark.parametrize("magic", [b"lmgg", b"tjgg"])
def test_a_file_older_than_gguf_is_named(magic: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ggml-model-q4_0.bin"
    file.write_bytes(magic + bytes(60))
    assert refusal(file) == (
        f"{file} is in the GGML format, which is older than GGUF and not read; use a .gguf file of the model."
    )


def test_a_gguf_file_with_a_tensor_for_each_expert_is_refused(tmp_path: Path) -> None:
    """As older files of Mixtral have it."""
    pattern = r"blk\.(\d+)\.ffn_(gate|up|down)\.weight"
    names = {
        name: re.sub(pattern, lambda m: f"blk.{m[1]}.ffn_{m[2]}.0.weight", gguf_name(name))
        for name in random_weights(SmallModel())
    }
    file = save_gguf(
        tmp_path / "m.gguf", SmallModel(), {names[name]: x for name, x in random_weights(SmallModel()).items()}
    )
    assert refusal(file) == (
        f"{file} keeps every expert in a tensor of its own, as files of before April 2024 did, which is not read; "
        "use a newer file of the model."
    )


def test_a_mixture_of_experts_of_another_family_is_named(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(file, "phi3")
    writer.add_tensor("blk.0.ffn_up_exps.weight", torch.zeros(2, 4, 4).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert refusal(file) == (
        "m is a mixture of experts of the family phi3, which is read without experts only; use a model without experts."
    )


def test_a_gguf_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_type("adapter")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert refusal(file) == f"{file} is an adapter, not a model; merge it into its model with `llama-export-lora`."
    content = file.read_bytes()
    file.write_bytes(content.replace(b"general.architecture", b"general.xrchitecture"))
    assert "is an adapter" in refusal(file)
    file.write_bytes(file.read_bytes().replace(b"adapter", b"another"))
    assert (
        refusal(file) == f"{file} does not say its general.architecture, so the family is not known; use another file."
    )
    file.write_bytes(b"GGUF" + (3).to_bytes(4, "big") + content[8:])
    assert refusal(file).startswith(f"{file} is a GGUF file of version 50331648; only little-endian files of versions")


def test_two_tensors_of_one_name_in_a_gguf_file_are_refused(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "m.gguf", SmallModel(), random_weights(SmallModel()))
    file.write_bytes(file.read_bytes().replace(b"blk.1.attn_v.weight", b"blk.0.attn_v.weight"))
    assert refusal(file).startswith(f"{file} is not a complete GGUF file")


def test_nothing_is_said_of_a_model_that_can_be_read(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file({"x": torch.zeros(2)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(ADAPTER))
    assert open_checkpoint(str(folder)).vocabulary.rowless == 0
    assert caplog.messages == []
