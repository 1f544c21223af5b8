"""Checking a function against reference tensors: what `check` in a notebook and the grader have in common."""
