"""The human study: people judge the descriptions of heads."""
