"""A download that was killed, cut short or changed afterwards is healed by the next call; a wrong file is never used."""

import http.server
import io
import tarfile
import threading
from hashlib import sha256

import pytest

from deploy.local import artifacts
from deploy.local.artifacts import DownloadError, folder_of, install, missing
from deploy.local.pins import Pin, render

CONTENT = {"a-1.jar": b"first" * 1000, "b-1.jar": b"second" * 2000}


def archive():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("run.jar", "lib/inner.jar"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"java"))
    return packed.getvalue()


FILES = {**CONTENT, "r-1-all.tar.gz": archive()}
PINS = {
    "kafka": [Pin(f"g:{name[0]}:1::jar", sha256(data).hexdigest(), len(data)) for name, data in CONTENT.items()],
    "registry": [Pin("g:r:1:all:tar.gz", sha256(FILES["r-1-all.tar.gz"]).hexdigest(), len(FILES["r-1-all.tar.gz"]))],
}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A Maven repository of three files on loopback, made known as jgo's settings would; .served are the names asked for."""
    served, files = [], dict(FILES)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            served.append(name)
            self.send_response(200)
            self.send_header("Content-Length", str(len(files[name])))
            self.end_headers()
            self.wfile.write(files[name])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_address[1]}/maven\n")
    pins = tmp_path / "pins.json"
    pins.write_text(render(PINS))
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setattr(artifacts, "PINS_FILE", pins)
    monkeypatch.setattr(artifacts, "TRIES", 1)
    server.served, server.files = served, files
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "artifacts"


def get(folder):
    arrived = []
    install(folder, lambda server, size: arrived.append((server, size)))
    return sum(size for _, size in arrived)


def test_what_is_missing_is_fetched_and_unpacked_once(repository, folder):
    sizes = {server: sum(p.size for p in pins) for server, pins in PINS.items()}
    assert missing(folder) == sizes
    assert get(folder) == sum(sizes.values())
    assert missing(folder) == {}
    assert get(folder) == 0
    assert sorted(repository.served) == sorted(FILES)
    assert {f.name for f in folder_of(folder, "kafka").iterdir()} == {"a-1.jar", "b-1.jar", "lock.json"}
    assert (folder_of(folder, "registry") / "lib" / "inner.jar").read_bytes() == b"java"
    assert not (folder_of(folder, "registry") / "r-1-all.tar.gz").exists()


def test_a_killed_download_goes_on_with_the_files_it_has(repository, folder):
    part = folder / f"{folder_of(folder, 'kafka').name}.part"
    part.mkdir(parents=True)
    (part / "a-1.jar").write_bytes(FILES["a-1.jar"])
    (part / "b-1.jar.half").write_bytes(FILES["b-1.jar"][:100])
    get(folder)
    assert "a-1.jar" not in repository.served
    assert missing(folder) == {}
    assert (folder_of(folder, "kafka") / "b-1.jar").read_bytes() == FILES["b-1.jar"]


def test_a_file_cut_short_afterwards_is_fetched_again_and_only_that_one(repository, folder):
    get(folder)
    repository.served.clear()
    (folder_of(folder, "kafka") / "b-1.jar").write_bytes(b"short")
    assert list(missing(folder)) == ["kafka"]
    get(folder)
    assert repository.served == ["b-1.jar"]
    assert missing(folder) == {}


def test_a_file_with_another_checksum_is_refused_and_leaves_nothing_that_looks_whole(repository, folder):
    repository.files["b-1.jar"] = b"x" * len(FILES["b-1.jar"])
    with pytest.raises(DownloadError, match=r"b-1\.jar could not be downloaded: its checksum is not the pinned one"):
        get(folder)
    assert "kafka" in missing(folder)
    repository.files.update(FILES)
    get(folder)
    assert missing(folder) == {}


def test_another_pin_makes_a_folder_incomplete(repository, folder, tmp_path):
    get(folder)
    newer = b"newer" * 500
    repository.files["b-1.jar"] = newer
    pins = PINS | {"kafka": [PINS["kafka"][0], Pin("g:b:1::jar", sha256(newer).hexdigest(), len(newer))]}
    artifacts.PINS_FILE.write_text(render(pins))
    get(folder)
    assert (folder_of(folder, "kafka") / "b-1.jar").read_bytes() == newer
