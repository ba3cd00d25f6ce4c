"""SHELL (Maven repository, files). Brings the servers' files onto this machine, once for all homes.

A folder with its final name is whole: files get their name only after their checksum was right, the folder gets its name only
when every file is there, and a lock file in it (``lock.json``) says what was put there. So whatever was killed half-way is
either absent or a ``.part`` that the next call goes on with.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

import requests

from deploy.local.pins import RELEASES, Pin, parse

PINS_FILE = Path(__file__).with_name("pins.json")
LOCK_NAME = "lock.json"
THREADS = 6  # our choice: enough to fill the line with many small files, polite to the repository
TRIES = 4
TIMEOUT_S = (10.0, 60.0)  # to connect, and between two pieces of a file

Progress = Callable[[str, int], None]
"""Told server and bytes that arrived."""


class DownloadError(RuntimeError):
    """A server's file cannot be had, or is not what was pinned."""


def pinned() -> dict[str, tuple[Pin, ...]]:
    """Return the files of every server."""
    return parse(PINS_FILE.read_text(encoding="utf-8"))


def folder_of(artifacts: Path, server: str) -> Path:
    """Return the folder that holds a server's files when they are complete."""
    return artifacts / f"{server}-{RELEASES[server]}"


def missing(artifacts: Path) -> dict[str, int]:
    """Return the servers that are not completely there, with the bytes still to download."""
    todo = {}
    for server, pins in pinned().items():
        if not _complete(folder_of(artifacts, server), pins):
            part = _part(artifacts, server)
            todo[server] = sum(p.size for p in pins if not (part / p.filename).exists())
    return todo


def install(artifacts: Path, progress: Progress) -> None:
    """Download and unpack what is missing; returns when every server's folder is complete.

    Raises:
        DownloadError: a file could not be had after some tries, or has the wrong checksum.
    """
    todo = list(missing(artifacts))
    for server in todo:
        _prepare(artifacts, server)
    wanted = [(s, p) for s in todo for p in pinned()[s] if not (_part(artifacts, s) / p.filename).exists()]
    wanted.sort(key=lambda w: -w[1].size)
    stop = threading.Event()
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(_fetch, p, _part(artifacts, s), partial(progress, s), stop) for s, p in wanted]
        try:
            for job in jobs:
                job.result()
        except BaseException:  # also Ctrl-C: the threads must see it, or leaving the pool waits for whole files
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    for server in todo:
        _complete_folder(artifacts, server)


@contextmanager
def exclusively(artifacts: Path) -> Iterator[None]:
    """Hold the folder: two processes that find files missing must not fetch them twice."""
    artifacts.mkdir(parents=True, exist_ok=True)
    with (artifacts / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _part(artifacts: Path, server: str) -> Path:
    return artifacts / f"{folder_of(artifacts, server).name}.part"


def _prepare(artifacts: Path, server: str) -> None:
    # A folder that was changed since it was complete gives its good files back to the half-finished state.
    folder, part = folder_of(artifacts, server), _part(artifacts, server)
    part.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        for pin in pinned()[server]:
            file = folder / pin.filename
            if file.exists() and file.stat().st_size == pin.size and _digest(file) == pin.sha256:
                file.replace(part / pin.filename)
        shutil.rmtree(folder)


def _complete(folder: Path, pins: tuple[Pin, ...]) -> bool:
    # Names and sizes against the lock file, and the lock file against the pins: damage and upgrades are seen, in milliseconds.
    try:
        lock = json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if lock["sha256"] != {p.filename: p.sha256 for p in pins}:
        return False
    try:
        return all((folder / name).stat().st_size == size for name, size in lock["files"].items())
    except OSError:
        return False


def _complete_folder(artifacts: Path, server: str) -> None:
    part, pins = _part(artifacts, server), pinned()[server]
    for pin in pins:
        if pin.filename.endswith(".tar.gz"):
            with tarfile.open(part / pin.filename) as archive:
                archive.extractall(part, filter="data")
            (part / pin.filename).unlink()
    for half in part.glob("*.half"):
        half.unlink()
    files = {str(f.relative_to(part)): f.stat().st_size for f in sorted(part.rglob("*")) if f.is_file()}
    lock = {"sha256": {p.filename: p.sha256 for p in pins}, "files": files}
    (part / LOCK_NAME).write_text(json.dumps(lock, indent=1), encoding="utf-8")
    part.replace(folder_of(artifacts, server))


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        digest = sha256()
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _fetch(pin: Pin, folder: Path, arrived: Callable[[int], None], stop: threading.Event) -> None:
    problem = ""
    for attempt in range(TRIES):
        if stop.wait(2.0**attempt - 1):
            return
        for repository in _repositories():
            try:
                _fetch_from(f"{repository.rstrip('/')}/{pin.path}", pin, folder, arrived, stop)
                return
            except (requests.RequestException, DownloadError) as error:
                problem = str(error) if isinstance(error, DownloadError) else type(error).__name__
    raise DownloadError(f"{pin.filename} could not be downloaded: {problem}")


def _fetch_from(url: str, pin: Pin, folder: Path, arrived: Callable[[int], None], stop: threading.Event) -> None:
    half = folder / f"{pin.filename}.half"
    digest, size = sha256(), 0
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT_S) as answer, half.open("wb") as file:
            if not answer.ok:
                raise DownloadError(f"HTTP {answer.status_code}")
            for piece in answer.iter_content(1 << 16):
                if stop.is_set():
                    return
                file.write(piece)
                digest.update(piece)
                size += len(piece)
                arrived(len(piece))
        if digest.hexdigest() != pin.sha256:
            raise DownloadError(f"its checksum is not the pinned one ({size} bytes arrived, {pin.size} expected)")
    except BaseException:
        arrived(-size)
        raise
    half.replace(folder / pin.filename)


def _repositories() -> list[str]:
    # jgo's own, and what its settings file names: a company's mirror is set up there, as for every user of jgo.
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    repositories = {**MavenContext().remote_repos, **GlobalSettings.load().repositories}
    return list(repositories.values())
