"""The About page: what this is, how it works, how to use it from a program, how to cite it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import gradio as gr

from annotation.form import CONSENT_SENTENCE, GUIDELINES
from maps.atlas.reader import Atlas
from maps.atlas.readings import is_calibrated, reading_phrase, targets_phrase
from maps.report.atlas_report import escape_markdown
from maps.text import escape_invisible
from space.services import Services
from space.web.header import SITE_TITLE, source_links

ABOUT_TEXT = """\
# About

This site shows what the attention heads of language models do. {basis} The method is MAPS, from *Inferring
Functionality of Attention Heads from their Parameters* by Amit Elhelo and Mor Geva.

{links}

**How a head is read.** A head moves information from the token that it attends to. Its value and output weights, taken
together with the embedding and the unembedding, give a score for every pair of tokens: how strongly the head promotes
the *target* when it attends to the *source*. From these scores we show

- *mappings*: the thirty source tokens on which the head acts most strongly for their length (their *saliency*), each
  with its five highest targets;
- *relations*: we have lists of pairs, such as country and capital. The *score* of a head is the share of pairs whose
  target is among the highest tokens for the source. Its *suppression* is the share whose target is among the lowest.
  Some targets are reached by copying the source alone, so heads are judged *beyond copying*: on the pairs that a head
  which only copies does not hit. A head implements a relation if its score on these is {tau:g} or more. For copying
  itself, all pairs count.

**In which reading.** A reading says what stands for a source in the model, and what lies between a head and the
output. {readings} The file `docs/readings.md` of the source code explains them.

**Who wrote the descriptions.** Each description names its author. *offline* is a rule-based baseline: it is neither a
language model nor a person. *reference* was written for the project's maintainers by language models that
read the 30 mappings of each head twice, and once more to settle; `docs/reference_descriptions.md` says how.

**How tokens are shown.** A raised dot is a space, ⏎ a newline, ⇥ a tab. `\\xE2` is a byte that is not text on its own.

## Guidelines for judging

{guidelines}

## What is stored about you

{consent} The page [Privacy](privacy) says exactly what is stored, where, and how to withdraw.

## For programmers

Each page of the explorer is also an endpoint of this site's API. The Python package `gradio_client` calls it:

    from gradio_client import Client

    app = Client("{address}")
    app.predict(api_name="/models")
    app.predict(model="{first}", layer=0, head=0, api_name="/head")

| endpoint | returns |
|---|---|
{endpoints}

The same functions can be offered to language models as tools, by an MCP server at `{address}/gradio_api/mcp/`. {mcp}

## How to cite

The paper whose method this is, and the software with its version:

    @inproceedings{{elhelo-geva-2025-inferring,
      title = {{Inferring Functionality of Attention Heads from their Parameters}},
      author = {{Elhelo, Amit and Geva, Mor}},
      booktitle = {{Proceedings of the 63rd Annual Meeting of the ACL (Volume 1: Long Papers)}},
      pages = {{17701--17733}},
      year = {{2025}},
      note = {{arXiv:2412.11965}}
    }}

    @software{{maps-heads,
      title = {{maps-heads: {site_title}}},
      author = {{{{The maps-heads contributors}}}},
      version = {{{version}}},
      url = {{{software_address}}}
    }}

Models shown here: {models}. Version {version}. The code is licensed under Apache-2.0, published judgments under CC BY
4.0.
"""


def build(services: Services, endpoints: Sequence[Callable[..., Any]]) -> None:
    first = next(iter(services.atlases.values()))
    address = services.public_address or services.local_address
    text = ABOUT_TEXT.format(
        basis=basis_sentence(services),
        readings=" ".join(reading_sentence(atlas) for atlas in services.atlases.values()),
        tau=first.info["settings"]["tau"],
        guidelines=GUIDELINES,
        consent=CONSENT_SENTENCE,
        models=", ".join(services.atlases),
        first=first.model,
        links=" · ".join(f"[{label}]({target})" for label, target in source_links(services, first.model)),
        address=address,
        site_title=SITE_TITLE,
        software_address=services.code_address or address,
        version=services.app_version,
        endpoints="\n".join(map(endpoint_row, endpoints)),
        mcp="The server is on." if services.has_mcp else "On this site the server is off.",
    )
    gr.Markdown(text)


def basis_sentence(services: Services) -> str:
    """From what the heads that are shown are read."""
    if any(is_calibrated(atlas.reading) for atlas in services.atlases.values()):
        return (
            "They are read from the weights. Calibrated readings also use linear maps that were fitted while the model "
            "ran; no model is trained."
        )
    return "Everything is read from the weights alone: the model is neither trained nor run."


def reading_sentence(atlas: Atlas) -> str:
    """The reading of an atlas and what its targets are, as Markdown."""
    phrase = f"{atlas.model} is shown in {reading_phrase(atlas.reading)}: targets are {targets_phrase(atlas.reading)}."
    return escape_markdown(escape_invisible(phrase))


def endpoint_row(endpoint: Callable[..., Any]) -> str:
    """A row of the table: the endpoint with its arguments, optional ones in brackets, and its docstring's start."""
    parameters = signature(endpoint).parameters.values()
    arguments = ", ".join(
        parameter.name if parameter.default is parameter.empty else f"[{parameter.name}]"
        for parameter in parameters
        if parameter.name != "request"  # filled in by Gradio
    )
    summary = " ".join((endpoint.__doc__ or "").split("\n\n")[0].split())
    return f"| `/{endpoint.__name__}({arguments})` | {summary} |"
