-- Forgets a node that leaves, and counts that it said so.
-- KEYS: the nodes, how many have left. ARGV: this node.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('INCR', KEYS[2])
  redis.call('PEXPIRE', KEYS[2], 60000)
end
return 1
