"""Making a data set: from what people say about themselves to items in UPQA's format, by a language model."""
