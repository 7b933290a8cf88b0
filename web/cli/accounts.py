"""`run.py user` and `run.py demo`: accounts from the command line, for whoever may write the database file."""

import argparse
import asyncio
import getpass
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from db import audit, friendships, ownership, recordings, revocation, users
from db.connection import Database
from db.errors import Clash
from db.tables import User
from sfu.config.schema import Config
from sfu.rfc3339 import rfc3339
from web.auth.passwords import hash_password
from web.auth.weak_passwords import WeakPasswords
from web.cli.database import NotDone, answer, run_on_database
from web.http.fields import body_from
from web.http.shapes import Body, NewPassword, Username
from web.recordings.folders import delete_files
from web.serve import CONFIG_FILE

DEMO = ("alice", "bob")
MOST_COUNTED = 1000  # recordings that the question before a deletion counts


class NameOnly(Body, frozen=True, kw_only=True):
    """Checks the name of an account."""

    username: Username


class PasswordOnly(Body, frozen=True, kw_only=True):
    """Checks a password."""

    password: NewPassword


class NameAndPassword(NameOnly, frozen=True, kw_only=True):
    """Checks both, so that one answer names all that is wrong."""

    password: NewPassword


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where it failed, 2 for a bad setting, database or command."""
    asked = _parser().parse_args(arguments)
    return run_on_database(asked.config, lambda database, config: _do(asked, database, config))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="make alice and bob, who are friends")
    user = commands.add_parser("user", help="accounts").add_subparsers(dest="action", required=True)
    user.add_parser("list", help="all accounts")
    for action, what in (("add", "make an account"), ("passwd", "set a password and end all logins"), ("delete", "account and recordings")):
        made = user.add_parser(action, help=what, allow_abbrev=False)
        made.add_argument("name")
        if action == "passwd":
            made.add_argument("--revoke", action="store_true", help="tokens, listen links, invites and recovery codes go too")
        if action == "delete":
            made.add_argument("--yes", action="store_true", help="without asking")
    return parser


async def _do(asked: argparse.Namespace, database: Database, config: Config) -> int:
    if asked.command == "demo":
        await _demo(database)
    elif asked.action == "add":
        await _check_free(database, asked.name)
        given = _new_password()
        await _add(database, asked.name, given.text)
        _show_made_up(given)
    elif asked.action == "passwd":
        user = await _known(database, asked.name)
        given = _new_password()
        await _passwd(database, user, given.text, asked.revoke)
        _show_made_up(given)
    elif asked.action == "delete":
        user = await _known(database, asked.name)
        if not asked.yes:
            await _confirm(database, user)
        await _delete(database, user, config.storage.path)
    else:
        await _list(database)
    return 0


async def _list(database: Database) -> None:
    """Print the accounts, oldest first: name, when it was made, `owner`."""
    owner = await database.read(ownership.owner_id)
    for user in await database.read(users.everybody):
        print(f"{user.username}\t{rfc3339(user.created_at)}" + ("\towner" if user.id == owner else ""))
    if owner is None:
        _note("nobody owns this server; its start prints the link that makes somebody the owner")


async def _check_free(database: Database, name: str) -> None:
    """Called before a password is asked for. Raises BadRequest for an invalid name, NotDone for one that is taken."""
    username = body_from(NameOnly, {"username": name}).username
    if await database.read(users.find, username) is not None:
        raise _taken(name)


def _taken(name: str) -> NotDone:
    return NotDone(f"{name} is taken; `run.py user passwd {name}` gives it another password")


async def _add(database: Database, name: str, password: str) -> User:
    """Make an account. The first one becomes the owner, because who runs this has access to the machine. Raises BadRequest, NotDone."""
    account = body_from(NameAndPassword, {"username": name, "password": password})
    username = account.username
    hashed = await asyncio.to_thread(_hash, username, account.password)
    try:
        made = (await database.run(users.join, username, hashed, here=True)).user
    except Clash:
        raise _taken(name) from None
    if made.id == await database.read(ownership.owner_id):
        _note(f"{made.username} owns this server")
    return made


async def _passwd(database: Database, user: User, password: str, revoke: bool) -> None:
    checked = body_from(PasswordOnly, {"password": password}).password
    hashed = await asyncio.to_thread(_hash, user.username, checked)
    try:
        await database.run(_set_password, user, hashed, revoke)
    except Clash:
        raise NotDone(f"{user.username} has just been changed or deleted; try again") from None


def _set_password(user: User, hashed: str, revoke: bool) -> None:
    """In one transaction with its entry in the log of acts. Raises Clash."""
    revocation.change_password(user, hashed, None, revoke)
    audit.note(audit.HOST, "password", user.username)


def _remove(user: User) -> list[str]:
    """In one transaction with its entry in the log of acts."""
    audit.note(audit.HOST, "removed", user.username)
    return users.remove(user.id)


def _hash(username: str, password: str) -> str:
    """The hash to store. Slow, so not for the loop. Raises WeakPassword."""
    WeakPasswords().check(username, password)
    return hash_password(password)


async def _delete(database: Database, user: User, storage: Path) -> None:
    """Delete the rows, then the files. A running server ends the user's broadcast and sockets within seconds."""
    folders = await database.run(_remove, user)
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


def _note(text: str) -> None:
    """Print for people, on stderr: stdout is for programs."""
    print(f"hushcast: {text}", file=sys.stderr)


async def _known(database: Database, name: str) -> User:
    user = await database.read(users.find, name)
    if user is None:
        raise NotDone(f"there is no user {name}")
    return user


class Password(NamedTuple):
    """A new password, and whether it was made up here and so has to be shown."""

    text: str
    made_up: bool


def _new_password() -> Password:
    """At a terminal it is asked for twice, else it is the first line of stdin; an empty one becomes a random one."""
    if sys.stdin.isatty():
        given = answer(getpass.getpass, "Password (empty: make one up): ")
        if given and given != answer(getpass.getpass, "Again: "):
            raise NotDone("the two are not the same")
    else:
        given = sys.stdin.readline().rstrip("\n")
    return Password(given or secrets.token_urlsafe(12), not given)


def _show_made_up(password: Password) -> None:
    """Call this after the password was stored, so that none is printed for a command that failed."""
    if password.made_up:
        print(password.text)


async def _confirm(database: Database, user: User) -> None:
    """Say what will be deleted, and that the server loses its owner; ask for the name. Raises NotDone."""
    count = len(await database.read(recordings.of_user, user.id, MOST_COUNTED))
    more = "more than " if count == MOST_COUNTED else ""
    print(f"{user.username} goes for good, with {more}{count} recording{'' if count == 1 else 's'}.", file=sys.stderr)
    if user.id == await database.read(ownership.owner_id):
        print(f"{user.username} owns this server; nobody will, until somebody opens the link that its next start prints.", file=sys.stderr)
    if not sys.stdin.isatty():
        raise NotDone(f"nothing was deleted: `run.py user delete {user.username} --yes` deletes without asking")
    typed = answer(input, "Type the name to delete it: ")
    if typed.strip().lower() != user.username.lower():
        raise NotDone("nothing was deleted")


if __name__ == "__main__":
    sys.exit(main())
