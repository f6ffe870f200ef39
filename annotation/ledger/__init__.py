"""The ledger: a private dataset on the Hub that holds every row of the journal, so that a lost disk loses nothing."""

from annotation.ledger.ledger import HubLedger

__all__ = ["HubLedger"]
