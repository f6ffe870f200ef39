"""A mixture of experts in the place of an MLP: a router sends each row to a few of many small MLPs.

With n = norm(x), and e_1 … e_k the experts whose scores for n are the highest:

    MoE(n) = Σ_j s_j expert_{e_j}(n) + shared(n)

The shares s are the experts' scores, see `Routing`. Rows in float32 may be sent elsewhere than the same rows in float64
where two experts' scores are nearly equal. Such rows are told apart (`find_unsure`), so that float64 decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from maps.heads.mlp import Mlp
from maps.heads.norm import Norm

RouterScore = Literal["softmax", "sigmoid", "sparsemixer"]
SPARSE_MIXER_GAP = 0.02  # twice `router_jitter_noise`, which is 0.01 in all such models
UNSURE = 1e-4  # of the largest score: closer ones may change places between float32 and float64


@dataclass(frozen=True)
class Routing:
    """How a router chooses experts, and how much each counts."""

    experts: int
    chosen: int  # experts for each row
    score: RouterScore = "softmax"  # of the router's outputs
    normalises: bool = True  # the shares of the chosen experts add up to 1
    scale: float = 1.0  # of the shares
    groups: int = 1  # of experts; only the best groups' experts can be chosen
    chosen_groups: int = 1
    scored_in_group: int = 2  # the highest scores of a group that add up to the group's own
    scales_input: bool = False  # shares multiply what experts read, instead of what they write


NOT_MOVED = ("routing", "experts")  # parts of a mixture that go to a device in another way


class Routes(NamedTuple):
    """Where n rows go."""

    experts: Tensor  # (n, k) their numbers
    shares: Tensor  # (n, k)
    is_unsure: Tensor  # (n,) bool: rounding decided


@dataclass(frozen=True)
class Mixture:
    """The weights of a router and its experts. Experts keep the precision of the checkpoint."""

    norm: Norm | None
    routing: Routing
    router: Tensor  # (experts, d)
    experts: Sequence[Mlp]  # without norms
    router_bias: Tensor | None = None  # (experts,)
    choice_bias: Tensor | None = None  # (experts,) is added to the scores to choose, but not to the shares
    shared: Mlp | None = None  # an MLP that every row goes through as well
    shared_gate: Tensor | None = None  # (1, d): its share is the sigmoid of this times the row
    router_norm: Norm | None = None  # in front of the router, where it does not read what the experts read
    expert_scales: Tensor | None = None  # (experts,) factors of the shares
    post_norm: Norm | None = None  # behind the experts
    shared_post_norm: Norm | None = None  # behind the shared MLP
    latent_in: Tensor | None = None  # (l, d): the experts read and write a shorter vector
    latent_out: Tensor | None = None  # (d, l)

    def to(self, target: torch.device | torch.dtype) -> Mixture:
        parts = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in NOT_MOVED}
        moved = {name: part.to(target) for name, part in parts.items() if part is not None}
        return replace(self, experts=[expert.to(target) for expert in self.experts], **moved)

    def apply(self, rows: Tensor) -> Tensor:
        """MoE(norm(rows)), (n, d) to (n, d), in the precision of the rows."""
        x = apply_norm(self.norm, rows)
        out = apply_norm(self.post_norm, self.apply_experts(x, self.route(rows)))
        if self.shared is None:
            return out
        shared = apply_norm(self.shared_post_norm, self.shared.apply(x if self.shared.norm is None else rows))
        share = 1 if self.shared_gate is None else torch.sigmoid(linear(x, self.shared_gate.to(x.dtype)))
        return out + shared * share

    def apply_experts(self, x: Tensor, routes: Routes) -> Tensor:
        """Σ_j s_j expert_{e_j}(x), (n, d) to (n, d)."""
        x = x if self.latent_in is None else linear(x, self.latent_in.to(x.dtype))
        out = torch.zeros_like(x)
        for number in routes.experts.unique().tolist():
            row, rank = (routes.experts == number).nonzero(as_tuple=True)
            expert, share = self.experts[number], routes.shares[row, rank, None]
            written = expert.apply(x[row] * share) if self.routing.scales_input else expert.apply(x[row]) * share
            out.index_add_(0, row, written)
        return out if self.latent_out is None else linear(out, self.latent_out.to(x.dtype))

    def find_unsure(self, rows: Tensor) -> Tensor:
        """Which of the rows (n, d) may go to other experts in another precision, (n,) bool."""
        return self.route(rows).is_unsure

    def route(self, rows: Tensor) -> Routes:
        """Where rows (n, d), before any norm, go."""
        x = apply_norm(self.router_norm or self.norm, rows)
        bias = None if self.router_bias is None else self.router_bias.to(x.dtype)
        outputs = linear(x, self.router.to(x.dtype), bias)
        near = UNSURE * outputs.abs().amax(1).clamp(min=1)
        if self.routing.score == "sparsemixer":
            return route_by_sparse_mixer(outputs, self.routing.chosen, near)
        routes = self.choose_experts(outputs, near)
        if self.expert_scales is None:
            return routes
        return routes._replace(shares=routes.shares * self.expert_scales.to(x.dtype)[routes.experts])

    def choose_experts(self, outputs: Tensor, near: Tensor) -> Routes:
        """Where rows go by the router's outputs (n, experts); `near` (n,) is the distance that can be told apart."""
        routing, n = self.routing, len(outputs)
        scores = outputs.softmax(1) if routing.score == "softmax" else outputs.sigmoid()
        choice = outputs if routing.score == "softmax" and routing.groups == 1 else scores  # softmax keeps the order
        if self.choice_bias is not None:
            choice = choice + self.choice_bias.to(outputs.dtype)
        is_unsure = torch.zeros(n, dtype=torch.bool, device=outputs.device)
        if routing.groups > 1:
            by_group = choice.view(n, routing.groups, -1)
            of_group = by_group.topk(routing.scored_in_group, 2).values.sum(2)
            best = take_best(of_group, routing.chosen_groups, near)
            is_unsure |= best.is_unsure
            others = torch.ones_like(of_group, dtype=torch.bool).scatter(1, best.places, value=False)
            choice = by_group.masked_fill(others[:, :, None], -torch.inf).view(n, -1)
        best = take_best(choice, routing.chosen, near)
        shares = scores.gather(1, best.places)
        if routing.normalises:
            shares = shares / shares.sum(1, keepdim=True)
        return Routes(best.places, shares * routing.scale, is_unsure | best.is_unsure)


