"""The web app: pages for visitors, annotators and organisers."""

__version__ = "0.1.0"
