"""A mixture of experts in the place of an MLP: a router sends each row to a few of many small MLPs.

With n = norm(x), and e_1 … e_k the experts whose scores for n are the highest:

    MoE(n) = Σ_j s_j expert_{e_j}(n) + shared(n)

The shares s are the experts' scores, see `Routing`. Rows in float32 may be sent elsewhere than the same rows in float64
where two experts' scores are nearly equal. Such rows are told apart (`find_unsure`), so that float64 decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from maps.heads.mlp import Mlp
from maps.heads.norm import Norm

UNSURE = 1e-4  # of the largest score: closer ones may change places between float32 and float64


@dataclass(frozen=True)
class Routing:
    """How a router chooses experts, and how much each counts."""

    experts: int
    chosen: int  # experts for each row
    score: Literal["softmax", "sigmoid"] = "softmax"  # of the router's outputs
    normalises: bool = True  # the shares of the chosen experts add up to 1
    scale: float = 1.0  # of the shares
    groups: int = 1  # of experts; only the best groups' experts can be chosen
    chosen_groups: int = 1


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

    def to(self, target: torch.device | torch.dtype) -> Mixture:
        names = ("norm", "router", "router_bias", "choice_bias", "shared", "shared_gate")
        parts = {name: getattr(self, name) for name in names}
        moved = {name: part.to(target) for name, part in parts.items() if part is not None}
        return replace(self, experts=[expert.to(target) for expert in self.experts], **moved)

    def apply(self, rows: Tensor) -> Tensor:
        """MoE(norm(rows)), (n, d) to (n, d), in the precision of the rows."""
        x = rows if self.norm is None else self.norm.apply(rows)
        routes, out = self.route(x), torch.zeros_like(x)
        for number in routes.experts.unique().tolist():
            row, rank = (routes.experts == number).nonzero(as_tuple=True)
            out.index_add_(0, row, self.experts[number].apply(x[row]) * routes.shares[row, rank, None])
        if self.shared is None:
            return out
        share = 1 if self.shared_gate is None else torch.sigmoid(linear(x, self.shared_gate.to(x.dtype)))
        return out + self.shared.apply(x) * share

    def find_unsure(self, rows: Tensor) -> Tensor:
        """Which of the rows (n, d) may go to other experts in another precision, (n,) bool."""
        return self.route(rows if self.norm is None else self.norm.apply(rows)).is_unsure

    def route(self, x: Tensor) -> Routes:
        """Where rows (n, d), normed, go."""
        routing, n = self.routing, len(x)
        bias = None if self.router_bias is None else self.router_bias.to(x.dtype)
        outputs = linear(x, self.router.to(x.dtype), bias)
        scores = outputs.softmax(1) if routing.score == "softmax" else outputs.sigmoid()
        choice = outputs if routing.score == "softmax" else scores  # softmax keeps the order
        if self.choice_bias is not None:
            choice = choice + self.choice_bias.to(x.dtype)
        near = UNSURE * outputs.abs().amax(1).clamp(min=1)
        is_unsure = torch.zeros(n, dtype=torch.bool, device=x.device)
        if routing.groups > 1:
            by_group = choice.view(n, routing.groups, -1)
            best = take_best(by_group.topk(2, 2).values.sum(2), routing.chosen_groups, near)
            is_unsure |= best.is_unsure
            others = torch.ones(n, routing.groups, dtype=torch.bool, device=x.device).scatter(
                1, best.places, value=False
            )
            choice = by_group.masked_fill(others[:, :, None], -torch.inf).view(n, -1)
        best = take_best(choice, routing.chosen, near)
        shares = scores.gather(1, best.places)
        if routing.normalises:
            shares = shares / shares.sum(1, keepdim=True)
        return Routes(best.places, shares * routing.scale, is_unsure | best.is_unsure)


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
