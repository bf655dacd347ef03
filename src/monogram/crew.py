"""Asking much at once: so many at a time, what fails is told apart, and an end that loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from monogram.errors import AnswerError, EndpointError

K = TypeVar("K")
J = TypeVar("J")
Progress = Callable[[str, int, int], None]
PATIENCE = 5
"""Failures in a row after which the server is taken for gone."""


def together(
    work: Callable[[K, J], None],
    jobs: Mapping[K, J],
    *,
    at_once: int,
    progress: Progress | None = None,
    what: str = "",
) -> dict[K, EndpointError]:
    """Call `work` with each job by its key, in threads; it keeps its own results.

    When this ends early (Ctrl-C, an error), nothing new is begun, and what is under way is waited for.

    Args:
        at_once: how many jobs run at the same time.
        progress: told (what, done, total).

    Returns:
        What could not be asked or answered, by key.

    Raises:
        EndpointError: nothing more can be asked: a wrong name or key, or five failures in a row.
    """
    failed: dict[K, EndpointError] = {}
    in_a_row = 0
    pool = ThreadPoolExecutor(max_workers=at_once)
    try:
        futures = {pool.submit(work, key, job): key for key, job in jobs.items()}
        for done, future in enumerate(as_completed(futures), start=1):
            error = _error(future)
            if error is not None:
                failed[futures[future]] = error
            in_a_row = in_a_row + 1 if error is not None and not isinstance(error, AnswerError) else 0
            if error is not None and in_a_row == PATIENCE:
                raise EndpointError(f"{error} So it went {PATIENCE} times in a row.", lasting=True) from error
            if progress is not None:
                progress(what, done, len(jobs))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failed


def _error(future: Future[None]) -> EndpointError | None:
    """What went wrong with one job; raised where it is about all of them."""
    error = future.exception()
    if error is None or (isinstance(error, EndpointError) and not error.lasting):
        return error
    raise error
