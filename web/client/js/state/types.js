/**
 * The shapes exchanged between server, protocol classes and views. Types only.
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
 * @property {boolean} muted      the server silences the broadcast, whatever its client sends
 * @property {{id: number | null, failed: string | null}} [recording]
 * @property {string} [node]      of several servers the one that has it; "" = not known
 * @property {boolean} [leaving]  that server ends soon: the broadcaster offers again, which another one answers
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
 * @typedef {{code: string, detail: string, port?: number}} Trouble   an error as it is shown; words/errors.js has the sentence
 *
 * @typedef {"voice" | "music" | "asis"} Profile
 * @typedef {"idle" | "asking" | "preview" | "connecting" | "live" | "reconnecting" | "stopping"} BroadcastPhase
 * @typedef {object} OwnBroadcast   the own broadcast as this page sees it
 * @property {BroadcastPhase} phase
 * @property {Trouble | null} trouble
 * @property {boolean} muted
 * @property {boolean} silent      nothing heard for 5 s
 * @property {boolean} steady      a steady noise is heard in the preview
 * @property {Profile} profile
 * @property {string} denoiser     of the next broadcast, "" = the server's choice
 * @property {number | null | undefined} strength_db   of the next broadcast: null = no limit, undefined = what suits the profile
 * @property {boolean} echo        echo cancellation is requested
 * @property {boolean} record      whether the next broadcast is to be recorded
 * @property {MediaDeviceInfo[]} devices
 * @property {string} device       id of the microphone in use, "" = the browser's choice
 * @property {string} substitute   name of the microphone that is used because the other one is gone, "" = none
 * @property {MediaTrackSettings | null} settings   what the browser reports that it does
 * @property {number | null} network_ms   half the round trip, measured
 * @property {number | null} packet_ms    how much sound a packet holds, measured
 *
 * @typedef {object} HearingYourself   five seconds of the own voice, as the server sends it back
 * @property {"off" | "connecting" | "recording" | "raw" | "clean" | "done" | "failed"} phase
 * @property {number} left_s      of the five seconds
 * @property {boolean} cleaned    it was cleaned
 * @property {Trouble | null} trouble
 *
 * @typedef {"off" | "connecting" | "on" | "reconnecting" | "waiting"} ListeningPhase   waiting: for somebody to go on air
 * @typedef {object} Listening   what this page listens to
 * @property {ListeningPhase} phase
 * @property {string} name
 * @property {"auto" | "original"} variant   as the server sends it
 * @property {boolean} choosing  another variant was asked for, and the server has not answered
 * @property {boolean} held      the server holds the sound for as long as its denoiser needs
 * @property {number} volume     0 to 2, 1 as it was sent
 * @property {boolean} muted
 * @property {Trouble | null} trouble
 * @property {string | null} retry   why the last attempt to connect has failed, while others follow
 * @property {boolean} stopped   they have ended the broadcast themselves
 * @property {number | null} play_ms      the browser's own buffer, measured
 * @property {number | null} network_ms
 *
 * @typedef {{chord: string, practising: boolean, at_s: number}} Marks   the latest chord and practice mark of a broadcast
 *
 * @typedef {object} Playing   the recording player
 * @property {Recording | null} recording
 * @property {boolean} playing
 * @property {"denoised" | "original"} variant   the version that is played
 * @property {"clean" | "raw" | "gap"} heard      what it is at this moment: also the clean version has parts that were not cleaned
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
 * @property {boolean} online                 the server has answered or told something when it was last asked to
 * @property {boolean} away                   the server does not tell who is signed in; it is asked again
 * @property {OwnBroadcast} broadcast
 * @property {Chapter[]} marks                     chords and practice of the own broadcast, oldest first
 * @property {number} phones                       connected beside this page
 * @property {HearingYourself} yourself
 * @property {Record<string, Status>} statuses    by username
 * @property {Record<string, number>} clocks      performance.now() when that status came
 * @property {Record<string, number>} lost       performance.now() when the socket that tells changes was lost
 * @property {Record<string, Marks>} cues         by username, each shown when its moment is heard
 * @property {Listening} listening
 * @property {Playing} player
 * @property {Record<string, RecordingList>} recordings  recordings by username
 * @property {string | null} claim            the claim link's secret, until it is used or refused
 * @property {number[]} deleted               ids of recordings whose deletion can still be undone
 * @property {Toast | null} toast             one sentence that is shown for a while, perhaps with an action
 * @property {boolean} outdated               the server has another build than this page
 * @property {boolean} keys                   single-key shortcuts are on
 */
export {};
