"""Many people at once: a file of people in, their adapters in a store, a manifest of what became of each."""
