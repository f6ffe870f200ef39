"""The commands of the study, one module each."""
