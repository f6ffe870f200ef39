"""Shows the atlases that jobs work on: the layers so far while a model is mapped, then the finished atlas."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from maps.atlas.layer_store import LayerStore
from maps.atlas.reader import Atlas
from maps.atlas.verification import verify_atlas
from maps.errors import MapsError
from space.atlases.shown import ShownAtlases


class JobAtlases:
    """Adds the atlases of jobs to those that are shown. `previews` is the folder for unfinished ones."""

    def __init__(self, shown: ShownAtlases, previews: Path) -> None:
        self._shown, self._previews = shown, previews
        # Of each folder: when its atlas was written, or how many layers it has. Those shown already were checked.
        self._versions = {atlas.folder.resolve(): atlas_version(atlas.folder) for atlas in shown.values()}
        shutil.rmtree(previews, ignore_errors=True)  # what an earlier process left

    def update(self, folder: Path) -> None:
        """Looks at the folder of a job's atlas again, and shows what is new. An atlas that is damaged is not shown."""
        folder = folder.resolve()
        finished = atlas_version(folder)
        version = finished or len(LayerStore(folder).finished_layers())
        if not version or self._versions.get(folder) == version:
            return
        try:
            self._shown.show(self._open_finished(folder) if finished else self._open_unfinished(folder, version))
        except FileNotFoundError:
            return  # the mapping has ended meanwhile; the next look finds its atlas
        except MapsError as error:
            print(f"Not shown: {error}", file=sys.stderr)
        self._versions[folder] = version

    def _open_finished(self, folder: Path) -> Atlas:
        verify_atlas(folder)
        return Atlas.open(folder)

    def _open_unfinished(self, folder: Path, layers: int) -> Atlas:
        """The layers so far, in a folder of their own: pages may still read the one before."""
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        previews = self._previews / name
        for old in sorted(previews.glob("*"), key=lambda path: path.stat().st_mtime_ns)[:-1]:
            shutil.rmtree(old)
        preview = LayerStore(folder).write_unfinished(previews / f"{layers}-layers")
        if preview is None:
            raise FileNotFoundError(folder)
        return preview


def atlas_version(folder: Path) -> int:
    """When the atlas in a folder was written, in nanoseconds; 0 if there is no finished one."""
    info = folder / "atlas.json"
    return info.stat().st_mtime_ns if info.exists() else 0
