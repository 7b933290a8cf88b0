"""config.toml, the environment and what is refused."""

import tomllib
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from sfu.config.checks import CHECKS
from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config

ROOT = Path(__file__).parents[3]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def plain(value: object) -> object:
    """A default as TOML writes it: no tuples, no paths, a single address without its list."""
    match value:
        case None:
            return ""
        case Path():
            return str(value)
        case tuple():
            return [plain(item) for item in value]
    return value


def defaults() -> dict[str, dict[str, Any]]:
    return {name: {field.name: plain(field.default) for field in fields(kind)} for name, kind in get_type_hints(Config).items()}


def test_the_file_and_the_dataclasses_are_equal() -> None:
    """config.toml has every section and key, in order, each with its default."""
    given = tomllib.loads((ROOT / "config.toml").read_text())
    given["rtc"]["host"] = [given["rtc"]["host"]]
    assert given == defaults()
    assert {name: list(section) for name, section in given.items()} == {name: list(section) for name, section in defaults().items()}


def test_every_key_has_its_reason() -> None:
    """In config.toml a comment stands above every key, or above the pair it belongs to."""
    lines = (ROOT / "config.toml").read_text().splitlines()
    for above, line in pairwise(lines):
        if " = " in line and not line.startswith("#"):
            assert above.startswith("#") or " = " in above, line


def test_the_file_in_the_checkout_is_accepted() -> None:
    """The file in the repository loads; it gives the defaults, with absolute paths."""
    config = load(ROOT / "config.toml", {})
    assert config.storage.path == ROOT / "var"
    assert config.models.path == (ROOT / "models",)
    assert config.rtc == Config().rtc
    assert config.http == Config().http


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    """Every key may be left out."""
    config = load(written(tmp_path, ""), {})
    assert (config.http, config.denoise, config.accounts) == (Config().http, Config().denoise, Config().accounts)
    assert config.storage.path == tmp_path / "var"


def test_checks_concern_keys_that_exist() -> None:
    """No check is kept for a key that is gone."""
    assert not [pair for pair in CHECKS if pair[1] not in defaults().get(pair[0], {})]
    assert all(is_dataclass(kind) for kind in get_type_hints(Config).values())


def test_values_of_the_file(tmp_path: Path) -> None:
    """Strings, lists, paths, and whole numbers for floats get the types of their fields."""
    text = '[http]\nport = 0\ntls = "files"\ncert = "a.pem"\nkey = "/b.pem"\n[rtc]\nhost = "127.0.0.1"\n'
    text += '[models]\npath = ["m", "/n"]\n[broadcast]\ngrace_s = 3\n'
    config = load(written(tmp_path, text), {})
    assert (config.http.port, config.http.cert, config.http.key) == (0, tmp_path / "a.pem", Path("/b.pem"))
    assert config.rtc.host == ("127.0.0.1",)
    assert config.models.path == (tmp_path / "m", Path("/n"))
    assert config.broadcast.grace_s == 3.0 and isinstance(config.broadcast.grace_s, float)


@pytest.mark.parametrize(
    "url",
    [
        "upstream",
        "http://127.0.0.1:9",
        "https://mirror.example.org/models/",
        "http://[::1]:8000/models",
        "/srv/models",
        "file:///srv/models",
    ],
)
def test_where_models_are_fetched_from(url: str, tmp_path: Path) -> None:
    """models.url is "upstream", an http address of any kind, or a folder."""
    assert load(written(tmp_path, f'[models]\nurl = "{url}"'), {}).models.url == url


