"""Queries for chapters: the marks set during a recording."""

import json
from collections.abc import Iterable, Sequence
from typing import cast

import peewee

from db.tables import Chapter, Recording

MOST_CHAPTERS = 1000  # of one recording; more are not stored


def add(recording_id: int, at_s: float, kind: str, text: str) -> bool:
    """Append a chapter; False where it is not stored (no such recording, or too many)."""
    if not Recording.select().where(Recording.id == recording_id).exists():
        return False
    place = Chapter.select().where(Chapter.recording == recording_id).count()
    if place >= MOST_CHAPTERS:
        return False
    Chapter.insert(recording=recording_id, place=place, at_s=at_s, kind=kind, text=text).execute()
    return True


def fill_in(recordings: Sequence[Recording]) -> None:
    """Load the chapters of these recordings. SQLite builds the JSON, without Python's GIL: a page of 200 may have 200,000."""
    if not recordings:
        return
    by_id = {recording.id: recording for recording in recordings}
    mine = Chapter.select(Chapter.at_s, Chapter.kind, Chapter.text).where(Chapter.recording == Recording.id).order_by(Chapter.place)
    rows = mine.alias("rows")
    one = peewee.fn.json_object("at_s", rows.c.at_s, "kind", rows.c.kind, "text", rows.c.text)
    together = peewee.Select([rows], [peewee.fn.json_group_array(one)])
    found = Recording.select(Recording.id, together).where(Recording.id.in_(list(by_id))).tuples()
    for recording_id, chapters in cast(Iterable[tuple[int, str]], found):
        by_id[recording_id].chapters = json.loads(chapters)
