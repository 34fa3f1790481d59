"""Many points of one system, each by itself: on the cores of this machine, or on a Dask cluster."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any, Protocol

from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.progress import Progress, Silent
from hnlpu.simulation import System
from hnlpu.system_points import BATCHES, CONTEXTS
from hnlpu.system_result import SystemResult

__all__ = ["LOCAL", "map_points", "sweep"]

LOCAL = "local"
_SCHEME = "dask://"

Point = tuple[int, int]


def sweep(
    system: System,
    contexts: Iterable[int] = CONTEXTS,
    batches: Iterable[int] = BATCHES,
    *,
    executor: str = LOCAL,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[SystemResult]:
    """Every context with every batch, in this order.

    Parameters
    ----------
    executor : str
        ``local`` or ``dask://HOST:PORT``.
    workers : int, optional
        Local processes; as many as there are cores unless given.

    Raises
    ------
    HnlpuError
        A point that the system cannot take, before anything runs; an unknown executor or an unreachable cluster.
    MissingToolError
        Dask is not installed.
    """
    points = list(product(contexts, batches))
    if not points:
        raise HnlpuError("nothing to sweep", where="--sweep", got="no points", do="name some")
    for context, batch in points:
        system.plan(context, batch)
    return map_points(
        partial(_run, system), points, executor=executor, workers=workers, progress=progress
    )


def map_points(
    function: Callable[[Point], SystemResult],
    points: Sequence[Point],
    *,
    executor: str = LOCAL,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[SystemResult]:
    """``function`` of every point, in order, run side by side; the dearest points start first."""
    show = progress or Silent()
    order = sorted(range(len(points)), key=lambda i: -points[i][1])
    found: dict[int, SystemResult] = {}
    with _pool(executor, workers) as (submit, completed):
        futures = {submit(function, points[i]): i for i in order}
        for done, future in enumerate(completed(list(futures)), 1):
            found[futures[future]] = future.result()
            show("sweep", done, len(points))
    return [found[i] for i in range(len(points))]


class _Future(Protocol):
    def result(self) -> Any: ...


_Submit = Callable[[Callable[[Point], SystemResult], Point], Any]
_Completed = Callable[[list[Any]], Iterator[_Future]]


@contextmanager
def _pool(executor: str, workers: int | None) -> Iterator[tuple[_Submit, _Completed]]:
    if executor == LOCAL:
        with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
            yield pool.submit, as_completed
        return
    if not executor.startswith(_SCHEME):
        raise HnlpuError(
            "unknown executor", where="--executor", got=repr(executor),
            do=f"give {LOCAL} or {_SCHEME}HOST:PORT",
        )  # fmt: skip
    try:
        from distributed import Client
        from distributed import as_completed as arrived
    except ImportError as error:
        raise MissingToolError(
            "Dask is not installed", where="--executor", got=executor,
            do="pip install 'hnlpu[dask]', or leave the option out: all cores of this machine",
        ) from error  # fmt: skip
    address = "tcp://" + executor.removeprefix(_SCHEME)
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise HnlpuError(
            "no Dask scheduler there", where="--executor", got=f"{address}: {error}",
            do="start one with dask scheduler, and dask worker beside it",
        ) from error  # fmt: skip
    with client:
        yield partial(client.submit, pure=False), partial(arrived, loop=client.loop)


def _run(system: System, point: Point) -> SystemResult:
    return system.run(*point)
