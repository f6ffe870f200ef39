"""Figures as files: SVG, and pages that show their tooltips without a network. The only room of vl-convert."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from importlib.util import find_spec
from typing import Any

import altair as alt

PAGE_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<!-- This page carries Vega, Vega-Lite and Vega-Embed, copyright University of Washington Interactive Data Lab and
others, under the BSD 3-Clause License: https://github.com/vega/vega/blob/main/LICENSE -->
<script>{library}</script>
</head>
<body>
<div id="figure"></div>
<noscript>{description}</noscript>
<script>vegaEmbed("#figure", {spec}, {{"renderer": "svg", "actions": false}});</script>
</body>
</html>
"""


def can_draw() -> bool:
    """Whether vl-convert is installed, which draws the pictures."""
    return find_spec("vl_convert") is not None


def vega_lite_version() -> str:
    """The Vega-Lite that the figures are written for, such as `6.4`; the newest that vl-convert has, where not that."""
    import vl_convert

    wanted, known = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2]), vl_convert.get_vegalite_versions()
    return wanted if wanted in known else known[-1]


def render_svg(spec: dict[str, Any]) -> str:
    """A figure as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version()))


@cache
def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; bundling takes seconds, and every page has the same."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=vega_lite_version()))


def render_page(spec: dict[str, Any]) -> str:
    """A figure as a page of its own that needs nothing beside it; nothing in the data can end its script."""
    title = spec["title"]["text"]
    return PAGE_TEMPLATE.format(
        title=escape(title),
        description=escape(spec["description"]),
        library=vega_script(),
        spec=json.dumps(spec).replace("<", "\\u003c"),
    )
