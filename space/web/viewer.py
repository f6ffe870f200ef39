"""The explorer in Gradio: one view that shows what an address shows, follows links and forms in place, and figures.

`explorer.js` hands over the first look, keeps the browser's address, and asks for other addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components.plot import PlotData

from maps.errors import MapsError
from space.services import Services
from space.web.browser_storage import token_state
from space.web.page import MAX_FIGURES, ExplorerPage, PageAddress, article_html, missing_page, open_page
from space.web.sessions import identify_annotator

MOUNT_SCRIPT = (
    "explorer.mount(element, props, watch, {visit: at => trigger('visit', at), figures: at => trigger('figures', at)})"
)


def build_viewer(services: Services, page: gr.Blocks, pages: Mapping[str, ExplorerPage]) -> None:  # noqa: ARG001 - as every page
    """Lays out the view; any page of the explorer can be shown in it."""
    token = token_state()
    view = gr.HTML(js_on_load=MOUNT_SCRIPT, elem_id="view")
    with gr.Column(elem_id="figures"):
        plots = [gr.Plot(visible=False, show_label=False) for _ in range(MAX_FIGURES)]

    def visited(signed: object, event: gr.EventData, request: gr.Request) -> str:
        """What an address shows to whoever asks; `finish`: what takes longer to compute."""
        sent = event_data(event)
        turn = str(sent.get("turn", ""))[:20]
        try:
            place = PageAddress.parse(str(sent.get("address", "")))
            if place.page_name not in pages:
                raise MapsError("There is no such page.")
        except MapsError as error:
            return article_html(missing_page(str(error)), "", turn)
        module, who = pages[place.page_name], identify_annotator(services, signed, request)
        if sent.get("finish") and hasattr(module, "finish"):
            return article_html(module.finish(services, place.query, request), place.page_name, turn)
        return article_html(open_page(services, module, place.query, who), place.page_name, turn)

    def drawn(event: gr.EventData) -> list[Any]:
        """The figures of an address; none where it leads nowhere, as the view says."""
        try:
            place = PageAddress.parse(str(event_data(event).get("address", "")))
        except MapsError:
            return [gr.update(visible=False)] * MAX_FIGURES
        found = (
            open_page(services, pages[place.page_name], place.query).figure_makers if place.page_name in pages else ()
        )
        charts = [gr.update(visible=True, value=plot_in_page_colours(make())) for make in found]
        return charts + [gr.update(visible=False)] * (MAX_FIGURES - len(charts))

    quiet = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    # One address may follow another before it has arrived, as `finish` does: the turns say which answer counts.
    view.visit(visited, token, view, trigger_mode="multiple", **quiet)
    view.figures(drawn, None, plots, **quiet)


def plot_in_page_colours(figure: Any) -> PlotData:
    """The figure light or dark as the page; the library of figures is imported when one is drawn."""
    from maps.figures.style import themed_json

    return PlotData(type="altair", plot=themed_json(figure))


def event_data(event: gr.EventData) -> Mapping[str, Any]:
    """What the script sent with an event; anybody may send another thing, or nothing."""
    return event._data if isinstance(event._data, dict) else {}
