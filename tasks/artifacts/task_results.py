"""Where the results of tasks are kept: in the data folder, whatever the working directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.context import FlowRunContext
from prefect.filesystems import LocalFileSystem, RemoteFileSystem, WritableFileSystem
from upath import UPath


@contextmanager
def task_results_in(folder: UPath) -> Iterator[None]:
    """Keep the results of the current flow run's tasks in this folder.

    The folder is known only once the run has its parameters, so no decorator could name it.
    """
    run = FlowRunContext.get()
    assert run is not None
    store = run.result_store.model_copy(update={"result_storage": _storage(folder)})
    with run.model_copy(update={"result_store": store}):
        yield


def _storage(folder: UPath) -> WritableFileSystem:
    return LocalFileSystem(basepath=str(folder)) if isinstance(folder, Path) else RemoteFileSystem(basepath=str(folder))
