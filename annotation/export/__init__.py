"""Judgments as files and as a public dataset."""
