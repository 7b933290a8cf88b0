#!/usr/bin/env python3
"""Start here: `python3 run.py` makes the environment if there is none, then serves; `python3 run.py --help` names the rest."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from workers import interrupt

if __name__ == "__main__":
    interrupt.leave_at_once("run.py: interrupted")  # the rest takes its time

from web.install.environment import ROOT, ensure
from web.install.pip import Failed, say
from web.install.tools import ensure_tools, test_environment
from web.install.usage import wrong_usage

# Command -> the module that does it, and what it is for.
COMMANDS = {
    "serve": ("web.serve", "serve; what happens without a command"),
    "test": ("pytest", "run the tests: [arguments of pytest]"),
    "bench": ("tests.bench", "measure: workers|fanout|presence|ear|all [--json] [--plot FILE.html]"),
    "denoise": ("web.denoise", "denoise a file: IN OUT"),
    "models": ("web.models", "weights: list|fetch|verify"),
    "user": ("web.commands", "accounts: add|passwd|list|delete NAME"),
    "recordings": ("web.trash_command", "deleted recordings: trash [list|restore ID|empty]"),
    "demo": ("web.commands", "make alice and bob, who are friends, and print their passwords"),
    "doctor": ("web.doctor", "look for what keeps browsers from hearing each other"),
}
# What has to follow a command: told before anything is installed for it.
WORDS = {
    "bench": ("workers", "fanout", "presence", "ear", "all"),
    "models": ("list", "fetch", "verify"),
    "recordings": ("trash",),
    "user": ("add", "passwd", "list", "delete"),
}
FOR_DEVELOPERS = ("test", "bench")  # they need a browser and the packages of the tests
USAGE = ["usage: python3 run.py [--config FILE] [COMMAND ...]", ""] + [f"  {name:10} {what}" for name, (_, what) in COMMANDS.items()]


def main(arguments: list[str]) -> int:
    """Replaces this process by the command's; returns only where that cannot be."""
    if arguments[-1:] == ["--config"] and arguments[:1] != ["test"]:
        print("run.py: --config needs a file", file=sys.stderr)
        return 2
    config, arguments = _without_config(arguments)
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print("\n".join(USAGE))
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


def _run(command: str, module: str, config: list[str], rest: list[str]) -> NoReturn:
    environment = dict(os.environ)
    if command in FOR_DEVELOPERS:
        ensure_tools()
        environment.update(test_environment())
    if command == "test":
        os.chdir(str(ROOT))
    else:
        rest = config + ([command] if module == "web.commands" else []) + rest
    python = str(ensure(("base", "test") if command in FOR_DEVELOPERS else ("base",)))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    sys.stdout.flush()
    if command == "denoise":  # it takes it up again, from its first statement on
        interrupt.hold()
    os.execve(python, [python, "-P", "-m", module, *rest], environment)


def _wrong_word(command: str, rest: list[str]) -> str:
    """Why the first word after the command is not one of its words; "" where nothing is wrong."""
    words = WORDS.get(command, ())
    given = [word for word in rest if not word.startswith("-")]
    if not words or (not given and {"-h", "--help"} & set(rest)):
        return ""
    if not given:
        return "say which: " + ", ".join(words)
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
