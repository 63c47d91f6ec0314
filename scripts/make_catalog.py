#!/usr/bin/env python3
"""Write src/posecli/weights/catalog.json: size and hash of every file of Google's that posecli might download.

    python scripts/make_catalog.py ../shared/tfjs-mirror

The mirror is laid out as the server is. It has at least every model's JSON (but for those of stride 32 of MobileNet
1.00) and git-blob-ids.json, the git blob SHA-1 of every file. Where weights are there, their sizes are read; where they
are not, they follow from the JSON that names them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from posecli.files import write_whole
from posecli.weights import catalog
from posecli.weights.first_release import OTHER_HEADS

TARGET = Path(catalog.__file__).with_suffix(".json")
SHARD_BYTES = 4 * 1024 * 1024
ITEM_BYTES = {"float32": 4, "int32": 4, "uint16": 2, "uint8": 1}
# Google names these in its client's source; the mirror has neither them nor their hashes.
UNSEEN = tuple(f"savedmodel/posenet/mobilenet/{kind}/100/model-stride32.json" for kind in ("float", "quant2", "quant1"))

Folders = Mapping[str, Mapping[str, tuple[int | None, str | None]]]  # folder -> file -> size, git blob SHA-1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mirror", type=Path, help="a folder laid out as the server is, with git-blob-ids.json")
    folders = read_mirror(parser.parse_args().mirror)
    write_whole(TARGET, to_json(folders).encode())
    print(f"wrote {TARGET.name}: {sum(map(len, folders.values()))} files in {len(folders)} folders")


def read_mirror(mirror: Path) -> Folders:
    """Every file to list, folders and files in order of their names."""
    blob_sha1s: dict[str, str] = json.loads((mirror / "git-blob-ids.json").read_bytes())["files"]
    sizes: dict[str, int] = {}
    for path in sorted(mirror.rglob("model-stride*.json")):
        sizes |= _sizes(mirror, path, _shards(json.loads(path.read_bytes())))
    for path in sorted(mirror.rglob("manifest.json")):
        sizes |= _sizes(mirror, path, _variables(json.loads(path.read_bytes())))
    folders: defaultdict[str, dict[str, tuple[int | None, str | None]]] = defaultdict(dict)
    for file in sorted([*sizes, *UNSEEN], key=_natural):
        folder, name = file.rsplit("/", 1)
        folders[folder][name] = (sizes.get(file), None if file in UNSEEN else blob_sha1s[file])
    return folders


def to_json(folders: Folders) -> str:
    """A line for each file, under its folder."""
    return (
        "{\n"
        + ",\n".join(f"{json.dumps(folder)}: {{\n{_lines(files)}\n}}" for folder, files in folders.items())
        + "\n}\n"
    )


def _lines(files: Mapping[str, tuple[int | None, str | None]]) -> str:
    return ",\n".join(f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in files.items())


def _sizes(mirror: Path, source: Path, named: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """A JSON and what it names, below the mirror, with sizes in bytes."""
    folder = PurePosixPath(source.relative_to(mirror).parent.as_posix())
    yield str(folder / source.name), source.stat().st_size
    for name, computed in named:
        file = source.parent / name
        size = file.stat().st_size if file.exists() else computed
        if size != computed:
            raise SystemExit(f"{file}: {size:,} bytes, but {source.name} says {computed:,}; mend the mirror")
        yield str(folder / name), size


def _shards(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The shards of a graph model: 4 MiB each, and the rest."""
    for group in model["weightsManifest"]:
        left = sum(map(_stored_bytes, group["weights"]))
        for name in group["paths"]:
            yield name, min(left, SHARD_BYTES)
            left -= min(left, SHARD_BYTES)


def _stored_bytes(entry: Mapping[str, Any]) -> int:
    return math.prod(entry["shape"]) * ITEM_BYTES[entry.get("quantization", entry)["dtype"]]


def _variables(manifest: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The files of a first-release manifest that pose estimation reads, one for each variable."""
    for name, entry in manifest.items():
        if not OTHER_HEADS.fullmatch(name):
            yield entry["filename"], math.prod(entry["shape"]) * ITEM_BYTES["float32"]


def _natural(path: str) -> tuple[tuple[bool, int, str], ...]:
    """Order in which shard 2 comes before shard 10."""
    words = "".join(c if c.isdecimal() else f" {c} " for c in path).split()
    return tuple((word.isdecimal(), int(word) if word.isdecimal() else 0, word) for word in words)


if __name__ == "__main__":
    main()
