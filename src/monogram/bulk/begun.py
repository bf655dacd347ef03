"""How often people were begun, counted in a process of its own, which no person can kill. Imports nothing."""

from collections import Counter


class Begun:
    """The counter."""

    def __init__(self) -> None:
        self._begun = Counter[str]()

    def again(self, user: str) -> int:
        """How often this person was begun before."""
        self._begun[user] += 1
        return self._begun[user] - 1
