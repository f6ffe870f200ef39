"""The explorer in Gradio: one view for all its pages, which shows any address and follows links and forms in place.

`explorer.js` hands over the content of the first HTML, updates the browser's address, and requests other addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components.plot import PlotData

from maps.errors import MapsError
from space.services import Services
from space.web.browser_storage import token_state
from space.web.errors import for_visitors
from space.web.page import MAX_FIGURES, ExplorerPage, PageAddress, article_html, missing_page, open_page
from space.web.sessions import identify_annotator

# Gradio takes the names of a component's own events from the quoted names in this script.
MOUNT_SCRIPT = "explorer.mount(element, props, watch, trigger, ['visit', 'figures'])"


def build_viewer(services: Services, page: gr.Blocks, pages: Mapping[str, ExplorerPage]) -> None:  # noqa: ARG001 - as every page
    """Lays out the view, which can show any page of the explorer."""
    token = token_state()
    view = gr.HTML(js_on_load=MOUNT_SCRIPT, elem_id="view", apply_default_css=False)
    with gr.Column(elem_id="figures"):
        plots = [gr.Plot(visible=False, show_label=False, elem_id=f"figure-{i}") for i in range(MAX_FIGURES)]

    def show_address(signed_token: object, event: gr.EventData, request: gr.Request) -> str:
        """The content of an address for this visitor. With `finish` in the event, its slower part is included."""
        sent = event_data(event)
        turn = str(sent.get("turn", ""))[:20]
        try:
            address = PageAddress.parse(str(sent.get("address", "")))
            if address.page_name not in pages:
                raise MapsError("There is no such page.")
        except MapsError as error:
            return article_html(missing_page(str(error)), "", turn)
        module = pages[address.page_name]
        if sent.get("finish") and hasattr(module, "finish"):
            content = module.finish(services, address.query, request)
        else:
            annotator = identify_annotator(services, signed_token, request)
            content = open_page(services, module, address.query, annotator)
        return article_html(content, address.page_name, turn)

    def draw_figures(event: gr.EventData) -> list[Any]:
        """The figures of an address; none if it leads nowhere, which the view explains."""
        hidden = gr.update(visible=False)
        try:
            address = PageAddress.parse(str(event_data(event).get("address", "")))
        except MapsError:
            return [hidden] * MAX_FIGURES
        if address.page_name not in pages:
            return [hidden] * MAX_FIGURES
        makers = open_page(services, pages[address.page_name], address.query).figure_makers
        charts = [gr.update(visible=True, value=plot_in_page_colours(make())) for make in makers]
        return charts + [hidden] * (MAX_FIGURES - len(charts))

    quiet = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    # A request may follow another one before that is answered (`finish` does): `turn` tells which answer counts.
    view.visit(for_visitors(show_address), token, view, trigger_mode="multiple", **quiet)
    view.figures(for_visitors(draw_figures), None, plots, **quiet)


def plot_in_page_colours(figure: Any) -> PlotData:
    """A chart that is light or dark as the page is. The library of figures is imported when the first one is drawn."""
    from maps.figures.style import themed_json

    return PlotData(type="altair", plot=themed_json(figure))


def event_data(event: gr.EventData) -> Mapping[str, Any]:
    """What the script sent with an event; an empty dictionary for anything else that a browser may send."""
    return event._data if isinstance(event._data, dict) else {}
