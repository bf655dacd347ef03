"""A causal language model that can be read and edited."""
