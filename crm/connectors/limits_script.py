"""The arithmetic of `limits_local` as one atomic step in Redis, on Redis' own clock."""

from __future__ import annotations

# KEYS: the line, the places. ARGV: what is done; seconds to keep; then
#   book: seconds a request takes, burst, cost, tokens to leave alone, patience -> granted, seconds to wait
#   refund: seconds that are given back
#   enter: place, places at most, lease -> seconds to wait, 0 when it was entered
#   leave: place
#   rest: seconds
# Numbers are answered as text, because Redis cuts them down to integers.
SCRIPT = """
local line, places, what, keep = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local clock = redis.call('time')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local function text(number) return string.format('%.17g', number) end
local function held(name) return tonumber(redis.call('hget', line, name) or 0) end
local function hold(name, number)
    redis.call('hset', line, name, text(number))
    redis.call('expire', line, keep)
end

if what == 'book' then
    local each, burst, cost = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
    local reserve, patience = tonumber(ARGV[6]), tonumber(ARGV[7])
    local tail = math.max(held('tail'), now) + cost * each
    local wait = math.max(tail - (burst - reserve) * each - now, held('rest_until') - now, 0)
    if wait > patience + 0.001 then return {'0', text(wait)} end
    hold('tail', tail)
    return {'1', text(wait)}
elseif what == 'refund' then
    hold('tail', held('tail') - tonumber(ARGV[3]))
elseif what == 'enter' then
    local rest = held('rest_until') - now
    if rest > 0 then return {'0', text(rest)} end
    redis.call('zremrangebyscore', places, '-inf', text(now))
    if redis.call('zcard', places) >= tonumber(ARGV[4]) then return {'0', '0'} end
    redis.call('zadd', places, text(now + tonumber(ARGV[5])), ARGV[3])
    redis.call('expire', places, keep)
elseif what == 'leave' then
    redis.call('zrem', places, ARGV[3])
elseif what == 'rest' then
    hold('rest_until', math.max(held('rest_until'), now + tonumber(ARGV[3])))
end
return {'1', '0'}
"""
