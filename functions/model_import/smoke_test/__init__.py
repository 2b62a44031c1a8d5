"""Invokes the imported model with one question and judges the answer."""
