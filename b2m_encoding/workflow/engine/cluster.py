"""Workers of a cluster: units of work are done by other processes that see the same files."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from b2m_encoding.errors import InputError
from b2m_encoding.study import Study
from b2m_encoding.workflow.engine.context import Desk
from b2m_encoding.workflow.engine.runner import Basis, Workers, do_unit
from b2m_encoding.workflow.engine.store import WorkFolder
from b2m_encoding.workflow.engine.unit import Unit

FORMS = "tcp://HOST:PORT of a dask scheduler, slurm, or local:N"


@dataclass(frozen=True)
class Place:
    """Where units are done.

    Parameters
    ----------
    cluster : str
        ``tcp://...`` (a dask scheduler that runs), ``slurm`` (jobs are submitted), or ``local:N`` (N processes here).
    workers : int
        Jobs of ``slurm``.
    memory : float, optional
        Gigabytes of each worker.
    """

    cluster: str
    workers: int = 4
    memory: float | None = None


@contextmanager
def workers_of(place: Place | None, desk: Desk) -> Iterator[Workers | None]:
    """Workers of a place; None for this process.

    Raises
    ------
    InputError
        If dask is not installed, or there is no such place.
    """
    if place is None:
        yield None
        return
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise InputError("dask is not installed", fix="pip install 'b2m-encoding[cluster]'") from error
    with _cluster(place, distributed) as address:
        try:
            client = distributed.Client(address, timeout="30s")
        except (OSError, TimeoutError) as error:
            raise InputError("no dask scheduler answers", found=place.cluster, expected=FORMS) from error
        with client:
            yield Cluster(client, desk)


@contextmanager
def _cluster(place: Place, distributed: Any) -> Iterator[Any]:
    """A cluster of the place, closed at the end; the address of one that runs already."""
    logging.getLogger("distributed.nanny").setLevel(logging.ERROR)  # it warns of every worker that ends slowly
    kind, _, number = place.cluster.partition(":")
    memory = f"{place.memory:g}GB" if place.memory else None
    if kind == "local" and number.isdigit() and int(number) > 0:
        limits = {"memory_limit": memory} if memory else {}
        with distributed.LocalCluster(
            n_workers=int(number), threads_per_worker=1, dashboard_address=None, host="127.0.0.1", **limits
        ) as cluster:
            yield cluster
    elif place.cluster == "slurm":
        with slurm_cluster(memory) as cluster:
            cluster.scale(jobs=place.workers)
            yield cluster
    elif kind in ("tcp", "tls"):
        yield place.cluster
    else:
        raise InputError("unknown cluster", found=place.cluster, expected=FORMS)


def slurm_cluster(memory: str | None = None, **options: Any) -> Any:
    """A cluster of SLURM jobs of one process each; everything else is read from dask's own ``jobqueue.yaml``."""
    try:
        jobqueue = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise InputError("dask-jobqueue is not installed", fix="pip install 'b2m-encoding[cluster]'") from error
    try:
        return jobqueue.SLURMCluster(processes=1, **({"memory": memory} if memory else {}), **options)
    except ValueError as error:
        raise InputError(
            "a SLURM job needs cores and memory",
            found=error,
            fix="give --memory, or write ~/.config/dask/jobqueue.yaml",
        ) from error


class Cluster:
    """Workers of dask. A unit whose worker is lost is done again by another one.

    Parameters
    ----------
    client : distributed.Client
    desk : Desk
    """

    def __init__(self, client: Any, desk: Desk) -> None:
        self.client, self.desk, self.run = client, desk, uuid4().hex

    def do(
        self,
        todo: Mapping[str, Unit],
        bases: Mapping[str, Basis],
        done: Callable[[Unit], None],
        begin: Callable[[Unit], None],
    ) -> None:
        """Do all units; those that need nothing that is still to be done, at the same time."""
        distributed = importlib.import_module("distributed")
        waiting, finished = dict(todo), distributed.as_completed()
        running: dict[str, Any] = {}

        def submit_ready() -> None:
            busy = waiting.keys() | running.keys()
            for name, unit in list(waiting.items()):
                if not busy & set(unit.needs):
                    key = f"{name}-{self.run}"
                    future = self.client.submit(
                        work_on, self.desk.study, self.desk.work.path, unit, bases[name], self.run, key=key, pure=False
                    )
                    running[name] = waiting.pop(name)
                    begin(unit)
                    finished.add(future)

        submit_ready()
        try:
            for future in finished:
                name = future.key.removesuffix(f"-{self.run}")
                _result_of(future, name)
                done(running.pop(name))
                submit_ready()
        finally:
            self.client.cancel(list(finished.futures))


def _result_of(future: Any, name: str) -> None:
    """Raise what a worker raised."""
    killed = importlib.import_module("distributed").KilledWorker
    try:
        future.result()
    except killed as error:
        raise InputError(
            "workers died of this unit again and again", found=name, fix="give each worker more --memory"
        ) from error


_desks: dict[str, Desk] = {}
"""The desk of the run that this worker works for: what it has opened and loaded serves the next units."""


def work_on(study: Study, folder: Path, unit: Unit, basis: Basis, run: str) -> None:
    """Do a unit in this worker."""
    if run not in _desks:
        _desks.clear()
        _desks[run] = Desk(study, WorkFolder(folder))
    do_unit(_desks[run], unit, basis)
