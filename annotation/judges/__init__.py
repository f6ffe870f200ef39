"""Language models that answer a study's questions. Their rows never enter the figures of people."""
