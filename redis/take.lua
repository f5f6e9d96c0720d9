-- Judges one request by several limits, and counts it in all or in none.
--
-- KEYS[i] holds the arrival time of claim i: when its subject's burst is whole
-- again. ARGV[1] has six numbers for each claim: its kind; what it costs, and what a
-- whole burst costs, each as microseconds and a fraction; and the fraction's
-- denominator. ARGV[2] is "1" to count nothing.
--
-- All numbers are whole and below 2^53, where doubles are exact. Arrival times are
-- kept as three packed doubles: no text of a number is rounded.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
-- keep notes an arrival time until it is past: then it says nothing any more.
local function keep(key, u, f, den)
  redis.call('SET', key, struct.pack('<ddd', u, f, den), 'PXAT', string.format('%.0f', math.floor(u / 1000) + 2))
end
local arg, at, pass = ARGV[1], 1, true
local claims = {}
for i = 1, #KEYS do
  local c = {}
  c.kind, c.cu, c.cf, c.su, c.sf, c.den, at = struct.unpack('<dddddd', arg, at)
  local u, f = now, 0
  local kept = redis.call('GET', KEYS[i])
  if kept then
    local den
    u, f, den = struct.unpack('<ddd', kept)
    if den ~= c.den and f > 0 then -- of another quota: at most a microsecond more
      u, f = u + 1, 0
    end
    if u < now then
      u, f = now, 0
    end
    local most = now + 2 * c.su + 2 -- a clock that was set back locks nobody out
    if u > most then
      u, f = most, 0
      if ARGV[2] ~= '1' then
        keep(KEYS[i], u, f, c.den)
      end
    end
  end
  local nu, nf = u + c.cu, f + c.cf
  if nf >= c.den then
    nu, nf = nu + 1, nf - c.den
  end
  local lu, lf = now + c.su, c.sf
  c.ok = nu < lu or nu == lu and nf <= lf
  if c.kind == 2 then -- one burst beyond the limit is the most that is owed
    local mu, mf = lu + c.su, lf + c.sf
    if mf >= c.den then
      mu, mf = mu + 1, mf - c.den
    end
    if nu > mu or nu == mu and nf > mf then
      nu, nf = mu, mf
    end
  end
  c.u, c.f, c.nu, c.nf = u, f, nu, nf
  if c.kind == 0 and not c.ok then
    pass = false
  end
  claims[i] = c
end
local out = { struct.pack('<d', now) }
for i = 1, #KEYS do
  local c = claims[i]
  if ARGV[2] ~= '1' and (c.kind == 2 or pass and c.ok) then
    c.u, c.f = c.nu, c.nf
    keep(KEYS[i], c.u, c.f, c.den)
  end
  out[i + 1] = struct.pack('<ddd', c.ok and 1 or 0, c.u - now, c.f)
end
return table.concat(out)
