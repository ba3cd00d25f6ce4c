"""SHELL (processes, files, network). ``python -m deploy.supply``: what is shipped, its terms, and what is known against it.

Three questions about the pinned packages of every image: licences (the installed packages' own metadata), a bill of materials
each (CycloneDX JSON), known vulnerabilities (pip-audit, which asks a database on the network). Exit status 1: a licence that
is not allowed, a vulnerability, or a bill that could not be made. Without a network the last question stays unanswered: that
is said, and is no failure unless ``--online`` demands an answer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import deploy
from deploy.supply.advisories import Finding, NotAskedError, findings
from deploy.supply.licences import Said, allowed, licence
from deploy.supply.pinned import Pin, pins, rounds

ROOT = Path(deploy.__file__).resolve().parents[1]
SHIPPED = {
    **{name: ROOT / "requirements" / f"{name}.txt" for name in ("producer", "processor", "sink")},
    **{name: ROOT / "deploy" / "container" / f"{name}.txt" for name in ("tools", "ccxt", "calendars", "otel")},
}
"""Name of an image, or of what can be added to one -> the file that it is made from."""
ASK_S = 300.0


def licence_lines(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return one line a package as it is installed here, and one a package whose licence is not allowed or not known."""
    lines, wrong = [], []
    for name in sorted(names):
        try:
            says = dict(metadata.metadata(name).json)
        except metadata.PackageNotFoundError:
            lines.append(f"{name}\tnot for this system or Python, so not looked at")
            continue
        text, expression, classifiers = (says.get(key) for key in ("license", "license_expression", "classifier"))
        found = licence(Said(name, str(expression or ""), list(classifiers or ()), str(text or "")))
        lines.append(f"{name} {says['version']}\t{found or 'unknown'}")
        if not allowed(found):
            wrong.append(f"{name} {says['version']}: {found or 'says nothing that is known'}")
    return lines, wrong


def bill(tools: Path, name: str, folder: Path) -> str:
    """Write an image's bill of materials and return what went wrong, if anything did."""
    target = folder / f"{name}.cdx.json"
    command = [str(tools / "cyclonedx-py"), "requirements", "--output-format", "JSON", "--output-reproducible", "--output-file"]
    done = subprocess.run([*command, str(target), str(SHIPPED[name])], capture_output=True, text=True, timeout=ASK_S, check=False)
    return "" if done.returncode == 0 else f"{name}: {done.stderr.strip()[-300:]}"


def vulnerabilities(tools: Path, wanted: Iterable[Pin], folder: Path) -> list[Finding]:
    """Return what the database knows of these packages.

    Raises:
        NotAskedError: it was not reached.
    """
    command = [str(tools / "pip-audit"), "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    found = []
    for number, pinned in enumerate(rounds(wanted)):
        file = folder / f"asked-{number}.txt"
        file.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pinned), encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, "--requirement", str(file)], capture_output=True, text=True, timeout=ASK_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotAskedError(f"no answer within {ASK_S:g} s") from None
        found += findings(done.stdout, done.stderr)
    return found


def main() -> int:
    """Ask all three and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply", description="Licences, bills of materials, vulnerabilities.")
    parser.add_argument("--tools", type=Path, required=True, help="folder of the commands cyclonedx-py and pip-audit")
    parser.add_argument("--out", type=Path, default=ROOT / ".candlewick" / "supply", help="folder for what is written")
    parser.add_argument("--online", action="store_true", help="fail where the database of vulnerabilities is not reached")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    wanted = set().union(*(pins(file.read_text(encoding="utf-8")) for file in SHIPPED.values()))

    lines, wrong = licence_lines({pin.name for pin in wanted})
    (arguments.out / "licences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"licences: {len(lines)} packages, {len(wrong)} not allowed; {arguments.out / 'licences.txt'}")

    broken = [problem for name in SHIPPED if (problem := bill(arguments.tools, name, arguments.out))]
    print(f"bills of materials: {len(SHIPPED) - len(broken)} of {len(SHIPPED)}; {arguments.out / '*.cdx.json'}")

    found, unanswered = [], False
    try:
        found = [finding.line() for finding in vulnerabilities(arguments.tools, wanted, arguments.out)]
        print(f"vulnerabilities: {len(wanted)} packages asked for, {len(found)} known")
    except NotAskedError as error:
        unanswered = True
        print(f"vulnerabilities: NOT CHECKED, the database gave no answer ({error}); run this again where it is reached")

    for problem in (*wrong, *broken, *found):
        print(f"  {problem}", file=sys.stderr)
    return 1 if wrong or broken or found or (unanswered and arguments.online) else 0


if __name__ == "__main__":
    sys.exit(main())
