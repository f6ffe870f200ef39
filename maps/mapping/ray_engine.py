"""Layers of a mapping spread over a Ray cluster. Each task opens the model itself and reads its own layer's tensors.

What comes back is the layer's tables; the run that asked keeps them as it would keep its own. A layer whose worker or
machine is lost is asked for again. Imported only where Ray is asked for.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import torch
from ray.exceptions import RayError, RayTaskError

from maps.errors import MapsError, RunFailedError
from maps.mapping.mapper import LayerMapper, LayersToMap, LayerTables
from maps.mapping.model import Model, find_device
from maps.mapping.settings import MappingSettings
from maps.text import pluralize
from maps.weights.bundled import BUNDLED_MODEL
from maps.weights.open import open_checkpoint

LIBRARY = Path(__file__).parents[1]  # the package `maps`, which Ray sends to its workers
MAX_ATTEMPTS = 4  # of a layer, each lost with its worker, before the run gives up
CONNECT_TIMEOUT = 10  # seconds for a cluster to answer at its address
OBJECT_STORE_BYTES = 100 << 20  # bytes for what workers hand back, on a machine where Ray is started for the run


@dataclass(frozen=True)
class RayTaskSettings:
    """What a task needs to know beside its layer. `model` is absolute where it names a file or folder."""

    model: str
    revision: str
    settings: MappingSettings
    device: str
    processors: int


@dataclass(frozen=True)
class RayEngine:
    """An engine of `map_model`: the layers on a Ray cluster, or on one that is started here for the run.

    A layer takes `processors` of a machine, and as many threads; all of the smallest machine where it is None.
    `report` is told, in a sentence each, where the layers go and which are asked for again.
    """

    address: str | None = None
    processors: int | None = None
    device: str = "cpu"
    report: Callable[[str], None] = lambda _sentence: None

    def __call__(self, mapper: LayerMapper, layers: LayersToMap) -> Generator[tuple[int, LayerTables]]:
        """The tables of layers as they are finished."""
        with connect_to_cluster(self.address):
            sizes = machine_processors()
            processors = self.processors or min(sizes)
            at_once = sum(size // processors for size in sizes)
            if not at_once:
                raise MapsError(
                    f"No machine of the cluster has {pluralize(processors, 'processor')}; ask for {max(sizes)} or fewer "
                    "with --cpus."
                )
            places = f"{pluralize(at_once, 'layer')} at once on {pluralize(len(sizes), 'machine')}"
            self.report(f"Ray: {places}, {pluralize(processors, 'thread')} a layer.")
            asked = RayTaskSettings(
                portable_model_name(mapper.model),
                mapper.model.checkpoint.revision,
                mapper.settings,
                self.device,
                processors,
            )
            yield from self.compute_layers(asked, layers)

    def compute_layers(self, task_settings: RayTaskSettings, layers: LayersToMap) -> Generator[tuple[int, LayerTables]]:
        """Asks for all layers and hands out what comes back; a lost layer is asked for again."""
        gpus = 0 if self.device == "cpu" else 1
        task = ray.remote(num_cpus=task_settings.processors, num_gpus=gpus, max_retries=0)(compute_layer)
        shared, tries = ray.put(task_settings), dict.fromkeys(layers, 1)
        running = {task.remote(shared, layer, stored): layer for layer, stored in layers.items()}
        try:
            while running:
                [done], _ = ray.wait(list(running), num_returns=1)
                layer = running.pop(done)
                tables = self.receive_tables(done, layer, tries)
                if tables is None:
                    running[task.remote(shared, layer, layers[layer])] = layer
                else:
                    yield layer, tables
        finally:
            for each in running:
                ray.cancel(each, force=True)

    def receive_tables(self, task_ref: Any, layer: int, tries: dict[int, int]) -> LayerTables | None:
        """A task's tables; None where its worker was lost and the layer is to be asked for again."""
        try:
            return ray.get(task_ref)
        except RayTaskError as error:
            raise task_error(error) from error
        except RayError as error:
            why = type(error).__name__
            if tries[layer] >= MAX_ATTEMPTS:
                raise RunFailedError(
                    f"Layer {layer} was lost {MAX_ATTEMPTS} times with its worker ({why}); its machine may lack memory. "
                    "What is done is kept: run the same command again, with more --cpus a layer."
                ) from error
            tries[layer] += 1
            self.report(f"Layer {layer} was lost with its worker ({why}) and is done again.")
            return None


def compute_layer(task_settings: RayTaskSettings, layer: int, stored: pa.Table | None) -> LayerTables:
    """A task: the tables of one layer."""
    torch.set_num_threads(task_settings.processors)
    return open_layer_mapper(task_settings).compute_tables(layer, stored)


@lru_cache(maxsize=1)
def open_layer_mapper(task_settings: RayTaskSettings) -> LayerMapper:
    """The model on this machine. E, U and Ẽ stay with the worker from layer to layer.

    Raises MapsError where the machine lacks the model or has another one.
    """
    where, path = socket.gethostname(), Path(task_settings.model)
    if path.is_absolute() and not path.exists():
        raise MapsError(
            f"The machine {where} has no {path}; put the model into a folder that all machines share, or name it by "
            "its Hub id."
        )
    checkpoint = open_checkpoint(task_settings.model, task_settings.revision)
    if checkpoint.revision != task_settings.revision:
        raise MapsError(
            f"The machine {where} has another {task_settings.model}: its revision is {checkpoint.revision}, not "
            f"{task_settings.revision}; put the same model on all machines."
        )
    s = task_settings.settings
    model = Model(
        checkpoint, task_settings.model, find_device(task_settings.device), s.dtype, s.first_mlp, s.final_norm
    )
    return LayerMapper.prepare(model, s)


def portable_model_name(model: Model) -> str:
    """What other machines open a model by."""
    path = Path(model.requested_name).expanduser()
    return str(path.resolve()) if path.exists() and model.requested_name != BUNDLED_MODEL else model.requested_name


def machine_processors() -> list[int]:
    """The processors of every machine that has any; raises MapsError where none has."""
    sizes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if not any(sizes):
        raise MapsError("The Ray cluster has no machine with processors; add one and run the same command again.")
    return [size for size in sizes if size]


@contextmanager
def connect_to_cluster(address: str | None) -> Iterator[None]:
    """Connects to a cluster, whose workers get this very code, or starts one here; leaves or ends it afterwards.

    What Ray prints of lost workers meanwhile goes to the standard error.
    """
    here: dict[str, Any] = {"address": "local", "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    there = {"address": address, "runtime_env": {"py_modules": [str(LIBRARY)]}}
    try:
        check_listening(address or "")
        ray.init(**(here if address is None else there), logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        said = str(error).strip().partition("\n")[0].rstrip(".")
        if address is None:
            raise RunFailedError(f"Ray cannot be started on this machine ({said}); leave out --engine ray.") from error
        raise RunFailedError(
            f"No Ray cluster can be used at {address} ({said}); check --address, and set RAY_AUTH_MODE=token where the "
            "cluster asks for its token."
        ) from error
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ray.shutdown()


def check_listening(address: str) -> None:
    """Raises OSError where nobody listens at `host:port`: Ray itself would try for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()


def task_error(error: RayTaskError) -> Exception:
    """What went wrong in a task: its own sentence, or one about a package that a machine lacks."""
    cause = error.cause
    if isinstance(cause, MapsError):
        return type(cause)(*cause.args)
    if isinstance(cause, ModuleNotFoundError):
        return MapsError(f"A machine of the cluster lacks the package {cause.name}; install this project there.")
    return error