def test_variables_of_no_section(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A variable of an orchestrator that looks like one of our settings, or a mistyped one, is logged and ignored."""
    load(written(tmp_path, ""), {"HUSHCAST_RECORDINGWAV": "false", "HUSHCAST_PORT": "tcp://192.0.2.1:80", "HUSHCAST_TEST_AUDIO": "x"})
    assert caplog.messages == ["no settings, so ignored: HUSHCAST_PORT, HUSHCAST_RECORDINGWAV"]


def test_an_address_list(tmp_path: Path) -> None:
    """rtc.host may be a list, one socket an address."""
    assert load(written(tmp_path, '[rtc]\nhost = ["127.0.0.1", "::1"]'), {}).rtc.host == ("127.0.0.1", "::1")


def test_the_environment_wins(tmp_path: Path) -> None:
    """HUSHCAST_SECTION_KEY overrules the file; lists are comma-separated, booleans true or false."""
    environment = {
        "HUSHCAST_HTTP_PORT": "9000",
        "HUSHCAST_RTC_HOST": "127.0.0.1, ::1",
        "HUSHCAST_RTC_ANNOUNCE": "",
        "HUSHCAST_RECORDING_WAV": "false",
        "HUSHCAST_DENOISE_CHUNK_S": "4",
        "HUSHCAST_STORAGE_PATH": "elsewhere",
        "HUSHCAST_TEST_AUDIO": "is not a setting",
        "HUSHCAST_BENCH_NETWORK": "nor is this",
    }
    config = load(written(tmp_path, '[http]\nport = 1\n[rtc]\nannounce = ["a"]'), environment)
    assert config.http.port == 9000
    assert config.rtc.host == ("127.0.0.1", "::1")
    assert config.rtc.announce == ()
    assert config.recording.wav is False
    assert config.denoise.chunk_s == 4.0
    assert config.storage.path == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[http]\nprot = 1", "config.toml: unknown key http.prot; known: host, port, tls"),
        ("[htpp]\nport = 1", "config.toml: unknown section htpp; known: http, rtc"),
        ("http = 1", "http has to be a section"),
        ("[http]\nport = 70000", "config.toml: http.port: 70000 is not in 0-65535"),
        ("[rtc]\nport = -1", "rtc.port: -1 is not in 0-65535"),
        ('[http]\nport = "80"', "http.port: '80' is not a whole number"),
        ("[http]\nport = true", "http.port: True is not a whole number"),
        ("[http]\nport = 80.5", "http.port: 80.5 is not a whole number"),
        ("[rtc]\nannounce = [1]", "rtc.announce: [1] is not a list of strings"),
        ("[rtc]\nhost = []", "rtc.host: has to be given"),
        ('[http]\nhost = ""', "http.host: has to be given"),
        ('[http]\ntls = "yes"', "http.tls: 'yes' is none of auto, off, self-signed, files"),
        ('[http]\ntls = "files"', 'http.tls = "files" needs http.cert and http.key'),
        ('[http]\ntls = "acme"', 'http.tls = "acme" needs http.names'),
        (
            '[http]\ntls = "acme"\npublic_url = "http://a.example"',
            'http.tls = "acme" serves https, and http.public_url is http://a.example',
        ),
        ('[http]\ntls = "acme"\npublic_url = "https://192.0.2.1"', "http.public_url: '192.0.2.1' is not a name in DNS"),
        (
            '[http]\ntls = "acme"\npublic_url = "https://a.example"\nnames = ["b.example"]',
            "http.names has no a.example, which http.public_url",
        ),
        ('[http]\nnames = ["*.example.org"]', "http.names: '*.example.org' is a wildcard"),
        ('[http]\nnames = ["localhost"]', "http.names: 'localhost' is not a name in DNS"),
        ('[http]\nnames = ["a..example"]', "http.names: 'a..example' is not a name in DNS"),
        ('[http]\nnames = ["192.0.2.1"]', "http.names: '192.0.2.1' is not a name in DNS"),
        (f"[http]\nnames = {[f'n{number}.example' for number in range(101)]}", "http.names: 101 names are more than the 100"),
        ('[http]\nacme_url = "http://a.example/dir"', "http.acme_url: 'http://a.example/dir' is not like https://"),
        ('[http]\nacme_email = "me"', "http.acme_email: 'me' is not like me@example.org"),
        ("[http]\nacme_port = 65536", "http.acme_port: 65536 is not in 0-65535"),
        ('[http]\npublic_url = "voice.example.org"', "http.public_url: 'voice.example.org' is not like https://"),
        ('[http]\npublic_url = "https://a:b"', "http.public_url: "),
        ('[http]\ntrusted_proxies = ["proxy"]', "http.trusted_proxies: 'proxy' does not appear to be"),
        ('[rtc]\nice_servers = ["stun.example.org"]', "rtc.ice_servers: 'stun.example.org' is not like stun:"),
        ('[rtc]\nice_servers = ["turn://turn.example.org"]', "rtc.ice_servers: 'turn://turn.example.org' is not like stun:"),
        ('[rtc]\nice_servers = ["stun:a.example stun:b.example"]', "rtc.ice_servers: 'stun:a.example stun:b.example' is not like stun:"),
        ('[rtc]\nice_servers = ["stun:a.example?transport=udp"]', "rtc.ice_servers: 'stun:a.example?transport=udp' is not like stun:"),
        ('[rtc]\nice_servers = ["turn:a.example?transport=sctp"]', "rtc.ice_servers: 'turn:a.example?transport=sctp' is not like stun:"),
        ('[models]\nurl = "ftp://x"', "models.url: 'ftp://x' is neither upstream nor like https://"),
        ('[models]\nurl = "https://"', "models.url: 'https://' is neither upstream nor like"),
        ('[models]\nurl = ""', "models.url: '' is neither upstream nor like"),
        ('[models]\nurl = "mirror/models"', "models.url: 'mirror/models' is neither upstream nor like https://"),
        ('[models]\nurl = "file://mirror/models"', "models.url: 'file://mirror/models' is neither upstream nor like https://"),
        ('[models]\nurl = "http://[::1/models"', "models.url: "),
        ('[models]\nurl = "http://a:b/models"', "models.url: "),
        ("[recording]\nwav = 1", "recording.wav: 1 is not true or false"),
        ("[recording]\nkeep_days = -1", "recording.keep_days: -1 is less than 0"),
        ("[recording]\ntrash_days = 40000", "recording.trash_days: 40000 is not in 0-36500"),
        ("[denoise]\nchunk_s = 9", "denoise.chunk_s: 9.0 is not in 1-8"),
        ("[denoise]\nchunk_s = nan", "denoise.chunk_s: nan is not in 1-8"),
        ("[denoise]\noverlap_s = 0.1", "denoise.overlap_s: 0.1 is not in 0.25-2"),
        ("[denoise]\nchunk_s = 1\noverlap_s = 1", "denoise.overlap_s: 1.0 is not shorter than denoise.chunk_s"),
        ('[denoise]\ndevice = "tpu"', "denoise.device: 'tpu' is none of auto, cpu, cuda"),
        ('[accounts]\nregistration = "no"', "accounts.registration: 'no' is none of open, invite, closed"),
        ('[storage]\ns3_url = "https://bucket"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://bucket?endpoint=x"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://bucket?endpoint=https://me:secret@s3.example.org"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://bucket?endpoint="', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://bucket?mode=fast"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://KEY@bucket"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://bucket:99999/"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[storage]\ns3_url = "s3://bucket?region=a&region=b"', "storage.s3_url: not like s3://bucket/prefix"),
        ('[redis]\nurl = "http://x"', "redis.url: is not like redis://"),
        ('[redis]\nurl = "redis://"', "redis.url: is not like redis://"),
        ('[redis]\nurl = "redis://x/all"', "redis.url: is not like redis://"),
        ('[redis]\nsentinels = ["10.0.0.1:26379"]', "redis.sentinels: an entry is not like redis://10.0.0.1:26379"),
        ('[redis]\nsentinels = ["redis://:hush@"]', "redis.sentinels: an entry is not like redis://10.0.0.1:26379"),
        ('[redis]\nsentinels = ["redis://x/hushcast"]', "redis.sentinels: an entry is not like redis://10.0.0.1:26379"),
        (f"[redis]\nsentinels = {['redis://x'] * 10}", "redis.sentinels: has 10 entries; 9 are enough"),
        ('[redis]\nsentinels = ["redis://x"]', "redis.sentinels: redis.url says what they call the Redis"),
        ('[node]\nname = "Node_1"', "node.name: 'Node_1' is not 1 to 32 of a-z, 0-9 and -"),
        (f'[node]\nname = "{"n" * 33}"', "node.name: "),
        ('[node]\nurl = "10.0.0.1:8080"', "node.url: '10.0.0.1:8080' is not like http://10.0.0.1:8080"),
        ('[node]\nsecret = "hush"', "node.secret: has 4 characters, and needs at least 32"),
        ('[node]\nurl = "http://10.0.0.1"', "node.url: several servers need redis.url"),
        ('[node]\nurl = "http://10.0.0.1"\n[redis]\nurl = "redis://x"', "node.url: several servers need one database.url"),
        (
            '[node]\nurl = "http://10.0.0.1"\n[redis]\nurl = "redis://x"\n[database]\nurl = "postgresql://a@b/c"',
            "node.url: several servers need node.secret",
        ),
        ('[database]\nurl = "mysql://a:secret@b/c"', "database.url: not like postgresql://"),
        ('[database]\nurl = "postgresql://a:sec ret@b/c"', "database.url: not like postgresql://"),
        ('[database]\nurl = "postgresql://[::1/c"', "database.url: not like postgresql://"),
        ("[http", "config.toml: not valid TOML: "),
    ],
)
def test_what_the_file_may_not_say(tmp_path: Path, text: str, says: str) -> None:
    """A bad key or value is refused with one line that names it."""
    with pytest.raises(ConfigError) as failure:
        load(written(tmp_path, text), {})
    assert says in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("HUSHCAST_HTTP_PORT", "eighty", "HUSHCAST_HTTP_PORT: 'eighty' is not a whole number"),
        ("HUSHCAST_HTTP_PROT", "80", "environment: unknown variable HUSHCAST_HTTP_PROT; known: HUSHCAST_HTTP_HOST, "),
        ("HUSHCAST_MODELS_URL", "ftp://x", "HUSHCAST_MODELS_URL: 'ftp://x' is neither"),
        ("HUSHCAST_RECORDING_WAV", "1", "HUSHCAST_RECORDING_WAV: '1' is not true or false"),
        ("HUSHCAST_REDIS_URL", "rediss://:hush@:6379", "HUSHCAST_REDIS_URL: is not like redis://"),
        ("HUSHCAST_RTC_HOST", " , ", "HUSHCAST_RTC_HOST: has to be given"),
    ],
)
def test_what_the_environment_may_not_say(tmp_path: Path, variable: str, text: str, says: str) -> None:
    """A bad variable is refused by its own name."""
    with pytest.raises(ConfigError) as failure:
        load(written(tmp_path, ""), {variable: text})
    assert says in str(failure.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """A missing file is refused with one line."""
    with pytest.raises(ConfigError, match=r"config\.toml: No such file"):
        load(tmp_path / "config.toml", {})
