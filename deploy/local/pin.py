"""SHELL (Maven). Resolves the servers' files anew and writes ``pins.json``: ``python -m deploy.local.pin``.

Only needed when a release in `pins` changes; everybody else downloads exactly what is written there.
"""

from __future__ import annotations

import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from jgo.maven import Artifact, MavenContext

from deploy.local.artifacts import PINS_FILE
from deploy.local.pins import KAFKA, REGISTRY, RELEASES, ROOTS, Pin, render


def main() -> None:
    """Resolve all, check what is known to go wrong, write the file."""
    with tempfile.TemporaryDirectory() as cache:
        maven = MavenContext(repo_cache=Path(cache), timeout=60)
        pins = {server: _pins(maven, server) for server in ROOTS}
    names = {p.filename for p in pins[KAFKA]}
    if f"kafka-clients-{RELEASES[KAFKA]}.jar" not in names or "slf4j-api-1.7.36.jar" not in names:
        sys.exit("Kafka was resolved to a wrong mixture of versions; nothing was written")
    PINS_FILE.write_text(render(pins), encoding="utf-8")


def _pins(maven: MavenContext, server: str) -> list[Pin]:
    files: dict[str, Pin] = {}
    for root in ROOTS[server]:
        for artifact in _artifacts(maven, root, transitive=server != REGISTRY):
            coordinate = ":".join(
                (artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier or "", artifact.packaging)
            )
            content = artifact.resolve().read_bytes()
            pin = Pin(coordinate, sha256(content).hexdigest(), len(content))
            files.setdefault(pin.filename, pin)  # the first root's choice wins
    return [files[name] for name in sorted(files)]


def _artifacts(maven: MavenContext, root: str, transitive: bool) -> list[Artifact]:
    group, name, version, classifier, packaging = (*root.split(":"), "", "jar")[:5]
    if not transitive:
        return [maven.project(group, name).at_version(version).artifact(classifier, packaging)]
    roots, rest = maven.resolver.resolve([maven.create_dependency(root)])
    return [d.artifact for d in roots] + [d.artifact for d in rest if d.scope in ("compile", "runtime")]


if __name__ == "__main__":
    main()
