-- One round trip for a request: is its nonce new, is there room in every bucket, then take both.
-- KEYS: the nonce's key ('' for none), then the buckets. ARGV: life of the nonce in seconds, then
-- for each bucket the microseconds between two requests and how many may come at once.
-- Answers -1 for a nonce seen before, the microseconds to wait if a bucket is full, else 0.
-- The buckets are GCRA: each holds the instant at which it will be empty again.
if KEYS[1] ~= '' and redis.call('EXISTS', KEYS[1]) == 1 then
    return -1
end
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local wait = 0
local empty = {}
for i = 2, #KEYS do
    local interval = tonumber(ARGV[2 * i - 2])
    local burst = tonumber(ARGV[2 * i - 1])
    local at = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now) + interval
    wait = math.max(wait, at - now - interval * burst)
    empty[i] = at
end
if wait > 0 then
    return wait
end
for i = 2, #KEYS do
    -- %.0f: Lua would write sixteen digits with an exponent.
    redis.call('SET', KEYS[i], string.format('%.0f', empty[i]),
        'PX', math.ceil((empty[i] - now) / 1000) + 1)
end
if KEYS[1] ~= '' then
    redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
end
return 0
