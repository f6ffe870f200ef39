"""Puts the app on a Hugging Face Space: what is uploaded, what is to be done for it, and a trial of it at home."""
