#!/usr/bin/env python3
"""Start here: `python3 run.py` makes the environment if there is none, and serves. `python3 run.py --help` lists the commands."""

from __future__ import annotations

import os
import sys

from workers import interrupt

if __name__ == "__main__":
    interrupt.leave_at_once("run.py: interrupted")  # before the slower imports

from web.install.asked_for import parts_asked_for
from web.install.messages import Failed, say
from web.install.stamps import ROOT, VENV, VENV_TORCH
from web.install.usage import wrong_usage
from web.install.versions import hand_over

# Command -> its module, and its line of help.
COMMANDS = {
    "serve": ("web.serve", "run the server (the default)"),
    "test": ("pytest", "run the tests: [arguments for pytest]"),
    "bench": ("tests.bench", "measure speed: workers|fanout|presence|ear|page|nodes|all [--json] [--plot FILE.html]"),
    "denoise": ("web.cli.denoise", "remove the noise from a file: IN OUT"),
    "models": ("web.cli.models", "weights of the denoisers: list|fetch|verify"),
    "user": ("web.cli.accounts", "accounts: add|passwd|list|delete NAME"),
    "recordings": ("web.cli.trash", "deleted recordings: trash [list|restore ID|empty]"),
    "db": ("web.cli.database_copy", "move from SQLite to PostgreSQL: copy [--to URL]"),
    "log": ("web.cli.audit_log", "what was done to accounts: audit [--limit N]"),
    "backup": ("web.cli.backup", "accounts, keys and recordings into one file, while the server runs: [--verify] FILE"),
    "restore": ("web.cli.restore", "put a backup into an empty storage.path: [--replace] [--files] FILE"),
    "upgrade-check": ("web.cli.upgrade_check", "whether the version in another checkout can take over: FOLDER"),
    "upgrade": ("web.cli.upgrade", "take over a new version, a folder, archive or git reference: VERSION, or --back to the earlier one"),
    "demo": ("web.cli.accounts", "make two friends, alice and bob, and print their passwords"),
    "doctor": ("web.cli.doctor", "look for what keeps browsers from hearing each other"),
    "bundle": ("web.install.bundle", "bundle the page's modules into web/client/dist, after a change of them"),
    "install": (
        "web.install.locking",
        "install more: nodes (several servers), acme (certificates), cuda|reference (torch, into .venv-torch); --lock renews the locks",
    ),
}
# The words that may follow a command; checked before anything is installed for it.
WORDS = {
    "bench": ("workers", "fanout", "presence", "ear", "page", "nodes", "all"),
    "db": ("copy",),
    "install": ("base", "nodes", "acme", "cuda", "reference"),
    "log": ("audit",),
    "models": ("list", "fetch", "verify"),
    "recordings": ("trash",),
    "user": ("add", "passwd", "list", "delete"),
}
FOR_DEVELOPERS = ("test", "bench", "install")  # these need the packages of the tests
OF_THE_CHECKOUT = ("test", "bench", "bundle")  # the others are those of the version that runs
# For all tests, as most of them wait; the order of the files is that of tests/support/side_by_side.py.
IN_PARALLEL = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
USAGE = [
    "usage: python3 run.py [--version] [--config FILE] [COMMAND ...]",
    "",
    *(f"  {name:13} {what}" for name, (_, what) in COMMANDS.items()),
]


