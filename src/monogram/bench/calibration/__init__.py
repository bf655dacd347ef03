"""An editor's settings for a model that nobody has measured: by gates first, by answers last."""
