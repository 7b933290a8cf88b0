"""The routes of recordings: a part of `web.routes.ROUTES`."""

from web.http.route import LOGIN, NOTHING, NUMBER, Route, json
from web.recordings import audio, recordings, trash

NOT_HEARD = "403 not_friends, 404 no_such_user"


RECORDING_ROUTES: tuple[Route, ...] = (
    # recordings
    Route("GET", "/api/recordings", recordings.own, LOGIN, None, recordings.RecordingsPage, json(list[recordings.RecordingRow])),
    Route(
        "GET",
        "/api/recordings/{username}",
        recordings.of_friend,
        LOGIN,
        None,
        recordings.RecordingsPage,
        json(list[recordings.RecordingRow]),
        NOT_HEARD,
    ),
    Route(
        "GET",
        f"/api/recording/{NUMBER}/audio",
        audio.audio,
        LOGIN,
        None,
        audio.AudioQuery,
        audio.SOUND,
        "403 not_friends, 404 not_found, 404 no_such_variant, 416 no_such_range, 503 storage_away",
    ),
    Route(
        "GET",
        f"/api/recording/{NUMBER}/peaks",
        recordings.peaks,
        LOGIN,
        None,
        recordings.OutlineQuery,
        json(recordings.Outline),
        "403 not_friends, 404 not_found, 404 no_such_variant, 409 not_ready, 503 storage_away",
    ),
    Route(
        "PATCH",
        f"/api/recording/{NUMBER}",
        recordings.rename,
        LOGIN,
        recordings.NewTitle,
        None,
        json(recordings.RecordingRow),
        "403 not_allowed, 404 not_found",
    ),
    Route(
        "DELETE",
        f"/api/recording/{NUMBER}",
        recordings.delete,
        LOGIN,
        gives=NOTHING,
        problems="403 not_allowed, 404 not_found, 409 still_live",
    ),
    Route("GET", "/api/trash", trash.listed, LOGIN, None, recordings.RecordingsPage, json(list[trash.DeletedRow])),
    Route(
        "POST",
        f"/api/recording/{NUMBER}/restore",
        trash.restore,
        LOGIN,
        gives=NOTHING,
        problems="403 not_allowed, 404 not_found, 409 not_in_trash",
    ),
    Route("GET", "/api/storage", recordings.storage, LOGIN, gives=json(recordings.StorageUse)),
)
