"""Queries for chapters: the marks set during a recording."""

import json
from collections.abc import Iterable, Sequence
from typing import cast

import peewee

from db import epochs
from db.columns import EitherWay
from db.locks import hold
from db.tables import Chapter, Recording

MOST_CHAPTERS = 1000  # of one recording; more are not stored


def add(recording_id: int, at_s: float, kind: str, text: str, epoch: int | None = None) -> bool:
    """Append a chapter; False where it is not stored (no such recording, or too many). Raises StaleEpoch."""
    rows = Recording.select(Recording.id, Recording.broadcast).where(Recording.id == recording_id)
    recording = rows.first()
    if recording is None:
        return False
    epochs.check(recording.broadcast, epoch)
    if hold(rows.clone()).first() is None:
        return False
    place = Chapter.select().where(Chapter.recording == recording_id).count()
    if place >= MOST_CHAPTERS:
        return False
    Chapter.insert(recording=recording_id, place=place, at_s=at_s, kind=kind, text=text).execute()
    return True


def fill_in(recordings: Sequence[Recording]) -> None:
    """Load the chapters of these recordings. The database builds the JSON, without Python's GIL: a page of 200 may have 200,000."""
    if not recordings:
        return
    by_id = {recording.id: recording for recording in recordings}
    mine = Chapter.select(Chapter.at_s, Chapter.kind, Chapter.text).where(Chapter.recording == Recording.id).order_by(Chapter.place)
    rows = mine.alias("rows")
    pairs = [part for name in ("at_s", "kind", "text") for part in (peewee.SQL(f"'{name}'"), getattr(rows.c, name))]
    one = peewee.NodeList((EitherWay("json_object", "json_build_object"), peewee.EnclosedNodeList(pairs)), glue="")
    before, after = EitherWay("json_group_array(", "coalesce(json_agg("), EitherWay(")", "), '[]')::text")
    together = peewee.Select([rows], [peewee.NodeList((before, one, after), glue="")])
    found = Recording.select(Recording.id, together).where(Recording.id.in_(list(by_id))).tuples()
    for recording_id, chapters in cast(Iterable[tuple[int, str]], found):
        by_id[recording_id].chapters = json.loads(chapters)
