-- Build the gate of a batch from what the database said. KEYS: the gate. ARGV: how many may go on
-- ('sold': the stock is gone), for how many ms, how many seconds the gate is kept, how many it may
-- remember, then everybody who has a coupon, where it is sold.
-- A count that still holds stays, or every builder would let in as many again; and sold is final.
local gate = redis.call('HMGET', KEYS[1], 'left', 'until')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if gate[1] == 'sold' or ARGV[1] ~= 'sold' and gate[1] and now < tonumber(gate[2]) then
    return 0
end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
    redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[1], 'left', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]))
for i = 5, #ARGV do
    redis.call('HSET', KEYS[1], 'm:' .. ARGV[i], 1)
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
