"""The manifests build, and every resource is what Kubernetes knows; each check says clearly when its tool is not here."""

import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
BUILDS = ("jobs", "overlays/dev", "overlays/prod")
KUSTOMIZE = "kustomize.config.k8s.io"
SCHEMAS = "kubernetes-validate is not installed: the manifests were not compared with Kubernetes' schemas"


@pytest.fixture(scope="module", params=BUILDS)
def built(request):
    """What kustomize makes of one folder, as text."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not here: the overlays were not built")
    command = [kubectl, "kustomize", str(FOLDER / request.param)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compare(text):
    """Compare resources with Kubernetes' own schemas, unknown fields refused; return how many of them were.

    The kinds of operators (KEDA, Strimzi and so on) have schemas elsewhere: which were passed over, a warning says.
    """
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the manifests were not compared with Kubernetes' schemas")
    validator = pytest.importorskip("kubernetes_validate", reason=SCHEMAS)
    checked, foreign = 0, []
    for resource in yaml.safe_load_all(text):
        if KUSTOMIZE in resource["apiVersion"]:
            continue
        try:
            validator.validate(resource, validator.latest_version(), strict=True)
        except validator.SchemaNotFoundError:
            foreign.append(f"{resource['apiVersion']} {resource['kind']}")
        else:
            checked += 1
    if foreign:
        warnings.warn(f"not compared with any schema: {', '.join(sorted(foreign))} (see deploy/README.md)", stacklevel=1)
    own = [kind for kind in foreign if "." not in kind or ".k8s.io/" in kind]
    assert own == [], "Kubernetes' own names, and not known to it"
    return checked


def test_every_built_resource_is_in_a_namespace_of_its_own(built):
    assert "\n  namespace: market-data" in built
    assert "namespace: default" not in built


def test_every_built_resource_is_valid_to_kubernetes_own_schemas_unknown_fields_refused(built):
    assert compare(built) >= 4


def test_without_kubectl_the_files_are_compared_as_they_stand():
    """Less than what is built of them: no overlay is applied, so this stands in only where nothing can be built."""
    if shutil.which("kubectl"):
        pytest.skip("kubectl is here: what it builds was compared, not the single files")
    files = [file for folder in ("base", "jobs") for file in sorted((FOLDER / folder).glob("*.yaml"))]
    assert sum(compare(file.read_text(encoding="utf-8")) for file in files) >= 10
