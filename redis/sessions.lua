-- Keeps sessions. KEYS[1] begins every key, and all are in one slot with it:
-- s:DIGEST is a session, f:DIGEST the digest of the session that had this one
-- before, u:USER the digests of a user's sessions, e the times at which they end.
-- ARGV[1] says what to do; digests are text.
local base = KEYS[1]
local function own(d) return base .. 's:' .. d end
local function old(d) return base .. 'f:' .. d end

-- find returns the digest of the session that has d now, or had it before.
local function find(d)
  if redis.call('EXISTS', own(d)) == 1 then return d end
  local now = redis.call('GET', old(d))
  if now and redis.call('EXISTS', own(now)) == 1 then return now end
end

local function read(d)
  local s = redis.call('HMGET', own(d), 'rev', 'issuer', 'subject', 'created', 'expires', 'body')
  return { d, s[1], s[2], s[3], s[4], s[5], s[6] }
end

local function remove(d)
  local s = redis.call('HMGET', own(d), 'former', 'user')
  if s[1] and s[1] ~= '' then redis.call('DEL', old(s[1])) end
  if s[2] then redis.call('SREM', base .. 'u:' .. s[2], d) end
  redis.call('ZREM', base .. 'e', d)
  return redis.call('DEL', own(d))
end

local does = {}

function does.lookup(d)
  local found = find(d)
  return found and read(found) or {}
end

function does.create(d, user, issuer, subject, created, expires, ends, body)
  if find(d) then return 'EXISTS' end
  redis.call('HSET', own(d), 'rev', 1, 'issuer', issuer, 'subject', subject, 'created', created, 'expires', expires, 'body', body, 'former', '', 'user', user)
  redis.call('SADD', base .. 'u:' .. user, d)
  redis.call('ZADD', base .. 'e', ends, d)
  return 'OK'
end

function does.replace(before, rev, after, former, idle, body)
  local found = find(before)
  if not found then return 'NOTFOUND' end
  if found ~= before or redis.call('HGET', own(before), 'rev') ~= rev then return 'CONFLICT' end
  local other = find(after)
  if other and other ~= before then return 'EXISTS' end
  local s = redis.call('HMGET', own(before), 'former', 'user', 'expires')
  if s[1] ~= '' then redis.call('DEL', old(s[1])) end
  if after ~= before then
    redis.call('RENAME', own(before), own(after))
    redis.call('SREM', base .. 'u:' .. s[2], before)
    redis.call('SADD', base .. 'u:' .. s[2], after)
    redis.call('ZREM', base .. 'e', before)
  end
  if former ~= '' then redis.call('SET', old(former), after) end
  redis.call('HSET', own(after), 'body', body, 'former', former)
  redis.call('HINCRBY', own(after), 'rev', 1)
  local ends = idle -- of two numbers as text, the earlier one
  if tonumber(s[3]) < tonumber(idle) then ends = s[3] end
  redis.call('ZADD', base .. 'e', ends, after)
  return 'OK'
end

function does.delete(d)
  local found = find(d)
  return found and remove(found) or 0
end

function does.list(user)
  local all = {}
  for _, d in ipairs(redis.call('SMEMBERS', base .. 'u:' .. user)) do
    all[#all + 1] = read(d)
  end
  return all
end

function does.deleteuser(user)
  local n = 0
  for _, d in ipairs(redis.call('SMEMBERS', base .. 'u:' .. user)) do
    n = n + remove(d)
  end
  return n
end

function does.deleteexpired(now, limit)
  local n = 0
  for _, d in ipairs(redis.call('ZRANGEBYSCORE', base .. 'e', '-inf', now, 'LIMIT', 0, limit)) do
    n = n + remove(d)
  end
  return n
end

return does[ARGV[1]](unpack(ARGV, 2))
