"""The Lua scripts that Redis runs, each as one step that nobody comes between. Sent as text: Redis that was restarted knows none."""

# Appends an event to the stream. A key of that name which is no stream is not ours: it gives way.
_TELL = """
local function tell(stream, most, event)
  local kind = redis.call('TYPE', stream).ok
  if kind ~= 'stream' and kind ~= 'none' then redis.call('DEL', stream) end
  redis.call('XADD', stream, 'MAXLEN', '~', most, '*', 'event', event)
end
"""

# KEYS: the stream. ARGV: its length, the event.
TELL = f"{_TELL} tell(KEYS[1], ARGV[1], ARGV[2])"

# KEYS: air:USER, the stream. ARGV: record, life in seconds, length of the stream, event or ''.
# Returns the record of a higher epoch that stands there, and has changed nothing then; else nil. Of one run of a node the later stays.
# What is no record gives way.
ANNOUNCE = f"""
{_TELL}
local new = cjson.decode(ARGV[1])
local stands = redis.pcall('GET', KEYS[1])
if type(stands) == 'string' then
  local read, old = pcall(cjson.decode, stands)
  if read and type(old) == 'table' and type(old.epoch) == 'number' then
    if old.epoch > new.epoch then return stands end
    if old.epoch == new.epoch and old.boot == new.boot and tonumber(old.sequence) and old.sequence > new.sequence then return false end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if ARGV[4] ~= '' then tell(KEYS[2], ARGV[3], ARGV[4]) end
return false
"""

# KEYS: the devices of a companion session by node, the stream. ARGV: node, devices, life in seconds, length of the stream, event.
COUNT_DEVICES = f"""
{_TELL}
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
if tonumber(ARGV[2]) > 0 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) else redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
tell(KEYS[2], ARGV[4], ARGV[5])
"""

_FULL_AT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refill, most = tonumber(ARGV[1]), tonumber(ARGV[1]) * tonumber(ARGV[2])
local stands = redis.pcall('GET', KEYS[1])
local full = math.min(type(stands) == 'string' and tonumber(stands) or now, now + most)
"""

# KEYS: the bucket. ARGV: milliseconds until there is one more, how many there are at most. By Redis' clock alone.
# Takes one and returns 0, or returns the milliseconds until there is one.
TAKE = f"""
{_FULL_AT}
full = math.max(full, now)
local wait = full + refill - now - most
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], full + refill, 'PX', math.ceil(full + refill - now))
return 0
"""

# The same keys and arguments. Undoes a take.
GIVE_BACK = f"""
{_FULL_AT}
if full - refill <= now then redis.call('DEL', KEYS[1]) else
  redis.call('SET', KEYS[1], full - refill, 'PX', math.ceil(full - refill - now))
end
"""
