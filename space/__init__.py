"""What visitors and annotators see: pages over the atlases and the journal."""

__version__ = "0.1.0"
