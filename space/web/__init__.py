"""The web side of the app: pages, sessions, errors, downloads and health."""
