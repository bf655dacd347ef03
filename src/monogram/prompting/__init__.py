"""Baselines that put what is known of a person into the prompt."""
