"""The documents say what the code says: settings, topics, commands, laws, links. A failure prints the table as it should be."""

import re
from itertools import chain
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.cli.main import COMMANDS
from processor.settings import Settings as ProcessorSettings
from producer.providers import MODULES, module_of
from producer.settings import Settings as ProducerSettings
from schemas import environment, timeframes
from schemas.topics import catalogue
from sink import retention
from sink.settings import Settings as SinkSettings

ROOT = Path(__file__).parents[1]
DOCUMENTS = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("*.md")}
README, ARCHITECTURE = DOCUMENTS["README.md"], DOCUMENTS["ARCHITECTURE.md"]
SERVICES = {"producer": ProducerSettings, "processor": ProcessorSettings, "sink": SinkSettings}
OF_DEPLOYMENT = {
    "HOME": ".candlewick",
    "ARTIFACTS": ".candlewick/artifacts",
    "PARTITIONS": "4",
    "REPLICATION": "1",
    "CASSANDRA_REPLICATION": "1",
}
PROVIDERS = {name: module_of(name).SETTINGS for name in MODULES}
DEFAULTS_IN_WORDS = {"COMMIT_LAG_S": "15 with one replica, else 0"}


def shown(default):
    if isinstance(default, SecretStr) or default in (None, "", {}):
        return ""
    if isinstance(default, tuple):
        return ",".join(getattr(part, "name", part) for part in default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def setting_rows():
    for name, meaning in environment.SETTINGS.items():
        fields = {service: c.model_fields[name.lower()] for service, c in SERVICES.items() if name.lower() in c.model_fields}
        defaults = {"required" if f.is_required() else shown(f.get_default(call_default_factory=True)) for f in fields.values()}
        assert len(defaults) <= 1, f"{name} has different defaults: {defaults}"
        default = DEFAULTS_IN_WORDS.get(name) or (defaults.pop() if defaults else OF_DEPLOYMENT[name])
        yield environment.PREFIX + name, default, ", ".join(fields) or "deploy", meaning
    for name, days in retention.days_of(timeframes.parse_list(timeframes.DEFAULT)).items():
        what = name if name in retention.TABLES else f"{name} candles"
        yield retention.variable_of(name), shown(float(days)), "sink", f"Days {what} are kept; 0 = for ever"
    for kind in PROVIDERS.values():
        for name, field in kind.model_fields.items():
            default = shown(field.get_default(call_default_factory=True))
            yield f"{kind.model_config['env_prefix']}{name.upper()}", default, "producer", field.description


def table(header, rows):
    lines = [header, *rows]
    lines.insert(1, tuple("---" for _ in header))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def in_code(default):
    return f"`{default}`" if default and default != "required" and " " not in default else default


def settings_table():
    rows = ((f"`{name}`", in_code(default), by, meaning) for name, default, by, meaning in setting_rows())
    return table(("variable", "default", "read by", "meaning"), rows)


def kept(config):
    ms = int(config.get("retention.ms", "-1"))
    time = "for ever" if ms < 0 else f"{ms // 86_400_000} d"
    return f"{config['cleanup.policy'].replace(',', ', ')}, {time}"


def topics_table():
    rows = (
        (f"`{t.name()}`", t.key, t.record.__name__ if t.record else "original bytes", kept(t.config), t.doc)
        for t in catalogue(timeframes.parse_list(timeframes.DEFAULT))
    )
    return table(("topic", "key", "value", "policy", "what it carries"), rows)


def assert_contains(document, wanted):
    assert wanted in document, f"the table should be:\n\n{wanted}\n"


def test_every_setting_is_in_the_readme_with_its_default():
    assert_contains(README, settings_table())


def test_every_setting_of_a_service_has_a_name_that_services_know():
    names = set(chain.from_iterable(c.model_fields for c in SERVICES.values()))
    assert {name.upper() for name in names} <= set(environment.SETTINGS)


@pytest.mark.parametrize("name", MODULES)
def test_every_setting_of_a_provider_says_what_it_means_and_begins_with_the_providers_name(name):
    kind = PROVIDERS[name]
    assert kind.model_config["env_prefix"] == f"{name.upper()}_"
    assert [field for field, info in kind.model_fields.items() if not info.description] == []


def test_every_topic_is_in_the_architecture_with_its_policy():
    assert_contains(ARCHITECTURE, topics_table())


def test_every_command_is_in_the_readme_and_every_command_there_exists():
    assert set(re.findall(r"`candlewick ([\w-]+)`", README)) == set(COMMANDS)
    assert set(re.findall(r"bin/candlewick ([\w-]+)", README)) <= set(COMMANDS)


def test_make_targets_in_the_documents_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {t for text in DOCUMENTS.values() for t in re.findall(r"(?:`|^|DEMO_SECONDS=\d+ )make ([a-z]+)", text, re.MULTILINE)}
    assert named <= targets


def test_one_trade_can_be_followed_through_at_least_eight_files():
    section = README.split("## Follow one trade")[1].split("\n## ")[0]
    paths = re.findall(r"^\d+\. \[([^\]]+)\]\(([^)]+)\)", section, re.MULTILINE)
    assert len(paths) >= 8
    assert [text for text, link in paths if text != link or not (ROOT / link).is_file()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[name]):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = ROOT / path if path else ROOT / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def laws():
    return [
        int(number) for number in re.findall(r"^\| (\d+) \w", ARCHITECTURE.split("## Laws")[1].split("\n## ")[0], re.MULTILINE)
    ]


def test_there_are_twelve_laws():
    assert laws() == list(range(1, 13))


@pytest.mark.parametrize("law", laws())
def test_every_law_has_a_test_that_carries_its_number(law):
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert any(re.search(rf"^\s*(?:async )?def test_law(?:_\d+)*?_{law}_", source, re.MULTILINE) for source in sources)


def test_example_environment_names_only_settings_that_exist():
    names = re.findall(r"^#?([A-Z][A-Za-z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    of_compose = re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
    known = {name for name, *_ in setting_rows()} | {"COMPOSE_PROFILES", *of_compose}
    assert names
    assert set(names) <= known
