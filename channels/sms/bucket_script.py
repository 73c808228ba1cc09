"""The arithmetic of `bucket.py` as one atomic step in Redis."""

from __future__ import annotations

# KEYS: the sender's bucket. ARGV: take or rest, seconds to keep it, now, rate, burst, cost (or seconds to rest),
# answers first?, came back? Answers the seconds to wait, as text, because Redis cuts numbers down to integers.
SCRIPT = """
local key = KEYS[1]
local now, rate, burst, cost = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local first, returning = tonumber(ARGV[7]) == 1, tonumber(ARGV[8]) == 1
local names = {'tokens', 'at', 'answers_tail', 'touches_tail', 'answers_until', 'rest_until'}
local kept = redis.call('hmget', key, unpack(names))
local is = {}
for place, name in ipairs(names) do is[name] = tonumber(kept[place] or 0) end
if not kept[1] then is.tokens = burst end

local function keep(answer)
    for _, name in ipairs(names) do redis.call('hset', key, name, string.format('%.17g', is[name])) end
    redis.call('expire', key, ARGV[2])
    return string.format('%.17g', answer)
end

if ARGV[1] == 'rest' then
    is.rest_until = math.max(is.rest_until, now + cost)
    return keep(0)
end
if is.at > now + 60 then is.at = now end
if now > is.at then
    if is.at > 0 then is.tokens = math.min(burst, is.tokens + (now - is.at) * rate) else is.tokens = burst end
    is.at = now
end
local waits = math.max(is.rest_until - now, 0)
if not first then waits = math.max(waits, is.answers_until - now) end
local missing = (cost - is.tokens) / rate
if waits <= 0 and missing <= 0 then
    is.tokens = is.tokens - cost
    return keep(0)
end
local wait = math.max(waits, missing, 0.05)
if not returning then
    local tail = first and is.answers_tail or math.max(is.touches_tail, is.answers_tail)
    tail = math.max(now + wait, tail + cost / rate)
    if first then is.answers_tail = tail else is.touches_tail = tail end
    wait = tail - now
end
if first then is.answers_until = math.max(is.answers_until, now + wait + 2) end
return keep(wait)
"""
