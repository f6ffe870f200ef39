"""Weights in FP8 and MXFP4, against their definition and against what transformers unpacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from maps.errors import MapsError
from maps.heads.mixture import Mixture
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.weights.mlp_reader import read_mlp
from maps.weights.open import open_checkpoint
from maps.weights.packed import MXFP4_VALUES, unpack_fp8, unpack_mxfp4
from tests.families import build_model
from tests.small_models import SmallModel, random_weights, save_model_folder

BLOCK = (12, 16)


def pack_fp8(weight: Tensor, form: str) -> tuple[Tensor, Tensor]:
    """A weight in FP8 with its scales, of the whole, of each row or of each block."""
    n, m = weight.shape
    rows, columns = {"whole": (n, m), "rows": (1, m), "blocks": BLOCK}[form]
    scale = torch.empty(-(-n // rows), -(-m // columns))
    packed = torch.empty(n, m, dtype=torch.float8_e4m3fn)
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            at = slice(i * rows, (i + 1) * rows), slice(j * columns, (j + 1) * columns)
            scale[i, j] = weight[at].abs().max() / 448
            packed[at] = (weight[at] / scale[i, j]).to(torch.float8_e4m3fn)
    return packed, scale


@pytest.mark.parametrize(
    ("form", "ending", "config"),
    [
        ("blocks", "_scale_inv", {"quant_method": "fp8", "weight_block_size": list(BLOCK)}),
        ("whole", "_scale_inv", {"quant_method": "fp8"}),
        ("rows", "_scale", {"quant_method": "fbgemm_fp8"}),
        ("rows", "_scale", {"quant_method": "compressed-tensors", "format": "float-quantized"}),
    ],
)
def test_a_checkpoint_in_fp8_is_read_as_its_weights_times_their_scales(
    form: str, ending: str, config: dict[str, object], tmp_path: Path
) -> None:
    tensors, plain = {}, random_weights(SmallModel())
    for name, weight in random_weights(SmallModel()).items():
        if "_proj" in name:
            tensors[name], scale = pack_fp8(weight.float(), form)
            tensors[name + ending] = scale
            sizes = [-(-n // count) for n, count in zip(weight.shape, scale.shape, strict=True)]
            rows, columns = BLOCK if form == "blocks" else sizes
            spread = scale.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
            plain[name] = tensors[name].float() * spread[: weight.shape[0], : weight.shape[1]]
        else:
            tensors[name] = weight
    packed = save_model_folder(tmp_path / "packed", SmallModel(), tensors, quantization_config=config)
    unpacked = save_model_folder(tmp_path / "unpacked", SmallModel(), plain)
    ours, wanted = open_checkpoint(str(packed)), open_checkpoint(str(unpacked))
    needed = wanted.needed_tensors(range(SmallModel().layers))
    assert all(torch.equal(ours.read(name), wanted.read(name)) for name in needed)
    assert {name + ending for name in needed if "_proj" in name} <= set(ours.needed_tensors(range(SmallModel().layers)))
    atlases = [map_model(str(each), tmp_path / each.name / "atlas", MappingSettings(())) for each in (packed, unpacked)]
    mappings = [[atlas.mappings(head) for head in atlas.head_ids] for atlas in atlases]
    assert mappings[0] == mappings[1]


def test_other_scales_are_another_model(tmp_path: Path) -> None:
    weights = dict(random_weights(SmallModel()))
    name = "model.layers.0.self_attn.v_proj.weight"
    weights[name], weights[name + "_scale_inv"] = pack_fp8(weights[name].float(), "blocks")
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": list(BLOCK)}}
    one = open_checkpoint(str(save_model_folder(tmp_path / "one", SmallModel(), weights, **config)))
    weights[name + "_scale_inv"] = weights[name + "_scale_inv"] * 2
    other = open_checkpoint(str(save_model_folder(tmp_path / "other", SmallModel(), weights, **config)))
    assert one.weights != other.weights


@pytest.mark.parametrize("block", [[16], "odd", [0, 16], [16, 16.5]])
def test_an_odd_block_size_is_refused(block: object, tmp_path: Path) -> None:
    entries = {"quantization_config": {"quant_method": "fp8", "weight_block_size": block}}
    folder = save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()), **entries)
    with pytest.raises(MapsError, match=r"^The weight_block_size in config\.json, .*, is not two whole numbers\.$"):
        open_checkpoint(str(folder))


def test_scales_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^scales of shape \(3, 3\) do not fit weights of shape \(32, 32\)$"):
        unpack_fp8(torch.zeros(32, 32).to(torch.float8_e4m3fn), torch.ones(3, 3), (16, 16))
    with pytest.raises(ValueError, match="do not fit"):
        unpack_mxfp4(torch.zeros(2, 3, 16, dtype=torch.uint8), torch.zeros(2, 4, dtype=torch.uint8))


def random_mxfp4(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (*shape, 16), generator=generator, dtype=torch.uint8)
    return blocks, torch.randint(118, 128, shape, generator=generator, dtype=torch.uint8)


def test_mxfp4_is_unpacked_as_transformers_does() -> None:
    blocks, scales = random_mxfp4(5, 12, 3)
    ours = unpack_mxfp4(blocks, scales)
    assert ours.shape == (5, 12, 96)
    assert torch.equal(ours.mT, convert_moe_packed_tensors(blocks, scales))
    low, high = int(blocks[1, 2, 0, 0]) & 15, int(blocks[1, 2, 0, 0]) >> 4
    signed = [*MXFP4_VALUES, *(-value for value in MXFP4_VALUES)]
    scale = 2.0 ** (int(scales[1, 2, 0]) - 127)
    assert ours[1, 2, :2].tolist() == [signed[low] * scale, signed[high] * scale]


@pytest.mark.transformers
def test_gpt_oss_is_read_with_experts_in_mxfp4(tmp_path: Path) -> None:
    """The same experts, packed and as transformers unpacks them, give the same rows."""
    build_model("gpt_oss", tmp_path / "plain")
    (tmp_path / "packed").mkdir()
    for file in ("config.json", "tokenizer.json"):
        (tmp_path / "packed" / file).write_bytes((tmp_path / "plain" / file).read_bytes())
    config = json.loads((tmp_path / "plain" / "config.json").read_text()) | {"intermediate_size": 64}
    for folder in ("plain", "packed"):
        quantised = {"quantization_config": {"quant_method": "mxfp4"}} if folder == "packed" else {}
        (tmp_path / folder / "config.json").write_text(json.dumps(config | quantised))
    plain = load_file(tmp_path / "plain" / "model.safetensors")
    packed = dict(plain)
    for layer in range(3):
        start = f"model.layers.{layer}.mlp.experts."
        for part, shape in (("gate_up_proj", (5, 128, 1)), ("down_proj", (5, 32, 2))):
            blocks, scales = random_mxfp4(*shape, seed=layer)
            plain[start + part] = convert_moe_packed_tensors(blocks, scales).contiguous()
            packed |= {f"{start}{part}_blocks": blocks, f"{start}{part}_scales": scales}
            del packed[start + part]
        bias = torch.randn(5, 128)
        plain[f"{start}gate_up_proj_bias"] = packed[f"{start}gate_up_proj_bias"] = bias
    save_file(plain, tmp_path / "plain" / "model.safetensors")
    save_file(packed, tmp_path / "packed" / "model.safetensors")
    rows = torch.randn(40, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mixtures = [read_mlp(open_checkpoint(str(tmp_path / folder)), 1) for folder in ("plain", "packed")]
    assert all(isinstance(mixture, Mixture) for mixture in mixtures)
    torch.testing.assert_close(mixtures[0].apply(rows), mixtures[1].apply(rows), rtol=1e-12, atol=1e-12)
