"""The errors that the study raises, below the library's MapsError (maps/errors.py).

MapsError                     a person can fix it; the message says how
├── JournalError              a judgment was not stored, or the journal cannot be opened
│   └── DuplicateRowError     the journal already contains the row
├── LedgerError               the ledger on the Hub cannot be read or written
│   └── WithdrawnMeanwhileError   somebody withdrew after the rows to publish were chosen
├── DatasetError              a file of judgments cannot be read or written
├── SummaryError              a table of judgments has a fault
└── DawidSkeneError           the labels of Dawid and Skene's model cannot be computed
"""

from __future__ import annotations

from maps.errors import MapsError


class JournalError(MapsError):
    """Raised when a judgment was not stored, or when the journal cannot be opened."""


class DuplicateRowError(JournalError):
    """Raised when the journal already contains the row."""


class LedgerError(MapsError):
    """Raised when the ledger, the private dataset on the Hub, cannot be read or written."""


class WithdrawnMeanwhileError(LedgerError):
    """Raised when somebody withdrew after the rows to publish were chosen; choose them again and publish those."""


class DatasetError(MapsError):
    """Raised when a file of judgments or labels cannot be read or written."""


class SummaryError(MapsError):
    """Raised when a table of judgments has a fault, such as an unknown code; the message names the row."""


class DawidSkeneError(MapsError):
    """Raised when crowd-kit is not installed, or when Dawid and Skene's model does not converge."""
