"""Directories, volumes and links of the `process` driver's pods. Touches the file system; no actor imports it.

<state>/pods/<uid>/pod.json                          what is known of the pod, for the next incarnation
<state>/pods/<uid>/volumes/<volume>/                 emptyDir and files of ConfigMaps, Secrets, ...
<state>/pods/<uid>/containers/<name>/<attempt>/      root: a container's PODCHAIN_ROOT and first working directory
                                      <attempt>.log  its log
<state>/claims/<namespace>/<claim>/                  PersistentVolumeClaims: they outlive their pods
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from actors.runtime.protocol import CREATE_ERROR, SANDBOX_ERROR, RuntimeRefused

_MUST_EXIST = {"Directory": Path.is_dir, "File": Path.is_file, "Socket": Path.is_socket}


def inside(path: str) -> Path:
    """A path below some directory, never above it. Raises `RuntimeRefused`."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".")]
    if ".." in parts:
        raise RuntimeRefused(CREATE_ERROR, f"path {path!r} must not contain '..'")
    return Path(*parts)


def make_volumes(pod_directory: Path, claims: Path, volumes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Make a pod's volumes; gives the directory (or file) of each. Raises `RuntimeRefused`."""
    places: dict[str, str] = {}
    for name, volume in volumes.items():
        place = pod_directory / "volumes" / inside(name)
        kind = volume["type"]
        if kind == "hostPath":
            place = _host_path(volume)
        elif kind == "claim":
            place = claims / inside(volume["claim"])
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.mkdir(parents=True, exist_ok=True)
            if kind == "files":
                write_files(place, volume["files"])
        places[name] = str(place)
    return places


def _host_path(volume: Mapping[str, Any]) -> Path:
    place, kind = Path(volume["path"]), volume["path_type"]
    if kind == "DirectoryOrCreate":
        place.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not place.exists():
        place.touch()
    check = _MUST_EXIST.get(kind)
    if check is not None and not check(place):
        raise RuntimeRefused(SANDBOX_ERROR, f"hostPath type check failed: {place} is not a {kind.lower()}")
    return place


def write_files(directory: Path, files: Mapping[str, Any]) -> None:
    """Make a directory hold exactly these files; each is replaced at once, never half written."""
    wanted = {inside(path): entry for path, entry in files.items()}
    for path, (content, mode) in wanted.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        temporary.write_bytes(content)
        temporary.chmod(mode)
        temporary.replace(target)
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(directory) not in wanted:
            path.unlink()


def link_mounts(root: Path, mounts: Iterable[Mapping[str, Any]], places: Mapping[str, str]) -> None:
    """Put a link at each mount path below the container's root. Raises `RuntimeRefused`."""
    for mount in sorted(mounts, key=lambda mount: len(PurePosixPath(mount["path"]).parts)):
        if mount["volume"] not in places:
            raise RuntimeRefused(CREATE_ERROR, f'volume "{mount["volume"]}" is not there')
        source = Path(places[mount["volume"]])
        if mount["sub_path"]:
            source = source / inside(mount["sub_path"])
            if not source.exists():
                source.mkdir(parents=True)
        link = root / inside(mount["path"])
        if link == root:
            raise RuntimeRefused(CREATE_ERROR, "a volume can't be mounted at / without a mount namespace")
        if any(parent.is_symlink() for parent in link.parents if parent.is_relative_to(root)):
            raise RuntimeRefused(CREATE_ERROR, f"{mount['path']}: a mount within another volume is not supported")
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(source)


def remove_tree(directory: Path) -> None:
    """Remove a directory; links within it are removed, not followed."""
    shutil.rmtree(directory, ignore_errors=True)
