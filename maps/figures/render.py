"""Figures as files: SVG, and pages that show tooltips without a network. Only this module uses vl-convert."""

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
    """Whether vl-convert, which draws the pictures, is installed."""
    return find_spec("vl_convert") is not None


def vega_lite_version() -> str:
    """The version of Vega-Lite that altair writes, such as `6.4`, or the newest one that vl-convert has."""
    import vl_convert

    wanted = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    known = vl_convert.get_vegalite_versions()
    return wanted if wanted in known else known[-1]


def render_svg(spec: dict[str, Any]) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version()))


@cache
def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Bundling takes seconds; every page has the same script."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=vega_lite_version()))


def render_page(spec: dict[str, Any]) -> str:
    """A figure as a self-contained page. No `<` is left in the data, so that none can end the script."""
    title = spec["title"]["text"]
    return PAGE_TEMPLATE.format(
        title=escape(title),
        description=escape(spec["description"]),
        library=vega_script(),
        spec=json.dumps(spec).replace("<", "\\u003c"),
    )
