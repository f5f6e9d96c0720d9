-- Announces a node, and forgets those that were not heard of for a while.
-- KEYS: the nodes, the epoch, how many have left. ARGV: this node, the microseconds for
-- which a node is remembered, and "1" to begin a new epoch. Returns how many nodes there are,
-- the epoch, and how many have left: an epoch that was lost begins anew with the time,
-- which no epoch had before.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local text = string.format('%.0f', now)
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], text, ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
redis.call('PEXPIRE', KEYS[1], 60000)
local epoch = redis.call('GET', KEYS[2])
if not epoch then
  epoch = text
  redis.call('SET', KEYS[2], epoch)
elseif ARGV[3] == '1' then
  redis.call('INCR', KEYS[2])
  epoch = redis.call('GET', KEYS[2]) -- as text: as a number it would be rounded
end
redis.call('PEXPIRE', KEYS[3], 60000)
return { redis.call('ZCARD', KEYS[1]), epoch, redis.call('GET', KEYS[3]) or '0' }
