/**
 * The shapes that travel between server, protocol classes and views. Types only; nothing runs here.
 *
 * @typedef {{username: string, live: boolean, owner: boolean, created_at: string}} Me
 * @typedef {{username: string, live: boolean, since: string | null}} Friend
 * @typedef {{id: number, username: string, created_at: string}} FriendRequest
 * @typedef {{incoming: FriendRequest[], outgoing: FriendRequest[]}} Requests
 * @typedef {"none" | "outgoing" | "incoming" | "friend" | "blocked" | "self"} Relation
 * @typedef {{username: string, relation: Relation}} Found
 * @typedef {{name: string, latency_ms: number, available: boolean, reason: string | null, default: boolean}} DenoiserRow
 *
 * @typedef {{p50: number | null, p99: number | null}} Quantiles
 * @typedef {object} Status
 * @property {string} username
 * @property {boolean} live
 * @property {"ended" | "waiting" | "live" | "parked"} state
 * @property {string | null} broadcast
 * @property {string | null} title
 * @property {string | null} since
 * @property {number} duration_s
 * @property {number} listeners
 * @property {string[] | null} listener_names
 * @property {{enabled: boolean, denoiser: string, state: "off" | "starting" | "active" | "bypassed", reason: string | null, strength_db: number | null}} denoise
 * @property {{algorithmic: number, ingest: Quantiles, worker: Quantiles, fanout: Quantiles}} latency_ms
 * @property {{received: number, lost: number, concealed: number}} loss
 * @property {boolean} muted      the server lets no sound through, whatever client sends
 * @property {{id: number | null, failed: string | null}} [recording]
 *
 * @typedef {{at_s: number, kind: string, text: string}} Chapter
 * @typedef {object} Recording
 * @property {number} id
 * @property {string} username
 * @property {string} title
 * @property {"live" | "finalising" | "ready" | "failed"} state
 * @property {string} started_at
 * @property {number} duration_s
 * @property {boolean} denoised
 * @property {string[]} variants
 * @property {number} size_bytes
 * @property {Chapter[]} chapters
 * @property {Record<string, unknown> | null} stats
 * @property {{from_s: number, to_s: number, kind: "bypass" | "denoise_off" | "gap", reason: string | null}[]} spans
 * @property {number} denoised_share
 *
 * @typedef {{duration_s: number, peaks: [number, number][]}} Peaks
 * @typedef {{original: number | null, denoised: number | null}} Levels   dBFS; null = not known
 *
 * @typedef {{page: string, name?: string, id?: string, token?: string, query?: string}} Route
 * @typedef {{code: string, detail: string, port?: number}} Trouble   something went wrong; words.js has the sentence
 *
 * @typedef {"voice" | "music" | "asis"} Profile
 * @typedef {"idle" | "asking" | "preview" | "connecting" | "live" | "reconnecting"} AirPhase
 * @typedef {object} Air   the own broadcast as this page sees it
 * @property {AirPhase} phase
 * @property {Trouble | null} trouble
 * @property {boolean} muted
 * @property {boolean} silent      nothing heard for 5 s
 * @property {boolean} steady      a steady noise is heard in the preview
 * @property {Profile} profile
 * @property {string} denoiser     of the next Start, "" = the server's choice
 * @property {boolean} echo        echo cancellation wished
 * @property {MediaDeviceInfo[]} devices
 * @property {string} device       id of the microphone in use, "" = the browser's choice
 * @property {MediaTrackSettings | null} settings   what the browser really does
 * @property {number | null} network_ms   half the round trip, measured
 *
 * @typedef {"off" | "connecting" | "on" | "reconnecting"} EarPhase
 * @typedef {object} Ear   what this page listens to
 * @property {EarPhase} phase
 * @property {string} name
 * @property {"auto" | "original"} variant
 * @property {number} volume     0 to 1
 * @property {boolean} muted
 * @property {Trouble | null} trouble
 * @property {number | null} play_ms      the browser's own buffer, measured
 * @property {number | null} network_ms
 *
 * @typedef {object} Playing   the recording player
 * @property {Recording | null} recording
 * @property {boolean} playing
 * @property {"denoised" | "original"} variant
 * @property {number} position_s
 * @property {number} speed
 * @property {Trouble | null} trouble
 *
 * @typedef {{items: Recording[], more: boolean, trouble: Trouble | null}} RecordingList
 * @typedef {{text: string, action?: {label: string, run: () => void}}} Toast
 *
 * @typedef {object} State
 * @property {Route} route
 * @property {Me | null | undefined} me       undefined = not asked yet, null = nobody signed in
 * @property {Friend[] | null} friends
 * @property {Requests} requests
 * @property {DenoiserRow[]} denoisers
 * @property {boolean} online                 the presence socket is open
 * @property {Air} air
 * @property {Record<string, Status>} statuses    by username,
 * @property {Record<string, number>} clocks      performance.now() when that status came
 * @property {Ear} ear
 * @property {Playing} player
 * @property {Record<string, RecordingList>} recordings  recordings by username
 * @property {string | null} claim            the claim link's secret, while it may still make somebody the owner
 * @property {number[]} folded                recordings deleted a moment ago, still to be had back
 * @property {Toast | null} toast             one sentence that goes away, perhaps with an undo
 * @property {boolean} keys                   single-key shortcuts are on
 */
export {};
