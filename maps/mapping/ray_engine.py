"""Computes the layers of a mapping on a Ray cluster. Imported only with `--engine ray`.

Each task opens the model itself, reads the tensors of one layer and returns the layer's tables. A layer whose worker
or machine is lost is computed again.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from maps.errors import MapsError, RunFailedError
from maps.mapping.mapper import LayerMapper, LayerTables
from maps.mapping.model import Model, find_device
from maps.mapping.settings import MappingSettings
from maps.text import pluralize
from maps.weights.bundled import BUNDLED_MODEL
from maps.weights.open import open_checkpoint

LIBRARY = Path(__file__).parents[1]  # the package `maps`, which Ray sends to its workers
MAX_ATTEMPTS = 4  # for one layer, before the run gives up
CONNECT_TIMEOUT = 10  # seconds for a cluster to answer at its address
OBJECT_STORE_BYTES = 100 << 20  # for the workers' results, where Ray is started for the run


@dataclass(frozen=True)
class RayTaskSettings:
    """What all tasks need to know. `model`: an absolute path where it is a file or folder."""

    model: str
    revision: str
    weights: str | None
    settings: MappingSettings
    device: str
    processors: int


@dataclass(frozen=True)
class RayEngine:
    """An engine of `map_model` that uses the Ray cluster at `address`, or starts Ray on this machine for the run.

    `processors`: how many a layer uses (default: all of the smallest machine). `report`: called with a sentence about
    where the layers are computed, and for each layer that is computed again.
    """

    address: str | None = None
    processors: int | None = None
    device: str = "cpu"
    report: Callable[[str], None] = lambda _sentence: None

    def __call__(self, mapper: LayerMapper, layers: Sequence[int]) -> Generator[tuple[int, LayerTables]]:
        """Yields the tables of layers as they are finished."""
        with connect_to_cluster(self.address):
            sizes = machine_processors()
            processors = self.processors or min(sizes)
            at_once = sum(size // processors for size in sizes)
            if not at_once:
                wanted = pluralize(processors, "processor")
                raise MapsError(f"No machine of the cluster has {wanted}; set --cpus to {max(sizes)} or fewer.")
            layers_at_once = f"{pluralize(at_once, 'layer')} at once on {pluralize(len(sizes), 'machine')}"
            self.report(f"Ray: {layers_at_once}, {pluralize(processors, 'thread')} for each layer.")
            task_settings = RayTaskSettings(
                portable_model_name(mapper.model),
                mapper.model.checkpoint.revision,
                mapper.model.checkpoint.weights,
                mapper.settings,
                self.device,
                processors,
            )
            yield from self.compute_layers(task_settings, layers)

    def compute_layers(
        self, task_settings: RayTaskSettings, layers: Sequence[int]
    ) -> Generator[tuple[int, LayerTables]]:
        """Starts a task for every layer and yields the results; a lost layer is started again."""
        gpus = 0 if self.device == "cpu" else 1
        task = ray.remote(num_cpus=task_settings.processors, num_gpus=gpus, max_retries=0)(compute_layer)
        shared, attempts = ray.put(task_settings), dict.fromkeys(layers, 1)
        running = {task.remote(shared, layer): layer for layer in layers}
        try:
            while running:
                [done], _ = ray.wait(list(running), num_returns=1)
                layer = running.pop(done)
                tables = self.receive_tables(done, layer, attempts)
                if tables is None:
                    running[task.remote(shared, layer)] = layer
                else:
                    yield layer, tables
        finally:
            for each in running:
                ray.cancel(each, force=True)

    def receive_tables(self, task_ref: Any, layer: int, attempts: dict[int, int]) -> LayerTables | None:
        """A task's tables; None where its worker was lost and the layer must be computed again."""
        try:
            return ray.get(task_ref)
        except RayTaskError as error:
            raise task_error(error) from error
        except RayError as error:
            why = type(error).__name__
            if attempts[layer] >= MAX_ATTEMPTS:
                raise RunFailedError(
                    f"The worker of layer {layer} was lost {MAX_ATTEMPTS} times ({why}); its machine may lack memory. "
                    "Finished layers are kept: run the same command again with more --cpus for each layer."
                ) from error
            attempts[layer] += 1
            self.report(f"The worker of layer {layer} was lost ({why}); the layer is computed again.")
            return None


def compute_layer(task_settings: RayTaskSettings, layer: int) -> LayerTables:
    torch.set_num_threads(task_settings.processors)
    return open_layer_mapper(task_settings).compute_tables(layer)


@lru_cache(maxsize=1)
def open_layer_mapper(task_settings: RayTaskSettings) -> LayerMapper:
    """Opens the model on this machine, once for each worker process, which keeps E, U and Ẽ for its next layers.

    Raises MapsError where the machine lacks the model or has another one.
    """
    machine, path = socket.gethostname(), Path(task_settings.model)
    if path.is_absolute() and not path.exists():
        raise MapsError(
            f"The machine {machine} has no {path}; put the model into a folder that all machines share, or name it by "
            "its Hub id."
        )
    checkpoint = open_checkpoint(task_settings.model, task_settings.revision)
    if not checkpoint.is_model_of({"revision": task_settings.revision, "weights": task_settings.weights}):
        raise MapsError(
            f"The machine {machine} has another {task_settings.model}: its revision is {checkpoint.revision}, not "
            f"{task_settings.revision}; put the same model on all machines."
        )
    s = task_settings.settings
    model = Model(checkpoint, task_settings.model, find_device(task_settings.device), s.dtype, s.reading, s.calibration)
    return LayerMapper(model, s, model.usable_pairs(s.relations, s.k))


def portable_model_name(model: Model) -> str:
    """The name by which other machines open a model: an absolute path, or the name itself."""
    path = Path(model.requested_name).expanduser()
    return str(path.resolve()) if path.exists() and model.requested_name != BUNDLED_MODEL else model.requested_name


def machine_processors() -> list[int]:
    """The number of processors of each machine that has any; raises MapsError where none has."""
    sizes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if not any(sizes):
        raise MapsError("The Ray cluster has no machine with processors; add one and run the same command again.")
    return [size for size in sizes if size]


@contextmanager
def connect_to_cluster(address: str | None) -> Iterator[None]:
    """Connects to a cluster and sends it this library, or starts Ray here; disconnects or stops it afterwards.

    What Ray prints about lost workers goes to standard error.
    """
    options: dict[str, Any] = {"address": address, "runtime_env": {"py_modules": [str(LIBRARY)]}}
    if address is None:
        options = {"address": "local", "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    try:
        check_listening(address or "")
        ray.init(**options, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        if address is None:
            raise RunFailedError(f"Ray cannot be started on this machine ({reason}); omit --engine ray.") from error
        raise RunFailedError(
            f"No Ray cluster can be used at {address} ({reason}); check --address, and set RAY_AUTH_MODE=token where "
            "the cluster asks for its token."
        ) from error
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ray.shutdown()


def check_listening(address: str) -> None:
    """Raises OSError where nobody listens at `host:port`; Ray itself would try for 15 minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()


def task_error(error: RayTaskError) -> Exception:
    """The error to raise for a failed task: its own MapsError, or one that names a missing package."""
    cause = error.cause
    if isinstance(cause, MapsError):
        return type(cause)(*cause.args)
    if isinstance(cause, ModuleNotFoundError):
        return MapsError(f"A machine of the cluster lacks the package {cause.name}; install this project there.")
    return error
