"""An editor and a task for monogram, found by their entry points."""
