"""One preference -> the cluster of phrasings that stands for it."""
