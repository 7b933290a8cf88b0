"""docs/websockets.md names every message that the code sends or takes, with its fields, and none besides."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.running import ROOT

SENDERS = {"send", "message", "tell", "_tell"}  # functions that are given a type, then its data
ROW = re.compile(r"^\| `(\w+)` \| to the (server|client) \| (.*) \|$", re.MULTILINE)
OWN = {"open", "down", "refused", "online"}  # events of the page's Socket that are no messages
Fields = set[str]


def sent(root: Path) -> dict[str, Fields]:
    """Type -> fields of each message that the server sends; the fields of one that is computed are not known here."""
    found: dict[str, Fields] = {}
    for call in _calls(root):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
        kinds = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if name in SENDERS and kinds and re.fullmatch(r"[a-z_]+", kinds[0]):
            found[kinds[0]] = found.get(kinds[0], set()) | _fields(call.args[-1])
    return found


def _fields(given: ast.expr) -> Fields:
    """Of a dict, or of a struct that is made there."""
    if isinstance(given, ast.Dict):
        return {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Name) and given.func.id[0].isupper():
        return {keyword.arg for keyword in given.keywords if keyword.arg}
    return set()


def _calls(root: Path) -> Iterator[ast.Call]:
    for file in [*sorted((root / "web/events").glob("*.py")), *sorted((root / "web/live").glob("*.py"))]:
        yield from (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def taken(root: Path) -> set[str]:
    """Types that the server takes: the keys of a table called HEARD or SAID, and what `kind` is compared with in the channel."""
    found = set()
    for file in sorted((root / "web/live").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                if isinstance(target, ast.Name) and target.id in ("HEARD", "SAID"):
                    tables = [each for each in ast.walk(node.value) if isinstance(each, ast.Dict)]
                    found |= {str(key.value) for key in tables[0].keys if isinstance(key, ast.Constant)}
    for node in ast.walk(ast.parse((root / "web/events/channel.py").read_text())):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "kind":
            found |= {str(each.value) for each in node.comparators if isinstance(each, ast.Constant)}
    return found


def of_the_page(root: Path) -> tuple[set[str], set[str]]:
    """Types that the page sends, and those that it listens for."""
    text = "\n".join(file.read_text() for file in sorted((root / "web/client/js").rglob("*.js")))
    calls = re.findall(r"(?:session|socket|this)\.send\(([^,]*),", text)
    listened = set(re.findall(r"(?:session|socket)\.addEventListener\(\"(\w+)\"", text))
    listened |= set(re.findall(r"#pass\(socket, name, \"(\w+)\"", text))
    return {kind for call in calls for kind in re.findall(r"\"(\w+)\"", call)}, listened - OWN


def documented(text: str) -> dict[str, dict[str, str]]:
    """ "server" and "client" -> type -> what its row says of the data."""
    rows: dict[str, dict[str, str]] = {"server": {}, "client": {}}
    for kind, end, data in ROW.findall(text):
        rows[end][kind] = data
    return rows


def differences(root: Path, text: str) -> list[str]:
    """What the document and the code say differently."""
    rows, out, into = documented(text), sent(root), taken(root)
    page_sends, page_hears = of_the_page(root)
    wrong = [f"{kind}: sent, but not documented" for kind in sorted(set(out) - set(rows["client"]))]
    wrong += [f"{kind}: taken, but not documented" for kind in sorted(into - set(rows["server"]))]
    wrong += [f"{kind}: documented, but nobody sends it" for kind in sorted(set(rows["client"]) - set(out))]
    wrong += [f"{kind}: documented, but nobody takes it" for kind in sorted(set(rows["server"]) - into)]
    wrong += [f"{kind}: the page sends it, the server takes it not" for kind in sorted(page_sends - into)]
    wrong += [f"{kind}: the page listens for it, the server sends it not" for kind in sorted(page_hears - set(out))]
    for kind, fields in sorted(out.items()):
        wrong += [
            f"{kind}: its field {field} is not documented" for field in sorted(fields) if f"`{field}`" not in rows["client"].get(kind, "")
        ]
    return wrong


def test_websockets_are_documented() -> None:
    """Every message type both ways, and every field of one whose fields are written where it is sent."""
    assert not differences(ROOT, (ROOT / "docs/websockets.md").read_text())


def test_this_law_can_fail(tmp_path: Path) -> None:
    """A type or field that the document lacks, one that nobody sends, and a page that asks for the wrong thing are seen."""
    files = {
        "web/events/channel.py": 'def f(self, kind):\n    if kind == "ping":\n        self.send("pong", {"timestamp": 1})\n',
        "web/live/companions.py": 'HEARD = Table({"chord": 1})\n\n\ndef g(x):\n    x.tell("chords", Chord(chord=1, at_s=2))\n',
        "web/client/js/a.js": 'socket.addEventListener("open", f);\nsocket.addEventListener("gone", f);\nsocket.send("nod", {});\n',
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    rows = "| `ping` | to the server | `timestamp` |\n| `pong` | to the client | nothing |\n| `old` | to the client | x |\n"
    assert differences(tmp_path, rows) == [
        "chords: sent, but not documented",
        "chord: taken, but not documented",
        "old: documented, but nobody sends it",
        "nod: the page sends it, the server takes it not",
        "gone: the page listens for it, the server sends it not",
        "chords: its field at_s is not documented",
        "chords: its field chord is not documented",
        "pong: its field timestamp is not documented",
    ]
