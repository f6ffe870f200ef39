"""Reads a block's MLP, or the mixture of experts in its place, with the norm in front of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import Tensor

from maps.errors import MapsError
from maps.heads.mixture import Mixture, Routing
from maps.heads.mlp import ACTIVATIONS, UP_ACTIVATIONS, XIELU, Mlp, Xielu
from maps.heads.norm import Norm
from maps.weights.checkpoint import Checkpoint
from maps.weights.packed import unpack_mxfp4

PARTS = ("gate", "up", "down")


def read_mlp(checkpoint: Checkpoint, layer: int | None = None) -> Mlp | Mixture:
    """A block's MLP, by default the first; a mixture where it has a router. Raises MapsError if a shape is wrong.

    An MLP is in float32, the experts of a mixture are as the checkpoint stores them.
    """
    layer, routing = checkpoint.shape.first_mlp if layer is None else layer, checkpoint.shape.routing
    if routing is not None and checkpoint.find_tensor_name("mlp_router", layer) is not None:
        return MlpReader(checkpoint, layer).read_mixture(routing)
    return MlpReader(checkpoint, layer).read_dense()


class MlpReader:
    """Reads the parts of one block's MLP."""

    def __init__(self, checkpoint: Checkpoint, layer: int) -> None:
        self.checkpoint, self.layer = checkpoint, layer
        self.layout, self.width = checkpoint.layout, checkpoint.shape.width

    def read_dense(self) -> Mlp:
        parts: dict[str, Any] = {name: self.read_float(f"mlp_{name}") for name in PARTS}
        both = self.read_float("mlp_gate_up")
        if both is not None:
            parts["gate"], parts["up"] = both.tensor_split(2)
        biases = {f"{name}_bias": self.checkpoint.bias(f"mlp_{name}", self.layer) for name in PARTS}
        return self.build(parts | biases, self.checkpoint.norm("mlp_norm", self.layer))

    def read_mixture(self, routing: Routing) -> Mixture:
        checkpoint, layer = self.checkpoint, self.layer
        router, bias = self.read_float("mlp_router"), checkpoint.bias("mlp_router", layer)
        scales = self.read_float("mlp_expert_scales")
        latent_in, latent_out = self.read_float("mlp_latent_in"), self.read_float("mlp_latent_out")
        inner = self.width if latent_in is None else len(latent_in)
        choice_bias, share = self.read_float("mlp_choice_bias"), self.read_float("mlp_shared_share")
        if share is not None and share.ndim == 1:  # GGUF files store it so
            share = share[None]
        per_expert = (routing.experts,)
        shapes = [((routing.experts, self.width), router), (per_expert, choice_bias), (per_expert, scales)]
        shapes += [((1, self.width), share), ((inner, self.width), latent_in), ((self.width, inner), latent_out)]
        if router is None or any(x is not None and tuple(x.shape) != shape for shape, x in shapes):
            raise self.wrong_shapes()
        if checkpoint.find_tensor_name("mlp_experts_norm", layer) is not None:
            return self.read_side_by_side(routing, router, scales)
        shared: dict[str, Any] = {name: self.read_float(f"mlp_shared_{name}") for name in PARTS}
        both = self.read_float("mlp_shared_gate_up")
        if both is not None:
            shared["gate"], shared["up"] = both.tensor_split(2)
        return Mixture(
            checkpoint.norm("mlp_norm", layer),
            routing,
            router,
            self.read_experts(routing.experts, inner),
            bias,
            choice_bias,
            None if shared["up"] is None else self.build(shared),
            share,
            latent_in=latent_in,
            latent_out=latent_out,
        )

    def read_side_by_side(self, routing: Routing, router: Tensor, scales: Tensor | None) -> Mixture:
        """A plain MLP and a mixture that both read the stream, with norms of their own in front and behind."""
        checkpoint, layer = self.checkpoint, self.layer
        gain = self.read_float("mlp_router_gain")
        if gain is None or tuple(gain.shape) != (self.width,):
            raise self.wrong_shapes()
        return Mixture(
            checkpoint.norm("mlp_experts_norm", layer),
            routing,
            router,
            self.read_experts(routing.experts, self.width),
            shared=self.read_dense(),
            router_norm=Norm(gain / self.width**0.5, checkpoint.shape.epsilon),
            expert_scales=scales,
            post_norm=checkpoint.norm("mlp_experts_post_norm", layer),
            shared_post_norm=checkpoint.norm("mlp_dense_post_norm", layer),
        )

    def read_experts(self, count: int, width: int) -> list[Mlp]:
        """The experts, from a tensor for each or from tensors of all; `width`: of what they read and write."""
        if self.checkpoint.find_tensor_name("mlp_expert_up", self.layer) is not None:
            each = [{name: self.read(f"mlp_expert_{name}", number) for name in PARTS} for number in range(count)]
            return [self.build(parts, width=width) for parts in each]
        joint: dict[str, Any] = {name: self.read_packed(f"mlp_experts_{name}") for name in PARTS}
        joint |= {f"{name}_bias": self.checkpoint.bias(f"mlp_experts_{name}", self.layer) for name in PARTS}
        both, both_bias = self.read_packed("mlp_experts_gate_up"), self.read("mlp_experts_gate_up_bias")
        down_bias = self.read("mlp_experts_down_bias")
        joint["down_bias"] = joint["down_bias"] if down_bias is None else down_bias
        if joint["down"] is None or (both is None and joint["up"] is None):
            raise self.wrong_shapes()
        if self.layout.experts_inputs_first:
            both, joint["down"] = None if both is None else both.mT, joint["down"].mT
        if both is not None:
            joint["gate"], joint["up"] = self.split(both)
        if both_bias is not None:
            joint["gate_bias"], joint["up_bias"] = self.split(both_bias)
        if any(part is not None and len(part) != count for part in joint.values()):
            raise self.wrong_shapes()
        return [
            self.build({name: None if part is None else part[number] for name, part in joint.items()}, width=width)
            for number in range(count)
        ]

    def split(self, both: Tensor) -> tuple[Tensor, Tensor]:
        """Gate and up of all experts, (experts, 2 inner, …) to (experts, inner, …) each."""
        if self.layout.experts_interleaved:
            return both[:, ::2], both[:, 1::2]
        gate, up = both.tensor_split(2, 1)
        return gate, up

    def read(self, role: str, expert: int = 0) -> Any:
        """A role's tensor as it is stored; None if there is none."""
        name = self.checkpoint.find_tensor_name(role, self.layer, expert)
        return None if name is None else self.checkpoint.read(name)

    def read_packed(self, role: str) -> Any:
        """The same, unpacked if it is in MXFP4."""
        checkpoint = self.checkpoint
        name, scales = (checkpoint.find_tensor_name(each, self.layer) for each in (role, f"{role}_scales"))
        if name is None or scales is None:
            return self.read(role)
        try:
            return unpack_mxfp4(checkpoint.source.read(name), checkpoint.source.read(scales))
        except ValueError as error:
            raise MapsError(f"The tensor {name} of {checkpoint.model} cannot be read: {error}.") from error

    def read_float(self, role: str) -> Tensor | None:
        """A weight, (outputs, inputs), or another tensor of the MLP in float32; None if there is none."""
        tensor: Tensor | None = self.read(role)
        if tensor is None:
            return None
        tensor = self.checkpoint.shape.scale(role, tensor.float())
        return tensor.T.contiguous() if self.layout.mlp_inputs_first else tensor

    def build(self, tensors: dict[str, Any], norm: Any = None, width: int | None = None) -> Mlp:
        """An MLP from its tensors; raises MapsError if their shapes do not fit each other."""
        d, inner = width or self.width, 0 if tensors["up"] is None else len(tensors["up"])
        shapes: dict[str, tuple[int, ...]] = {"gate": (inner, d), "up": (inner, d), "down": (d, inner)}
        shapes |= {f"{name}_bias": shape[:1] for name, shape in shapes.items()}
        wrong = [name for name, x in tensors.items() if x is not None and tuple(x.shape) != shapes[name]]
        if wrong or not inner or tensors["down"] is None:
            raise self.wrong_shapes()
        up_activation = UP_ACTIVATIONS.get(self.checkpoint.shape.activation)
        return Mlp(norm, **tensors, activation=self.read_activation(), up_activation=up_activation)

    def read_activation(self) -> Callable[[Tensor], Tensor]:
        if self.checkpoint.shape.activation != XIELU:
            return ACTIVATIONS[self.checkpoint.shape.activation]
        numbers = [self.read(f"mlp_{each.name}") for each in fields(Xielu)]
        if any(number is None or number.numel() != 1 for number in numbers):
            raise self.wrong_shapes()
        return Xielu(*(float(number) for number in numbers))

    def wrong_shapes(self) -> MapsError:
        return MapsError(
            f"The MLP {self.layer} of {self.checkpoint.model} has tensors whose shapes do not fit its width "
            f"{self.width}."
        )
