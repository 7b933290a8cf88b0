#!/usr/bin/env python3
"""Start here: `python3 run.py` makes the environment if there is none, then serves; `python3 run.py --help` names the rest."""

from __future__ import annotations

import os
import sys

from workers import interrupt

if __name__ == "__main__":
    interrupt.leave_at_once("run.py: interrupted")  # the rest takes its time

from web.install.messages import Failed, say
from web.install.stamps import ROOT, VENV, VENV_TORCH
from web.install.usage import wrong_usage

# Command -> the module that does it, and what it is for.
COMMANDS = {
    "serve": ("web.serve", "serve; what happens without a command"),
    "test": ("pytest", "run the tests: [arguments of pytest]"),
    "bench": ("tests.bench", "measure: workers|fanout|presence|ear|all [--json] [--plot FILE.html]"),
    "denoise": ("web.cli.denoise", "denoise a file: IN OUT"),
    "models": ("web.cli.models", "weights: list|fetch|verify"),
    "user": ("web.cli.accounts", "accounts: add|passwd|list|delete NAME"),
    "recordings": ("web.cli.trash", "deleted recordings: trash [list|restore ID|empty]"),
    "demo": ("web.cli.accounts", "make alice and bob, who are friends, and print their passwords"),
    "doctor": ("web.cli.doctor", "look for what keeps browsers from hearing each other"),
    "install": ("web.install.locking", "get torch into an environment of its own: cuda|reference; --lock renews the locks"),
}
# What has to follow a command: told before anything is installed for it.
WORDS = {
    "bench": ("workers", "fanout", "presence", "ear", "all"),
    "install": ("cuda", "reference"),
    "models": ("list", "fetch", "verify"),
    "recordings": ("trash",),
    "user": ("add", "passwd", "list", "delete"),
}
FOR_DEVELOPERS = ("test", "bench", "install")  # the packages of the tests; the first two a browser as well
SIDE_BY_SIDE = ["-n", "3", "--dist", "loadfile"]  # all tests: most of them wait (tests/support/side_by_side.py)
USAGE = [
    "usage: python3 run.py [--version] [--config FILE] [COMMAND ...]",
    "",
    *(f"  {name:10} {what}" for name, (_, what) in COMMANDS.items()),
]


def main(arguments: list[str]) -> int:
    """Replaces this process by the command's; returns only where that cannot be."""
    if arguments[-1:] == ["--config"] and arguments[:1] != ["test"]:
        print("run.py: --config needs a file", file=sys.stderr)
        return 2
    config, arguments = _without_config(arguments)
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
    if command == "bench":  # its options too are looked at before anything is installed for them
        from tests.bench.arguments import check

        check(rest)
    interrupt.raise_it()  # pip has to be ended too
    try:
        return _run(command, module, config, rest)
    except Failed as failure:
        print(f"run.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _run(command: str, module: str, config: list[str], rest: list[str]) -> int:
    """What the command needs, then the command in the place of this process; `install` ends here.

    What makes environments is imported only where one has to be made: a start of one that is there costs no more than it must.
    """
    environment = dict(os.environ)
    if command == "install" and rest != ["--lock"]:
        return _install_beside(rest)
    _ensure(command, config)
    if command in FOR_DEVELOPERS:
        from web.install.tools import test_environment

        environment.update(test_environment())
    if command == "test":
        os.chdir(str(ROOT))
        rest = rest or SIDE_BY_SIDE
    else:
        rest = config + ([command] if module == "web.cli.accounts" else []) + rest
    python = str(VENV.python)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    sys.stdout.flush()
    if command == "denoise":  # it takes it up again, from its first statement on
        interrupt.hold()
    os.execve(python, [python, "-P", "-m", module, *rest], environment)


def _ensure(command: str, config: list[str]) -> None:
    """The environment that the command runs in; for the tests the one beside it too."""
    parts = ["base", "test"] if command in FOR_DEVELOPERS else ["base"]
    if command in ("test", "bench"):
        from web.install.tools import ensure_tools

        ensure_tools()
    if not VENV.has(parts):
        from web.install.environment import ensure

        # the weights of a first start, which need no packages to be fetched
        ahead = ["-m", "web.cli.fetch_ahead", *config] if command == "serve" and _exists("web.cli.fetch_ahead") else []
        ensure(VENV, parts, ahead)
    if command == "test":
        _ensure_reference()


def _ensure_reference() -> None:
    """What the tests compare with. Without it they skip, which CI may not."""
    from web.install.environment import ensure

    try:
        ensure(VENV_TORCH, ["reference"])
    except Failed as failure:
        if os.environ.get("CI"):
            raise
        say(f"no reference to compare with: {failure}")


def _install_beside(rest: list[str]) -> int:
    from web.install.environment import ensure

    if {"-h", "--help"} & set(rest):
        print("usage: python3 run.py install cuda|reference\n       python3 run.py install --lock")
        return 0
    parts = sorted({*rest})
    ensure(VENV_TORCH, parts)
    say(f"{' and '.join(parts)}: installed")
    return 0


def _version() -> str:
    for line in (ROOT / "setup.cfg").read_text(encoding="utf-8").splitlines():
        if line.startswith("version ="):
            return line.split("=")[1].strip()
    return "unknown"


def _wrong_word(command: str, rest: list[str]) -> str:
    """Why the first word after the command is not one of its words; "" where nothing is wrong."""
    words = WORDS.get(command, ())
    given = [word for word in rest if not word.startswith("-")]
    if not words or (not given and {"-h", "--help"} & set(rest)) or (command == "install" and rest == ["--lock"]):
        return ""
    if not given:
        return "say which: " + ", ".join(words)
    if command == "install":  # every word counts: nothing is fetched for half a command
        wrong = [word for word in rest if word not in (*words, "-h", "--help")]
        return f"there is no {wrong[0]!r}; there are {', '.join(words)}" if wrong else ""
    # an option's value may stand before the word
    if set(given) & set(words):
        return ""
    return f"there is no {given[0]!r}; there are {', '.join(words)}"


def _without_config(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take `--config FILE` out, wherever it stands, but leave the arguments of pytest alone."""
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
