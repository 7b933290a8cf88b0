"""`run.py user` and `run.py demo`: accounts from the command line, by whoever may read the database file."""

import argparse
import asyncio
import getpass
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from db import friendships, logins, users
from db.connection import Database
from db.errors import Clash, Unavailable, Unusable
from db.models import User
from sfu.config import Config
from sfu.errors import BadRequest, ConfigError
from sfu.settings import load
from web.answers import stamp
from web.app import DATABASE
from web.archive import delete_files
from web.bodies import Fields
from web.passwords import hash_password
from web.private import private
from web.serve import CONFIG_FILE

DEMO = ("alice", "bob")


class NotDone(Exception):
    """The command could not do it; the text is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where it could not be done, 2 for a bad setting, database or command."""
    asked = _parser().parse_args(arguments)
    try:
        config = load(asked.config)
        with private(config.storage.path):
            return asyncio.run(_do(asked, config))
    except NotDone as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except BadRequest as error:
        print(f"run.py: {error.detail}", file=sys.stderr)
        return 1
    except (ConfigError, Unusable) as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    except Unavailable as error:
        print(f"run.py: not done: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"hushcast: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="make alice and bob, who are friends")
    user = commands.add_parser("user", help="accounts").add_subparsers(dest="action", required=True)
    user.add_parser("list", help="all accounts")
    for action, what in (("add", "make an account"), ("passwd", "set a password and end all logins"), ("delete", "account and recordings")):
        user.add_parser(action, help=what).add_argument("name")
    return parser


async def _do(asked: argparse.Namespace, config: Config) -> int:
    async with Database(config.storage.path / DATABASE) as database:
        if asked.command == "demo":
            await _demo(database)
        elif asked.action == "add":
            await _add(database, asked.name, _new_password())
        elif asked.action == "passwd":
            await _passwd(database, await _known(database, asked.name), _new_password())
        elif asked.action == "delete":
            await _delete(database, await _known(database, asked.name), config.storage.path)
        else:
            for user in await database.read(users.everybody):
                print(f"{user.username}\t{stamp(user.created_at)}")
    return 0


async def _add(database: Database, name: str, password: str) -> User:
    fields = Fields({"username": name, "password": password})
    username, checked = fields.username(), fields.password()
    fields.check()
    try:
        return await database.run(users.create, username, await asyncio.to_thread(hash_password, checked))
    except Clash:
        raise NotDone(f"{name} is taken; `run.py user passwd {name}` gives it another password") from None


async def _passwd(database: Database, user: User, password: str) -> None:
    fields = Fields({"password": password})
    checked = fields.password()
    fields.check()
    await database.run(users.set_password, user.id, await asyncio.to_thread(hash_password, checked))
    await database.run(logins.remove_others, user.id, 0)


async def _delete(database: Database, user: User, storage: Path) -> None:
    """The rows, then the files. A server that runs notices at the user's next request, and within seconds what goes on without one."""
    folders = await database.run(users.remove, user.id)
    await asyncio.to_thread(delete_files, storage, folders)


async def _demo(database: Database) -> None:
    for name in DEMO:
        if await database.read(users.find, name) is not None:
            raise NotDone(f"{name} is there already; `run.py user passwd {name}` gives a new password")
    passwords = {name: secrets.token_urlsafe(9) for name in DEMO}
    alice, bob = [await _add(database, name, password) for name, password in passwords.items()]
    await database.run(friendships.befriend, alice.id, bob.id)
    for name, password in passwords.items():
        print(f"{name}\t{password}")


async def _known(database: Database, name: str) -> User:
    user = await database.read(users.find, name)
    if user is None:
        raise NotDone(f"there is no user {name}")
    return user


def _new_password() -> str:
    """Asked twice at a terminal, else the first line of stdin; a random one, which is printed, where none is given."""
    if sys.stdin.isatty():
        given = getpass.getpass("Password (empty: make one up): ")
        if given and given != getpass.getpass("Again: "):
            raise NotDone("the two are not the same")
    else:
        given = sys.stdin.readline().rstrip("\n")
    if not given:
        given = secrets.token_urlsafe(12)
        print(given)
    return given


if __name__ == "__main__":
    sys.exit(main())
