"""Several servers: which nodes there are, who is on air where, and what nodes tell each other. Sound never waits for any of it.

Modules, in the order of the flow:
    records           What the directory holds: a node, a broadcast on air
    scripts           The Lua scripts that Redis runs
    record_seal       Seals node records, and checks their seals
    redis_clients     Clients of the package redis, by URL or by Sentinel
    redis_connection  The connection to Redis, made again by itself
    rubbish           Reads what is in Redis, and counts what is no record
    event_log         What nodes tell each other, by a Redis Stream
    directory         Nodes and broadcasts: announced in Redis, and cached here
    companion_store   Messages and devices of companion sessions at other nodes
    shared_limits     Token buckets in Redis, for guesses and registrations
    leases            This node's broadcasts: their epochs, and when another node has them
    snapshot          What may have been missed, read anew
    membership        This server among the others: opens all of it, and renews it
    placement         At which node a new broadcast begins
    nonces            The nonces of signed requests that were taken lately
    signed_requests   Signs the requests between nodes, and checks them
    handshake         How a node learns another one's boot id and time
    peers             Asks other nodes over HTTP
    gate              Lets in what other nodes ask

Imported by signalling, operations, app and serve. Without `redis.url` nothing here runs, and the package redis is not imported.
"""
