"""What the product says, collected from its source: by the page, in problem documents, at the start and by the doctor."""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from web.http.problems import DETAILS, TROUBLES

HOLE = "…"  # where the program puts in a name, a number or a reason
PACKAGES = ("sfu", "db", "web", "workers")
ENDS_A_START = {"ConfigError", "Failed", "NoRows", "Unusable"}
FOUND = {"WARNING", "BROKEN"}  # what the doctor says of what is not well
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"((?:[^\"\\\n]|\\.)*)\"|`", re.DOTALL)

Said = dict[str, str]  # sentence -> the file that says it
Trees = Sequence[tuple[str, ast.Module]]  # file, from the root


def of_the_page(root: Path) -> Said:
    """All whole sentences of the page's words, be they about trouble or not."""
    said: Said = {}
    for file in sorted((root / "web/client/js/words").glob("*.js")):
        texts = (text.strip() for text in literals(file.read_text()))
        said |= {text: file.name for text in texts if " " in text and text[-1] in ".?"}
    return said


def literals(script: str) -> Iterator[str]:
    """The strings of a script, not of its comments. A template has HOLE for each ${…}; strings in there come by themselves."""
    at = 0
    while (found := TOKEN.search(script, at)) is not None:
        at = found.end()
        if found[0] != "`":
            yield from () if found[1] is None else (found[1],)
            continue
        text = ""
        while script[at] != "`":
            if script.startswith("${", at):
                end = _closing(script, at + 2)
                yield from literals(script[at + 2 : end])
                text, at = text + HOLE, end + 1
            else:
                text, at = text + script[at], at + 1
        at += 1
        yield text


def _closing(script: str, at: int) -> int:
    """Where the } stands that ends the ${ before `at`."""
    depth = 0
    while depth or script[at] != "}":
        depth += (script[at] == "{") - (script[at] == "}")
        at += 1
    return at


def of_answers(root: Path) -> Said:
    """The details of problem documents: usual ones, those of the database's refusals, and those given where it is refused."""
    trees = _trees(root)
    names, said = {"Refused"}, dict.fromkeys([*DETAILS.values(), *(text for _, _, text in TROUBLES.values())], "web/http/problems.py")
    for _ in range(3):  # classes of classes
        for file, tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and node.name not in names and names & {getattr(base, "id", "") for base in node.bases}:
                    names.add(node.name)
                    if _uses_docstring(node):
                        said[(ast.get_docstring(node) or "").partition("\n")[0]] = file
    said |= _given(trees, lambda call: _name(call) in names, 0)
    return said | _given(trees, lambda call: _name(call) == "problem", 2)


def _uses_docstring(kind: ast.ClassDef) -> bool:
    made = [each for each in kind.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    return not made or "detail" in {each.arg for each in made[0].args.args}


def of_the_start(root: Path) -> Said:
    """The lines that end a start, without the "hushcast: " before them."""
    trees = _trees(root)
    settings = [each for each in trees if each[0].startswith("sfu/config/")]
    serve = [each for each in trees if each[0] == "web/serve.py"]
    said = _given(trees, lambda call: _name(call) in ENDS_A_START, 0) | _given(settings, lambda call: _name(call) == "ValueError", 0)
    return said | _given(serve, lambda call: _name(call) == "print", 0)


def of_certificates(root: Path) -> Said:
    """Why an authority has given none: at the start, in the log, in the owner's overview and at the doctor's."""
    keeper = [each for each in _trees(root) if each[0] == "web/acme/keeper.py"]
    logged = _given(keeper, lambda call: getattr(call.func, "attr", "") == "warning", 0)
    lines = _given(keeper, lambda call: getattr(call.func, "attr", "") == "append", 0)
    said = _given(_trees(root), lambda call: _name(call) == "NotIssued", 0)
    said |= {text.replace("%s", HOLE): file for text, file in logged.items()}
    return said | {text: file for text, file in lines.items() if " cannot " in text}  # the others say what is well


def of_the_doctor(root: Path) -> Said:
    """What it warns of, and what it calls broken."""
    return _given(_trees(root), lambda call: _name(call) == "Finding" and getattr(call.args[0], "id", "") in FOUND, 1)


@cache
def _trees(root: Path) -> Trees:
    files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
    return [(str(file.relative_to(root)), ast.parse(file.read_text())) for file in files]


def _given(trees: Trees, wanted: Callable[[ast.Call], bool], place: int) -> Said:
    """The texts that such calls have as their argument number `place`, written there or returned by a function of the same module."""
    said: Said = {}
    for file, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) > place and wanted(node):
                texts = (text.removeprefix("hushcast: ") for text in _spoken(node.args[place], tree))
                said |= {text: file for text in texts if text.strip(HOLE + " :.;")}
    return said


def _spoken(value: ast.expr, tree: ast.Module) -> list[str]:
    if isinstance(value, ast.Call):
        made = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == _name(value)]
        return [_text(each.value) for kind in made for each in ast.walk(kind) if isinstance(each, ast.Return) and each.value]
    return [_text(value)]


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", "")


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(_text(each) for each in value.values)
    if isinstance(value, ast.BinOp):
        return _text(value.left) + _text(value.right)
    return HOLE
