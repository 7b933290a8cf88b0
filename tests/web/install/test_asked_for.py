"""Which parts a start installs because the settings ask for them."""

from pathlib import Path

import pytest

from web.install.asked_for import parts_asked_for


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[http]\ntls = "acme"\n', ["acme"]),
        ("# tls\n [ http ] # the web\nport=1\n  tls='acme' # with a note\n", ["acme"]),
        ('[http]\n# tls = "acme"\ntls = "auto"  # or "acme"\n', []),
        ('[http]\nport = 1\n[other]\ntls = "acme"\n', []),
        ("\x00no TOML [", []),
        ("", []),
    ],
)
def test_settings_ask_for_a_part(tmp_path: Path, text: str, parts: list[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert parts_asked_for(["--config", str(file)], {}) == parts_asked_for([f"--config={file}"], {}) == parts
    assert parts_asked_for(["--config", str(file)], {"HUSHCAST_HTTP_TLS": "off"}) == []
    assert parts_asked_for(["--config", str(file)], {"HUSHCAST_HTTP_TLS": "acme"}) == ["acme"]


def test_no_file_asks_for_nothing(tmp_path: Path) -> None:
    assert parts_asked_for(["--config", str(tmp_path / "none")], {}) == []
    assert parts_asked_for([], {}) == [], "the settings of this repository"
