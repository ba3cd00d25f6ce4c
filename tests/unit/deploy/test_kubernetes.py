"""The manifests build, and every resource is what Kubernetes knows; each check says clearly when its tool is not here."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
BUILDS = ("jobs", "overlays/dev", "overlays/prod")


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


def test_every_built_resource_is_in_a_namespace_of_its_own(built):
    assert "\n  namespace: market-data" in built
    assert "namespace: default" not in built


def test_every_built_resource_is_valid_to_kubernetes_own_schemas_unknown_fields_refused(built):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the manifests were not compared with Kubernetes' schemas")
    validator = pytest.importorskip(
        "kubernetes_validate",
        reason="kubernetes-validate is not installed: the manifests were not compared with Kubernetes' schemas",
    )
    checked = 0
    for resource in yaml.safe_load_all(built):
        if "keda.sh" in resource["apiVersion"]:
            continue  # the operator's own kinds; see deploy/README.md
        validator.validate(resource, validator.latest_version(), strict=True)
        checked += 1
    assert checked >= 4
