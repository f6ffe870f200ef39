"""What this is, how it works, how to cite it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import gradio as gr

from annotation.form import CONSENT_SENTENCE, GUIDELINES
from space.services import Services

ABOUT_TEXT = """\
# About

This app shows what the attention heads of language models do, read from their weights alone: no training, no
inference. It follows MAPS (*Inferring Functionality of Attention Heads from their Parameters*, Amit Elhelo and Mor
Geva).

**How a head is read.** A head turns what it attends to by its value and output weights. Between the embedding on one
side and the unembedding on the other this is a table M with a score for every pair of tokens: how strongly the head
promotes the target when it attends to the source. The table is never formed; what is shown of it is

- *mappings*: the thirty tokens on which the head acts most strongly for their length (saliency), each with the five
  targets that it promotes most;
- *relations*: for lists of pairs such as country to capital, the share of pairs whose target is among the most
  promoted tokens of its source (score), or among the most demoted (suppression). A head implements a relation from a
  score of {tau:g} on.

**Who wrote the descriptions.** Each names its describer. The *offline* describer is a fixed set of rules, a floor to
compare with; it is neither a language model nor a person.

**How to read tokens.** A raised dot is a space, ⏎ a newline, ⇥ a tab, `\\xE2` a byte that is no text.

## Guidelines for judging

{guidelines}

## What is stored

{consent} What exactly, where, and how to withdraw is on the page [Privacy](privacy).

## From programs

Each page of the explorer is an endpoint of this app's API, which the Python package `gradio_client` calls:

    from gradio_client import Client

    app = Client("the address of this app")
    app.predict(api_name="/models")
    app.predict(model="{first}", layer=0, head=0, api_name="/head")

| endpoint | gives |
|---|---|
{endpoints}

The same functions are tools for language models where whoever runs the app turned that on: an MCP server at
`gradio_api/mcp/` under the app's address. {mcp}

## How to cite

    @inproceedings{{elhelo-geva-2025-inferring,
      title = {{Inferring Functionality of Attention Heads from their Parameters}},
      author = {{Elhelo, Amit and Geva, Mor}},
      booktitle = {{Proceedings of the 63rd Annual Meeting of the ACL (Volume 1: Long Papers)}},
      pages = {{17701--17733}},
      year = {{2025}},
      note = {{arXiv:2412.11965}}
    }}

Models shown: {models}. The project's code is under Apache-2.0, exported judgments under CC BY 4.0. Version {version}.
"""


def build(services: Services, endpoints: Sequence[Callable[..., Any]]) -> None:
    """Lays out the page, which lists the endpoints."""
    first = next(iter(services.atlases.values()))
    words = ABOUT_TEXT.format(
        tau=first.info["settings"]["tau"],
        guidelines=GUIDELINES,
        consent=CONSENT_SENTENCE,
        models=", ".join(services.atlases),
        first=first.model,
        version=services.app_version,
        endpoints="\n".join(
            f"| `/{each.__name__}({argument_list(each)})` | {endpoint_summary(each)} |" for each in endpoints
        ),
        mcp="It is on here." if services.has_mcp else "It is off here.",
    )
    gr.Markdown(words)


def argument_list(endpoint: Callable[..., Any]) -> str:
    """Its arguments, those that may be left out in brackets."""
    found = [each for each in signature(endpoint).parameters.values() if each.name != "request"]  # Gradio gives it
    return ", ".join(each.name if each.default is each.empty else f"[{each.name}]" for each in found)


def endpoint_summary(endpoint: Callable[..., Any]) -> str:
    """The first paragraph of its documentation."""
    return " ".join((endpoint.__doc__ or "").split("\n\n")[0].split())
