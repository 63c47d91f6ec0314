"""Models in the place of official ones, for tests that fetch: the only way past the catalogue's own hashes.

python official_models.py CATALOGUE ARGUMENT...     runs posecli with the models that CATALOGUE describes
"""

import json
import sys
from dataclasses import replace
from hashlib import sha1
from pathlib import Path

from posecli.download import RemoteFile
from posecli.weights import catalog
from posecli.weights.catalog import OfficialModel


def remote_file(path: Path, address: str) -> RemoteFile:
    """A file as the catalogue would list it."""
    data = path.read_bytes()
    return RemoteFile(address, len(data), sha1(b"blob %d\0" % len(data) + data).hexdigest())


def stand_in(name: str, folder: Path) -> OfficialModel:
    """The official model of this name with other files: those in `folder`, which a server has at /NAME/."""
    graph = folder / "model.json"
    weights = sorted(file for file in folder.iterdir() if file != graph)
    return replace(
        catalog.official(name),
        graphs={16: remote_file(graph, f"{name}/{graph.name}")},
        weights=tuple(remote_file(file, f"{name}/{file.name}") for file in weights),
    )


def unhashed(model: OfficialModel, *paths: str) -> OfficialModel:
    """The model with the hash of some files unknown: those whose path contains one of `paths`, or without any, all."""

    def forget(file: RemoteFile) -> RemoteFile:
        named = not paths or any(path in file.path for path in paths)
        return replace(file, blob_sha1=None, size=None) if named else file

    graphs = {stride: forget(file) for stride, file in model.graphs.items()}
    return replace(model, graphs=graphs, weights=tuple(map(forget, model.weights)))


def write_catalogue(path: Path, *models: OfficialModel) -> Path:
    """Describe stand-ins for another process."""
    described = {
        model.name: {
            "graph": list(_fields(model.graphs[16])),
            "weights": [list(_fields(file)) for file in model.weights],
        }
        for model in models
    }
    path.write_text(json.dumps(described))
    return path


def _fields(file: RemoteFile) -> tuple[str, int | None, str | None]:
    return file.path, file.size, file.blob_sha1


def use_catalogue(path: Path) -> None:
    """Put the models that `write_catalogue` described into their places, in this process."""
    for name, described in json.loads(path.read_text()).items():
        catalog._BY_NAME[name] = replace(
            catalog.official(name),
            graphs={16: RemoteFile(*described["graph"])},
            weights=tuple(RemoteFile(*fields) for fields in described["weights"]),
        )


if __name__ == "__main__":
    from posecli.__main__ import main

    use_catalogue(Path(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    main()
