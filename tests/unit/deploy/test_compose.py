"""The files of a deployment by their text: what can be seen without Docker. tests/containers brings them up for real."""

import re
from pathlib import Path

import pytest

from producer.providers import MODULES, module_of
from schemas import environment

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
KUBERNETES = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in (ROOT / "deploy" / "kubernetes").rglob("*.yaml")}
IMAGES = [ROOT / "requirements" / f"{name}.txt" for name in ("producer", "processor", "sink")]
LOCKS = [ROOT / "requirements" / "dev.txt", *IMAGES, *(ROOT / "deploy" / "container").glob("*.txt")]
SERVICES = ("producer", "processor", "sink", "simulator")


def test_every_setting_that_is_given_exists():
    """A service refuses an unknown one at its start; here the misspelling is found before."""
    texts = [COMPOSE, DOCKERFILE, *KUBERNETES.values()]
    given = {name for text in texts for name in re.findall(r"\b(CANDLEWICK_\w+)", text)}
    assert "CANDLEWICK_KAFKA" in given
    assert environment.unknown(given) == []


@pytest.mark.parametrize("name", MODULES)
def test_settings_of_a_provider_exist(name):
    settings = module_of(name).SETTINGS
    prefix = settings.model_config["env_prefix"]
    known = {f"{prefix}{field}".upper() for field in settings.model_fields}
    texts = [COMPOSE, *KUBERNETES.values()]
    given = {found for text in texts for found in re.findall(rf"(?<!\$\{{)\b({prefix}\w+)(?=:|, value)", text)}
    assert given - known == set()


def test_every_producer_of_the_compose_file_is_a_provider():
    commands = re.findall(r"<<: \*producer\n.*\n    command: \[(\w+)\]", COMPOSE)
    assert len(commands) >= 2
    assert set(commands) <= set(MODULES)


def test_ports_are_published_on_loopback_only():
    published = re.findall(r"^    ports: \[(.+?)\]", COMPOSE, re.MULTILINE)
    assert len(published) >= 6
    assert [p for p in published if not re.fullmatch(r'"127\.0\.0\.1:[^"]+"', p)] == []


def test_every_container_has_limits_and_every_image_a_version():
    services = re.split(r"(?m)^  (?=\w[\w-]*:(?: #.*)?$)", COMPOSE.split("\nservices:\n")[1].split("\nvolumes:\n")[0])[1:]
    assert len(services) > 12
    for text in services:
        name = text.split(":", 1)[0]
        assert "limits:" in text or "<<: *job" in text or "<<: *producer" in text, f"{name} has no limits"
    images = re.findall(r"^ +image: (\S+)$", COMPOSE, re.MULTILINE)
    assert images
    assert [i for i in images if ":" not in i or i.endswith(":latest")] == []


def test_secrets_are_files():
    assert re.findall(r"\b\w+_FILE: (\S+)", COMPOSE)
    for name, value in re.findall(r"\b(\w*(?:TOKEN|PASSWORD|API_KEY|SECRET)): (.+)", COMPOSE):
        assert (name, value) in {("FINNHUB_TOKEN", "simulator"), ("CASSANDRA_READER_PASSWORD", '""')}, f"{name} is in the file"


def test_example_environment_is_made_of_settings_and_of_the_compose_files_variables():
    named = set(re.findall(r"\$\{(\w+)", COMPOSE))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    ports = {name for name in named if name.endswith(("_PORT", "_PORTS"))}
    assert ports <= set(re.findall(r"^#?(\w+)=", example, re.MULTILINE))


@pytest.mark.parametrize("target", SERVICES)
def test_an_image_has_a_health_check_and_is_no_roots(target):
    stage = re.split(r"(?m)^FROM ", DOCKERFILE)
    (text,) = [s for s in stage if s.split("\n", 1)[0].endswith(f" AS {target}")]
    assert "HEALTHCHECK" in text
    assert "USER" not in text  # the common stage's stays
    assert "\nUSER 10001:10001\n" in DOCKERFILE


def test_the_dockerfile_builds_on_old_engines_and_offline():
    assert not re.search(r"^# *syntax=|<<[A-Z]|^COPY --link|^RUN --mount=", DOCKERFILE, re.MULTILINE)


def test_everything_installed_in_an_image_is_pinned_by_hash():
    installs = re.findall(r"pip .*?install (.+?)(?= \\|$)", DOCKERFILE, re.MULTILINE)
    assert installs
    assert [i for i in installs if "--require-hashes" not in i and "--no-deps /wheel/" not in i] == []


def test_images_have_the_versions_that_the_tests_ran_with():
    dev, *others = ({p.split(" \\")[0] for p in re.findall(r"^\w.+==.+$", lock.read_text(), re.MULTILINE)} for lock in LOCKS)
    assert len(others) == 8  # the services; build, tools, ccxt, calendars, otel
    for pins in others:
        assert {p.split(" ;")[0].strip() for p in pins} <= {p.split(" ;")[0].strip() for p in dev}


def workloads():
    return {name: text for name, text in KUBERNETES.items() if "kind: Deployment" in text or "kind: Job" in text}


@pytest.mark.parametrize("name", sorted(workloads()))
def test_a_workload_has_no_rights_and_limits(name):
    text = workloads()[name]
    many = len(re.findall(r"^kind: (?:Deployment|Job)$", text, re.MULTILINE))
    for wanted in (
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "seccompProfile: {type: RuntimeDefault}",
        "automountServiceAccountToken: false",
        "limits: {memory:",
    ):
        assert text.count(wanted) == many, f"{wanted} is missing in {name}"
