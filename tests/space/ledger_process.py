"""What an app stores and publishes, without its pages, in a process that can be killed: `python -m` this, then orders.

An order is a line of JSON on standard input, its reply a line on standard output. Five minutes of the publisher pass in
a third of a second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from annotation.form import GUIDELINES_VERSION
from annotation.ledger import HubLedger
from annotation.ledger.publisher import Publisher
from maps.errors import MapsError
from maps.hub.repository import HubDataset
from space.pages.annotate import outbox
from space.services import Services, open_services
from space.studies.current import storage_closed_reason
from space.web.sessions import Annotator, annotator_for_name
from tests.annotation.conftest import BASE_JUDGMENT


def open_fast_services() -> Services:
    """The services of an app whose publisher and retries are fast."""
    services = open_services()
    dataset = HubDataset(os.environ["MAPS_JUDGMENTS"], os.environ["HF_TOKEN"], os.environ["HF_ENDPOINT"], (0.05,))
    ledger = HubLedger(dataset, services.journal, Path(os.environ["MAPS_DATA"]))
    return replace(services, ledger=ledger, publisher=Publisher(ledger, lambda: time.monotonic() * 1000))


def person(services: Services, name: str) -> Annotator:
    return annotator_for_name(name, services.pseudonym_key)


def answer(services: Services, name: str, judgment_id: str, layer: int) -> object:
    """Signs in and submits, as the annotator's page does; returns what the browser keeps."""
    if (reason := storage_closed_reason(services.ledger)) is not None:
        raise MapsError(reason)
    who = person(services, name)
    services.journal.record_consent(who.pseudonym, GUIDELINES_VERSION)
    judgment = replace(BASE_JUDGMENT, judgment_id=judgment_id, annotator=who.pseudonym, layer=layer)
    services.journal.record_judgment(judgment)
    return {"keep": {judgment_id: outbox.seal_copy(judgment, services.pseudonym_key)}}


def withdraw(services: Services, name: str) -> object:
    """Withdraws a person, as both pages do; returns what the browser keeps once the page shows the receipt."""
    pseudonym = person(services, name).pseudonym
    copies = outbox.withdraw_annotator(services, pseudonym)
    outbox.publication_sentence(services, pseudonym)
    return copies


def compare(services: Services, ids: list[str]) -> object:
    return outbox.compare_copies(services, ids)


def restore(services: Services, name: str | None, seals: list[str]) -> object:
    """Takes copies back, as the pages do: of the organiser's browser (no name) only withdrawals."""
    if name is None or storage_closed_reason(services.ledger) is not None:
        outbox.restore_withdrawals(services, seals)
        return {}
    return {"drop": list(outbox.restore_copies(services, person(services, name), seals).droppable_ids)}


def status(services: Services) -> object:
    ledger = services.ledger
    assert isinstance(ledger, HubLedger)
    return {
        "closed": ledger.closed_reason(),
        "restored": ledger.is_restored,
        "left": ledger.unpublished_sentences(),
        "answers": sorted(row.judgment_id for row in services.journal.all_judgments()),
    }


def main() -> None:
    services = open_fast_services()
    orders: dict[str, Callable[..., object]] = {f.__name__: f for f in (answer, withdraw, compare, restore, status)}
    assert services.publisher is not None
    services.publisher.start()
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        try:
            reply = orders[order.pop("do")](services, **order)
        except MapsError as error:
            reply = {"refused": str(error)}
        print(json.dumps(reply), flush=True)
    print(json.dumps(services.publisher.stop()), flush=True)


if __name__ == "__main__":
    main()
