"""Workers of a cluster: units are computed by other processes that see the same files."""

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
from b2m_encoding.workflow.engine.context import StepContext
from b2m_encoding.workflow.engine.runner import Executor, Fingerprint, compute_unit
from b2m_encoding.workflow.engine.store import WorkFolder
from b2m_encoding.workflow.engine.unit import Unit

FORMS = "tcp://HOST:PORT of a dask scheduler, slurm, or local:N"


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster that computes units.

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
def open_cluster(spec: ClusterSpec | None, context: StepContext) -> Iterator[Executor | None]:
    """Workers of a cluster; None for this process.

    Raises
    ------
    InputError
        If dask is not installed, or the cluster is of no known form.
    """
    if spec is None:
        yield None
        return
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise InputError("dask is not installed", fix="pip install 'b2m-encoding[cluster]'") from error
    with _cluster(spec, distributed) as address:
        try:
            client = distributed.Client(address, timeout="30s")
        except (OSError, TimeoutError) as error:
            raise InputError("no dask scheduler answers", found=spec.cluster, expected=FORMS) from error
        with client:
            yield ClusterExecutor(client, context)


@contextmanager
def _cluster(spec: ClusterSpec, distributed: Any) -> Iterator[Any]:
    """A cluster that is closed at the end; the address of one that runs already."""
    logging.getLogger("distributed.nanny").setLevel(logging.ERROR)  # it warns of every worker that ends slowly
    kind, _, number = spec.cluster.partition(":")
    memory = f"{spec.memory:g}GB" if spec.memory else None
    if kind == "local" and number.isdigit() and int(number) > 0:
        limits = {"memory_limit": memory} if memory else {}
        with distributed.LocalCluster(
            n_workers=int(number), threads_per_worker=1, dashboard_address=None, host="127.0.0.1", **limits
        ) as cluster:
            yield cluster
    elif spec.cluster == "slurm":
        with slurm_cluster(memory) as cluster:
            cluster.scale(jobs=spec.workers)
            yield cluster
    elif kind in ("tcp", "tls"):
        yield spec.cluster
    else:
        raise InputError("unknown cluster", found=spec.cluster, expected=FORMS)


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


class ClusterExecutor:
    """Workers of dask. A unit whose worker is lost is computed again by another one.

    Parameters
    ----------
    client : distributed.Client
    context : StepContext
    """

    def __init__(self, client: Any, context: StepContext) -> None:
        self.client, self.context, self.session = client, context, uuid4().hex

    def run(
        self,
        todo: Mapping[str, Unit],
        fingerprints: Mapping[str, Fingerprint],
        done: Callable[[Unit], None],
        begin: Callable[[Unit], None],
    ) -> None:
        """Compute all units; those that need no other at the same time."""
        distributed = importlib.import_module("distributed")
        waiting, finished = dict(todo), distributed.as_completed()
        running: dict[str, Any] = {}

        def submit_ready() -> None:
            busy = waiting.keys() | running.keys()
            for name, unit in list(waiting.items()):
                if not busy & set(unit.needs):
                    key = f"{name}-{self.session}"
                    future = self.client.submit(
                        compute_on_worker,
                        self.context.study,
                        self.context.work.path,
                        unit,
                        fingerprints[name],
                        self.session,
                        key=key,
                        pure=False,
                    )
                    running[name] = waiting.pop(name)
                    begin(unit)
                    finished.add(future)

        submit_ready()
        try:
            for future in finished:
                name = future.key.removesuffix(f"-{self.session}")
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
            "a worker was killed each time it computed this unit (out of memory?)", found=name, fix="give more --memory"
        ) from error


_contexts: dict[str, StepContext] = {}
"""The context of the session of this worker: opened recordings and loaded values serve the next units."""


def compute_on_worker(study: Study, folder: Path, unit: Unit, fingerprint: Fingerprint, session: str) -> None:
    """Compute a unit in this worker."""
    if session not in _contexts:
        _contexts.clear()
        _contexts[session] = StepContext(study, WorkFolder(folder))
    compute_unit(_contexts[session], unit, fingerprint)
