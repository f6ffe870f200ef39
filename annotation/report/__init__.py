"""The agreement report: sentences, sections, figures and the dataset card."""
