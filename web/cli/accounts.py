"""`run.py user` and `run.py demo`: accounts from the command line, by whoever may read the database file."""

import argparse
import asyncio
import getpass
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from db import friendships, ownership, recordings, revocation, users
from db.connection import Database
from db.errors import Clash
from db.tables import User
from sfu.config.schema import Config
from web.auth.passwords import hash_password
from web.auth.weak_passwords import WeakPasswords
from web.cli.database import NotDone, answer, carried_out
from web.http.fields import body_from
from web.http.responses import stamp
from web.http.shapes import Body, NewPassword, Username
from web.recordings.archive import delete_files
from web.serve import CONFIG_FILE

DEMO = ("alice", "bob")
MOST_COUNTED = 1000  # recordings, before an account is deleted


class NameOnly(Body, frozen=True, kw_only=True):
    """What an account may be called."""

    username: Username


class PasswordOnly(Body, frozen=True, kw_only=True):
    """What a password may be."""

    password: NewPassword


class NameAndPassword(NameOnly, frozen=True, kw_only=True):
    """Both, so that what is wrong with either is told at once."""

    password: NewPassword


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where it could not be done, 2 for a bad setting, database or command."""
    asked = _parser().parse_args(arguments)
    return carried_out(asked.config, lambda database, config: _do(asked, database, config))


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
            made.add_argument("--revoke", action="store_true", help="tokens, listen links and invites go too")
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
    """Oldest first: name, since when, and who the owner is."""
    owner = await database.read(ownership.owner_id)
    for user in await database.read(users.everybody):
        print(f"{user.username}\t{stamp(user.created_at)}" + ("\towner" if user.id == owner else ""))
    if owner is None:
        _note("nobody owns this server; its start prints the link that makes somebody the owner")


async def _check_free(database: Database, name: str) -> None:
    """Before a password is asked for. Raises BadRequest for what can be no name, NotDone for one that is taken."""
    username = body_from(NameOnly, {"username": name}).username
    if await database.read(users.find, username) is not None:
        raise _taken(name)


def _taken(name: str) -> NotDone:
    return NotDone(f"{name} is taken; `run.py user passwd {name}` gives it another password")


async def _add(database: Database, name: str, password: str) -> User:
    """The account; the first of all is the owner's, for who asks sits at the machine. Raises BadRequest, NotDone."""
    account = body_from(NameAndPassword, {"username": name, "password": password})
    username = account.username
    kept = await asyncio.to_thread(_kept, username, account.password)
    try:
        made = (await database.run(users.join, username, kept, here=True)).user
    except Clash:
        raise _taken(name) from None
    if made.id == await database.read(ownership.owner_id):
        _note(f"{made.username} owns this server")
    return made


async def _passwd(database: Database, user: User, password: str, revoke: bool) -> None:
    checked = body_from(PasswordOnly, {"password": password}).password
    kept = await asyncio.to_thread(_kept, user.username, checked)
    try:
        await database.run(revocation.change_password, user, kept, None, revoke)
    except Clash:
        raise NotDone(f"{user.username} has changed it just now, or is gone; try again") from None


def _kept(username: str, password: str) -> str:
    """The hash to keep. Not for the loop. Raises WeakPassword."""
    WeakPasswords().check(username, password)
    return hash_password(password)


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


def _note(text: str) -> None:
    """Beside what the command prints for other programs."""
    print(f"hushcast: {text}", file=sys.stderr)


async def _known(database: Database, name: str) -> User:
    user = await database.read(users.find, name)
    if user is None:
        raise NotDone(f"there is no user {name}")
    return user


class Password(NamedTuple):
    """A new password, and whether it was made up here: then somebody has to be told."""

    text: str
    made_up: bool


def _new_password() -> Password:
    """Asked twice at a terminal, else the first line of stdin; a random one where none is given."""
    if sys.stdin.isatty():
        given = answer(getpass.getpass, "Password (empty: make one up): ")
        if given and given != answer(getpass.getpass, "Again: "):
            raise NotDone("the two are not the same")
    else:
        given = sys.stdin.readline().rstrip("\n")
    return Password(given or secrets.token_urlsafe(12), not given)


def _show_made_up(password: Password) -> None:
    """When it is the account's: what failed has no password."""
    if password.made_up:
        print(password.text)


async def _confirm(database: Database, user: User) -> None:
    """What goes, and that the server is nobody's then; the name has to be typed. Raises NotDone."""
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
