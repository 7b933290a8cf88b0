"""Whose server it is, as the rows know it."""

from pathlib import Path

import pytest

from db import migrations, ownership, users
from db.connection import TABLES, Database
from db.errors import Denied


async def test_the_first_account_made_on_the_machine_owns_it(tmp_path: Path) -> None:
    """And no other: not the first one made elsewhere, not one that comes to this machine after others."""
    for place, (first, owned) in enumerate(((True, True), (False, False))):
        async with Database(tmp_path / f"{place}.db") as database:
            alice = (await database.run(users.join, "alice", "x", here=first)).user
            await database.run(users.join, "bob", "x", here=True)
            assert await database.run(ownership.owner_id) == (alice.id if owned else None)


async def test_a_claim_works_once(tmp_path: Path) -> None:
    """The nonce is used up with it; whoever comes too late is refused, and no account is made."""
    async with Database(tmp_path / "x.db") as database:
        nonce = await database.run(ownership.open_nonce)
        assert nonce is not None
        await database.run(users.join, "alice", "x")
        bob = (await database.run(users.join, "bob", "x", claim=nonce)).user
        assert await database.run(ownership.owner_id) == bob.id and await database.run(ownership.open_nonce) is None
        for name, late in (("carl", nonce), ("dora", "another")):
            with pytest.raises(Denied, match="bad_claim"):
                await database.run(users.join, name, "x", claim=late)
            assert await database.run(users.find, name) is None


async def test_it_does_not_move_by_itself(tmp_path: Path) -> None:
    """With the owner's account the server becomes nobody's, to be claimed by another nonce; an emptied one is for the first again."""
    async with Database(tmp_path / "x.db") as database:
        first = await database.run(ownership.open_nonce)
        alice, bob = [(await database.run(users.join, name, "x", here=True)).user for name in ("alice", "bob")]
        await database.run(users.remove, alice.id)
        assert await database.run(ownership.owner_id) is None
        assert await database.run(ownership.open_nonce) not in (None, first)
        await database.run(users.remove, bob.id)
        carl = (await database.run(users.join, "carl", "x", here=True)).user
        assert await database.run(ownership.owner_id) == carl.id


@pytest.mark.parametrize("accounts", [("alice", "bob"), ()])
async def test_an_older_database_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accounts: tuple[str, ...]) -> None:
    """The oldest account, which owned it before there was a row for it; without accounts nobody does."""
    all_of_them = migrations.names()
    monkeypatch.setattr(migrations, "names", lambda: [name for name in all_of_them if name < "m0008"])

    def fill() -> None:
        for name in ("gone", *accounts):
            TABLES.execute_sql(
                f"INSERT INTO user (username, password_hash, created_at) VALUES ('{name}', 'x', '2026-01-01T00:00:00.000000Z')"
            )
        TABLES.execute_sql("DELETE FROM user WHERE username = 'gone'")

    async with Database(tmp_path / "x.db") as database:
        await database.run(fill)
    monkeypatch.setattr(migrations, "names", lambda: all_of_them)
    async with Database(tmp_path / "x.db") as database:
        assert await database.run(ownership.owner_id) == (2 if accounts else None)
