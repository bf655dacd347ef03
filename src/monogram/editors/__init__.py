"""Clusters in, edit out; the model is the same after as before."""
