"""The journal: every judgment, reservation and withdrawal, in one SQLite file."""