def main(arguments: list[str]) -> int:
    """Exec the command. Returns an exit status only where there is nothing to exec."""
    if arguments[-1:] == ["--config"] and arguments[:1] != ["test"]:
        print("run.py: --config needs a file", file=sys.stderr)
        return 2
    config, arguments = _split_config(arguments)
    if not set(arguments[:1]) & set(OF_THE_CHECKOUT):
        try:
            hand_over(config, arguments)
        except Failed as failure:
            print(f"run.py: {failure}", file=sys.stderr)
            return 1
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print("\n".join(USAGE))
        return 0
    if arguments[:1] == ["--version"]:
        print(f"hushcast {_version()}")
        return 0
    command, rest = (arguments[0], arguments[1:]) if arguments else ("serve", [])
    if command not in COMMANDS:
        print(f"run.py: no command {command!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module = COMMANDS[command][0]
    if command != "test" and not _exists(module):
        print(f"run.py: {command} is not there yet", file=sys.stderr)
        return 2
    wanted = _wrong_word(command, rest) or wrong_usage(command, rest)
    if wanted:
        print(f"run.py {command}: {wanted}", file=sys.stderr)
        return 2
    if command == "bench":  # its options are checked too before anything is installed
        from tests.bench.arguments import check

        check(rest)
    interrupt.raise_it()  # so that pip is ended too
    try:
        return _run(command, module, config, rest)
    except Failed as failure:
        print(f"run.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _run(command: str, module: str, config: list[str], rest: list[str]) -> int:
    """Install what the command needs, then exec it; `install nodes|acme|cuda|reference` returns its status.

    The modules that install are imported only where something is missing, so that a usual start is quick.
    """
    environment = dict(os.environ)
    if command == "install" and rest != ["--lock"]:
        return _install_more(rest)
    if command == "bundle":
        from web.install.bundle import main as bundle

        return bundle(rest)
    _ensure(command, config)
    if command in FOR_DEVELOPERS:
        from web.install.tools import test_environment

        environment.update(test_environment())
    if command == "test":
        os.chdir(str(ROOT))
        rest = rest or IN_PARALLEL
    else:
        rest = config + ([command] if module == "web.cli.accounts" else []) + rest
    python = str(VENV.python)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    sys.stdout.flush()
    if command == "denoise":  # Ctrl-C is blocked until the first statement of the new program
        interrupt.hold()
    os.execve(python, [python, "-P", "-m", module, *rest], environment)


def _ensure(command: str, config: list[str]) -> None:
    """Make the environments and install the programs that the command needs."""
    parts = ["base", *(("test",) if command in FOR_DEVELOPERS else ()), *(("nodes", "acme") if command in ("test", "bench") else ())]
    if command in ("serve", "doctor"):
        parts += parts_asked_for(config)
    if command == "test":
        from web.install.tools import ensure_tools, ensure_wheels
        from web.install.torch_beside import made_beside

        with made_beside():
            ensure_tools()
            _ensure_base(command, parts, config)
            ensure_wheels(VENV.python)
        return _ensure_reference()
    if command == "bench":
        from web.install.tools import ensure_tools

        ensure_tools()
    _ensure_base(command, parts, config)


def _ensure_base(command: str, parts: list[str], config: list[str]) -> None:
    if VENV.has(parts):
        return
    from web.install.environment import ensure

    # fetching weights needs no packages, so it runs meanwhile
    ahead = ["-m", "web.cli.fetch_ahead", *config] if command == "serve" and _exists("web.cli.fetch_ahead") else []
    ensure(VENV, parts, ahead)


def _ensure_reference() -> None:
    """Install upstream's own DeepFilterNet, which tests compare with. Where that fails they are skipped; in CI this raises Failed."""
    from web.install.environment import ensure

    try:
        ensure(VENV_TORCH, ["reference"])
    except Failed as failure:
        if os.environ.get("CI"):
            raise
        say(f"tests that need the reference are skipped: {failure}")


def _install_more(rest: list[str]) -> int:
    from web.install.environment import ensure

    if {"-h", "--help"} & set(rest):
        print("usage: python3 run.py install base|nodes|acme|cuda|reference\n       python3 run.py install --lock")
        return 0
    parts = sorted({*rest})
    for environment, theirs in ((VENV, {"base", "nodes", "acme"}), (VENV_TORCH, {"cuda", "reference"})):
        if theirs & set(parts):
            ensure(environment, [part for part in parts if part in theirs])
    say(f"{' and '.join(parts)}: installed")
    return 0


def _version() -> str:
    for line in (ROOT / "setup.cfg").read_text(encoding="utf-8").splitlines():
        if line.startswith("version ="):
            return line.split("=")[1].strip()
    return "unknown"


def _wrong_word(command: str, rest: list[str]) -> str:
    """What is wrong with the words after the command; "" where nothing is."""
    words = WORDS.get(command, ())
    given = [word for word in rest if not word.startswith("-")]
    if not words or (not given and {"-h", "--help"} & set(rest)) or (command == "install" and rest == ["--lock"]):
        return ""
    if not given:
        return "say which: " + ", ".join(words)
    if command == "install":  # all words are checked, so that nothing is fetched for a command that is half wrong
        wrong = [word for word in rest if word not in (*words, "-h", "--help")]
        return f"there is no {wrong[0]!r}; there are {', '.join(words)}" if wrong else ""
    # an option's value may stand before the word
    if set(given) & set(words):
        return ""
    return f"there is no {given[0]!r}; there are {', '.join(words)}"


def _split_config(arguments: list[str]) -> tuple[list[str], list[str]]:
    """(`--config FILE`, the other arguments), wherever it stands. The arguments of pytest are not searched."""
    if "test" in arguments[:1]:
        return [], arguments
    for place, argument in enumerate(arguments):
        if argument == "--config" and place + 1 < len(arguments):
            return ["--config", arguments[place + 1]], arguments[:place] + arguments[place + 2 :]
        if argument.startswith("--config="):
            return [argument], arguments[:place] + arguments[place + 1 :]
    return [], arguments


def _exists(module: str) -> bool:
    place = ROOT.joinpath(*module.split("."))
    return place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
