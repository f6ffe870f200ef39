"""`/look/site.png`: the image that link previews show for the first page and for pages without one of their own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maps.report.headline import relation_phrase
from space.components.grid import band_names, known_grid
from space.pages.explore.findings import best_findings
from space.pages.explore.page import described_heads
from space.services import Services

COLOURS = {  # as in style.css
    **{"algorithmic": "#0072b2", "knowledge": "#e69f00", "linguistic": "#009e73", "translation": "#cc79a7"},
    **{"described": "#56b4e9", "own": "#8c6bb1"},
}
NOTHING_KNOWN = "#e4e8ed"


def site_image_route(services: Services) -> Route:
    def respond(_request: Request) -> Response:
        from space.components.preview_image import SitePreview, draw_site  # imported here: it is rarely needed

        atlas = services.atlas(services.default_model())
        tau = float(atlas.info["settings"]["tau"])
        bands = known_grid(atlas, tau, described_heads(services, atlas)).bands or ()
        cells = tuple(
            (head.layer, head.head, tuple(COLOURS[name] for name in band_names(bits)) or (NOTHING_KNOWN,))
            for head, bits in zip(atlas.head_ids, bands, strict=True)
        )
        sentences = tuple(f"{head}: {relation_phrase(relation)}" for head, relation in best_findings(atlas, tau))
        image = draw_site(SitePreview(atlas.model, cells, sentences))
        return Response(image, media_type="image/png", headers={"cache-control": "public, max-age=60"})

    return Route("/look/site.png", respond)
