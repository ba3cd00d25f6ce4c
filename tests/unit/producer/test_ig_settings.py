import pytest

from producer.providers import module_of
from producer.settings import Settings, SettingsError

GOOD = {"IG_IDENTIFIER": "word", "IG_PASSWORD": "word", "IG_API_KEY": "word", "IG_EPICS": "A,B"}
SHARED = Settings(kafka="127.0.0.1:1", registry="http://127.0.0.1:1")


def build(monkeypatch, **settings):
    for name, value in {**GOOD, **settings}.items():
        monkeypatch.setenv(name, value)
    return module_of("ig").build(SHARED)


def epics(count):
    return ",".join(f"E{n}" for n in range(count))


def test_settings_make_a_provider_without_a_connection(monkeypatch):
    provider = build(monkeypatch, IG_SOURCE="ig-second", IG_ACCOUNT="ABC12")
    assert (provider.source.name, provider.source.symbols, provider.most_symbols) == ("ig-second", ("A", "B"), 40)
    assert set(provider.secrets) == {"word", "ABC12"}
    assert "ABC12" not in provider.where


def test_secrets_may_come_from_files(monkeypatch, tmp_path):
    for name in ("password", "key"):
        (tmp_path / name).write_text(f"{name} of the file\n")
    files = {"IG_PASSWORD_FILE": str(tmp_path / "password"), "IG_API_KEY_FILE": str(tmp_path / "key")}
    provider = build(monkeypatch, IG_PASSWORD="", IG_API_KEY="", **files)
    assert provider.secrets == ["word", "password of the file", "key of the file"]
    assert not provider.has_new_key()
    (tmp_path / "key").write_text("another key\n")
    assert provider.has_new_key()


def test_forty_epics_are_served_and_then_there_is_no_room_for_the_heartbeat(monkeypatch):
    wishes = [
        provider_of.source for provider_of in (build(monkeypatch, IG_EPICS=epics(40)), build(monkeypatch, IG_EPICS=epics(39)))
    ]
    for source in wishes:
        source.connected(0)
    assert [len(source.frames_to_send(100)) for source in wishes] == [40, 40]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"IG_EPICS": epics(41)}, "IG_EPICS .*41.*40"),
        ({"IG_EPICS": epics(39), "IG_TRADES": "E0,E1"}, "41 subscriptions"),
        ({"IG_TRADES": "C"}, "IG_TRADES"),
        ({"IG_EPICS": ""}, "IG_EPICS"),
        ({"IG_IDENTIFIER": ""}, "IG_IDENTIFIER"),
        ({"IG_PASSWORD": ""}, "IG_PASSWORD"),
        ({"IG_URL": "http://example.com/gateway"}, "https"),
        ({"IG_URL": "ftp://example.com"}, "IG_URL"),
        ({"IG_SCALES": "A=0"}, "IG_SCALES"),
        ({"IG_SOURCE": "IG one"}, "IG_SOURCE"),
        ({"IG_HISTORY_PRICES": "last"}, "IG_HISTORY_PRICES"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_without_their_values(monkeypatch, settings, words):
    with pytest.raises(SettingsError, match=words) as caught:
        build(monkeypatch, **settings)
    assert "\n" not in str(caught.value)
    assert "example.com" not in str(caught.value)
