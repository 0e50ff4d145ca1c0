"""Workers: the same task for many items, in this process, in others, or on a Dask cluster.

A task must leave its result on disk and be safe to do again: when a worker is killed, what it had
not finished is done by another. Only this room knows dask.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL = "local"  # as a scheduler: a Dask cluster of this machine's, for as long as it is needed
ATTEMPTS = 3  # of one item; a worker that dies of it each time would die for ever


class WorkersDied(RuntimeError):  # noqa: N818 - the name says what happened
    """Workers were killed again and again; what was done is kept."""


class Crew(Protocol):
    """Does a task for every item and gives the results in the items' order."""

    def __call__(self, task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]: ...


@contextmanager
def crew(*, workers: int = 1, scheduler: str | None = None) -> Iterator[Crew]:
    """This process, so many processes of this machine, or the Dask cluster at an address."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got: {workers}")
    if scheduler:
        with cluster(scheduler, workers=workers) as address, _dask(address) as run:
            yield run
    elif workers > 1:
        with _Pool(workers) as run:
            yield run
    else:
        yield _here


def _here(task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [task(item) for item in items]


def one_thread() -> None:
    """Keep this worker to one core: its neighbours have the others."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


class _Pool:
    """Processes that are replaced, all of them, when one is killed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # Forked from a server without threads: a fork of this process could inherit a held lock.
        context = multiprocessing.get_context("forkserver")
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=one_thread)

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def __call__(self, task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        done: dict[int, Result] = {}
        for _ in range(ATTEMPTS):
            left = [at for at in range(len(items)) if at not in done]
            if not left:
                break
            if self._some(task, items, left, done):
                self.pool.shutdown(cancel_futures=True)
                self.pool = self._new()
        if lost := [items[at] for at in range(len(items)) if at not in done]:
            raise WorkersDied(
                f"workers were killed {ATTEMPTS} times, of memory perhaps: {len(lost)} of "
                f"{len(items)} items are not done, such as {lost[0]}; use fewer workers or more "
                "partitions, and run again: what is done is kept"
            )
        return [done[at] for at in range(len(items))]

    def _some(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        left: Sequence[int],
        done: dict[int, Result],
    ) -> bool:
        """Adds what gets done to `done`; whether a worker died meanwhile."""
        futures: dict[int, Future[Result]] = {}
        died = False
        try:
            for at in left:
                futures[at] = self.pool.submit(task, items[at])
        except BrokenProcessPool:
            died = True
        for at, future in futures.items():
            try:
                done[at] = future.result()
            except BrokenProcessPool:
                died = True
        return died


@contextmanager
def cluster(scheduler: str, *, workers: int = 1) -> Iterator[str]:
    """The address of the cluster that a setting names; a local one lasts as long as the block."""
    if scheduler != LOCAL:
        yield scheduler
        return
    with local_cluster(workers) as address:
        yield address


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """A Dask cluster of processes on this machine; its scheduler's address."""
    dask, distributed = _distributed()
    named = "distributed.nanny.pre-spawn-environ"

    # Dask has glibc give back memory at once, which makes NumPy about three times slower.
    environment = {**dask.config.get(named), "OMP_NUM_THREADS": "1"}
    environment.pop("MALLOC_TRIM_THRESHOLD_", None)
    with (
        dask.config.set({named: environment}),
        distributed.LocalCluster(
            # any free port: another cluster of this machine may have the usual one
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        yield cluster.scheduler_address


def client(address: str) -> Any:
    """A Dask client, for what only Dask can do; close it, or use it as a context."""
    _, distributed = _distributed()
    return distributed.Client(address, set_as_default=False)


@contextmanager
def _dask(address: str) -> Iterator[Crew]:
    _, distributed = _distributed()
    with client(address) as asked:

        def run(task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
            # Not pure: the result is on disk, and disks change between two runs.
            futures = asked.map(_Alone(task), list(items), pure=False)
            try:
                gathered: list[Result] = asked.gather(futures)
            except distributed.KilledWorker as killed:
                raise WorkersDied(
                    f"{killed}; use more partitions and run again: what is done is kept"
                ) from killed
            return gathered

        yield run


class _Alone:
    """A task that keeps to one thread wherever it is sent."""

    def __init__(self, task: Callable[[Any], Any]) -> None:
        self.task = task

    def __call__(self, item: Any) -> Any:
        one_thread()
        return self.task(item)


def _distributed() -> tuple[Any, Any]:
    try:
        import dask
        import distributed
    except ImportError:
        raise ModuleNotFoundError(
            "a Dask cluster needs dask and distributed: pip install 'puntuale[dask]'"
        ) from None
    return dask, distributed
