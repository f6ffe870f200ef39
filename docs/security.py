"""Writes the two tables of docs/security.md from the code: `python -m docs.security`."""

from __future__ import annotations

import sys
from pathlib import Path

from space.web.audience import FUNCTIONS
from space.web.routes import ROUTE_RULES, RouteKind

PAGE = Path(__file__).with_name("security.md")
OTHER_SITES = dict.fromkeys(RouteKind, "nothing") | {
    RouteKind.PAGE: "link",
    RouteKind.FILE: "link, show",
    RouteKind.LOGIN: "link",
}


def calls_table() -> str:
    """Who may call which function."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, (audience, purpose) in FUNCTIONS.items():
        grouped.setdefault((audience.value, purpose), []).append(f"`{name}`")
    rows = [f"| {who} | {purpose} | {', '.join(names)} |" for (who, purpose), names in grouped.items()]
    return "\n".join(["| who | what | functions |", "|---|---|---|", *rows])


def routes_table() -> str:
    """Every address that the app answers."""
    rows = []
    for rule in ROUTE_RULES:
        pattern = rule.pattern.replace("|", "\\|")
        more = " (only with `GRADIO_MCP_SERVER`)" if rule.is_for_mcp else ""
        rows.append(f"| `/{pattern}` | {', '.join(rule.methods)} | {rule.purpose}{more} | {OTHER_SITES[rule.kind]} |")
    return "\n".join(["| address | methods | what | other sites |", "|---|---|---|---|", *rows])


def security_page(page: str) -> str:
    """The page with its tables as the code is now."""
    for name, table in (("calls", calls_table()), ("routes", routes_table())):
        page = fill_marked_part(page, name, table)
    return page


def fill_marked_part(page: str, name: str, table: str) -> str:
    """The page with a table between the marks of this name; ValueError if the page lacks them."""
    before, start, rest = page.partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not start or not end:
        raise ValueError(f"{PAGE} lacks the marks <!-- {name} --> and <!-- end of {name} -->")
    return f"{before}{start}\n\n{table}\n\n{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(security_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is written.\n")
