"""The ledger: a private dataset on the Hub with every row of the journal, so that a lost disk loses no answer."""

from annotation.ledger.ledger import HubLedger

__all__ = ["HubLedger"]
