-- May somebody go on to the database? KEYS: the gate of a batch. ARGV: who asks.
-- The gate is a hash: `left` (how many may still go on, or 'sold'), `until` (when that count is
-- over, in ms), and a field for each who was let in or has a coupon: he is let in again.
-- Answers 'in', 'full', 'sold', or 'unknown': then the database is to be asked, and told to build.
local gate = redis.call('HMGET', KEYS[1], 'left', 'until', 'm:' .. ARGV[1])
local left, over, known = gate[1], gate[2], gate[3]
local clock = redis.call('TIME')
if not left or left ~= 'sold' and clock[1] * 1000 + clock[2] / 1000 >= tonumber(over) then
    return 'unknown'
end
if known then
    return 'in'
end
if left == 'sold' then
    return 'sold'
end
if tonumber(left) <= 0 then
    return 'full'
end
redis.call('HINCRBY', KEYS[1], 'left', -1)
redis.call('HSET', KEYS[1], 'm:' .. ARGV[1], 1)
return 'in'