def apply_norm(norm: Norm | None, rows: Tensor) -> Tensor:
    return rows if norm is None else norm.apply(rows)


def route_by_sparse_mixer(outputs: Tensor, chosen: int, near: Tensor) -> Routes:
    """Where rows go by Phi-MoE's rule (arXiv 2409.12136, without its noise).

    Experts are chosen one after the other. Each one's share is its softmax among those not yet chosen whose output is
    at most SPARSE_MIXER_GAP below it, as a share of the larger of its output and their own size.
    """
    rest, places, shares = outputs, [], []
    is_unsure = torch.zeros(len(outputs), dtype=torch.bool, device=outputs.device)
    for _ in range(chosen):
        best, place = rest.max(1, keepdim=True)
        gaps = (best - outputs) / outputs.abs().maximum(best)
        shares.append(rest.masked_fill(gaps > SPARSE_MIXER_GAP, -torch.inf).softmax(1).gather(1, place))
        places.append(place)
        rest = rest.scatter(1, place, -torch.inf)
        is_unsure |= best[:, 0] - rest.amax(1) < near
        is_unsure |= ((gaps - SPARSE_MIXER_GAP).abs() < UNSURE).any(1)
    return Routes(torch.cat(places, 1), torch.cat(shares, 1), is_unsure)


class Best(NamedTuple):
    """The highest of some values."""

    places: Tensor  # (n, k)
    is_unsure: Tensor  # (n,) the next value is nearly as high


def take_best(values: Tensor, count: int, near: Tensor) -> Best:
    """The `count` highest values of each row (n, m); `near` (n,) is the distance that can be told apart."""
    highest = values.topk(min(count + 1, values.shape[1]), 1)
    if highest.values.shape[1] == count:
        return Best(highest.indices, torch.zeros_like(near, dtype=torch.bool))
    return Best(highest.indices[:, :count], highest.values[:, count - 1] - highest.values[:, count] < near)
