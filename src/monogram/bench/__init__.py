"""Measuring: tasks, the methods that are compared, scores with intervals, and runs that can be resumed."""
