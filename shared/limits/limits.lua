-- Buckets that all workers share, by the rules of limit_bucket.h and Redis' own clock. Times are microseconds.
--
-- A bucket is the hash KEY:rates: f1 to f6 are when its rates would be full again, `held` is what nothing may start before, `pace` how long a call takes of the
-- slowest rate and `span` how long a call lasts, both smoothed over calls whose real cost is known, and `known` how many these were (up to YOUNG). Beside it are KEY:line, who waits for longer than he sleeps, by his order; KEY:lapse, when
-- each of them is given up, since whoever waits may be gone; KEY:calls, the calls under way and when each is over at the latest. All of them end with a
-- word of their own, so that no bucket's key is taken for another one's line, whatever the names in it.
--
-- KEYS  for take the choices, of which one is taken, then what is taken as well; for settle what was taken
-- ARGV  take:   1 "take", 2 number of choices, 3 id, 4 order, 5 the longest sleep, 6 the longest call, 7 to 9 cost (requests, input, output),
--               then for each bucket six rates, calls at once, and what the caller remembers: 0 nothing, 1 that it was used lately, 2 that it is used up
--       settle: 1 "settle", 2 id, 3 to 5 cost taken, 6 to 8 real cost, 9 how long it took (0: not known), 10 how long to hold all (0: not),
--               11 to 14 what is left of the first four rates of the first bucket (-1: not known), then for each bucket six rates and calls at once
--       leave:  1 "leave", 2 id: who does not know whether he has taken anything, and does not want it
--       hold:   1 "hold", 2 for how long: nothing may start before
--
-- take returns {0, choice, wait}: taken, start after the wait; or {1, choice, wait}: nothing was taken, ask again after the wait.
local MINUTE, DAY, BURST = 60e6, 86400e6, 10e6
local KEEP_MS, GRACE, LAPSED_MAX, CALLS_LOOK = 172800000, 30e6, 20, 50e3
local YOUNG, YOUNG_WAIT = 20, 5e6
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local function number(value) return tonumber(value) or 0 end
local function unit(rate, i) return (i > 4 and DAY or MINUTE) / rate end
local function burst(rate, i) return i > 4 and rate or math.max(1, rate * BURST / MINUTE) end
local function text(value) return string.format('%.0f', value) end

local function costs(at)
  local requests, input, output = number(ARGV[at]), number(ARGV[at + 1]), number(ARGV[at + 2])
  return {requests, input + output, input, output, requests, input + output}
end

-- What a call takes of the slowest rate.
local function interval(bucket, cost)
  local longest = 0
  for i, rate in pairs(bucket.rates) do longest = math.max(longest, cost[i] * unit(rate, i)) end
  return longest
end

local function read(key, at)
  local values = redis.call('HMGET', key .. ':rates', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'held', 'pace', 'span', 'known')
  local bucket = {key = key, rates = {}, full = {}, held = number(values[7]), pace = tonumber(values[8]), span = number(values[9]), known = number(values[10])}
  for i = 1, 6 do
    local rate = number(ARGV[at + i - 1])
    if rate > 0 then bucket.rates[i] = rate end
    bucket.full[i] = number(values[i])
  end
  bucket.calls = number(ARGV[at + 6])
  return bucket
end

-- A bucket that was lost, or that workers took from without it, is not taken for full.
local function use_up(bucket, remembered)
  if remembered == 0 or (remembered == 1 and bucket.pace) then return end
  for i, rate in pairs(bucket.rates) do
    if i <= 4 then bucket.full[i] = math.max(bucket.full[i], now + burst(rate, i) * unit(rate, i)) end
  end
end

local function write(bucket)
  local fields = {'held', text(bucket.held), 'pace', text(bucket.pace or 0), 'span', text(bucket.span), 'known', text(bucket.known)}
  for i in pairs(bucket.rates) do
    fields[#fields + 1] = 'f' .. i
    fields[#fields + 1] = text(bucket.full[i])
  end
  redis.call('HSET', bucket.key .. ':rates', unpack(fields))
  redis.call('PEXPIRE', bucket.key .. ':rates', KEEP_MS)
end

local function leave_line(key, id)
  if redis.call('ZREM', key .. ':line', id) == 1 then redis.call('ZREM', key .. ':lapse', id) end
end

-- He stands in one line at most: another bucket may be the slowest when he comes back.
local function leave_lines(id, but)
  for _, key in ipairs(KEYS) do
    if key ~= but then leave_line(key, id) end
  end
end

local function rate_wait(bucket, cost)
  local wait = math.max(0, bucket.held - now)
  for i, rate in pairs(bucket.rates) do
    local most = burst(rate, i)
    wait = math.max(wait, math.max(now, bucket.full[i]) - now + (math.min(cost[i], most) - most) * unit(rate, i))
  end
  return wait
end

-- How many wait who go first. Those who did not come back are forgotten.
local function ahead_of(bucket, order)
  local gone = redis.call('ZRANGEBYSCORE', bucket.key .. ':lapse', '-inf', now, 'LIMIT', 0, LAPSED_MAX)
  if #gone > 0 then
    redis.call('ZREM', bucket.key .. ':lapse', unpack(gone))
    redis.call('ZREM', bucket.key .. ':line', unpack(gone))
  end
  return redis.call('ZCOUNT', bucket.key .. ':line', '-inf', '(' .. order)
end

-- Half of what may come at once is there: those who go first were told to come too late, and what they leave unused is lost.
local function has_room(bucket)
  if bucket.held > now then return false end
  for i, rate in pairs(bucket.rates) do
    if i <= 4 and bucket.full[i] - now > burst(rate, i) * unit(rate, i) / 2 then return false end
  end
  return true
end

-- Sets bucket.wait, and bucket.shut when no call may start now, whatever the wait. A call of his own is over: whoever made it has died, and could not tell.
local function look(bucket, cost, id, order)
  local ahead = ahead_of(bucket, order)
  bucket.wait = rate_wait(bucket, cost)
  if ahead > 0 and not has_room(bucket) then bucket.wait = bucket.wait + ahead * (bucket.pace or 0) end
  if bucket.calls == 0 then return end
  redis.call('ZREMRANGEBYSCORE', bucket.key .. ':calls', '-inf', now)
  redis.call('ZREM', bucket.key .. ':calls', id)
  if redis.call('ZCARD', bucket.key .. ':calls') >= bucket.calls then
    bucket.shut = true
    bucket.wait = math.max(bucket.wait, CALLS_LOOK, bucket.span / bucket.calls * (ahead + 1) / 2)
  end
end

local function take_from(bucket, cost, id, lease)
  for i, rate in pairs(bucket.rates) do bucket.full[i] = math.max(now, bucket.full[i]) + cost[i] * unit(rate, i) end
  bucket.pace = bucket.pace or interval(bucket, cost)
  write(bucket)
  if bucket.calls > 0 then
    redis.call('ZADD', bucket.key .. ':calls', now + bucket.wait + lease, id)
    redis.call('PEXPIRE', bucket.key .. ':calls', KEEP_MS)
  end
end

local function join_line(bucket, id, order)
  redis.call('ZADD', bucket.key .. ':line', order, id)
  redis.call('ZADD', bucket.key .. ':lapse', now + bucket.wait + GRACE, id)
  redis.call('PEXPIRE', bucket.key .. ':line', KEEP_MS)
  redis.call('PEXPIRE', bucket.key .. ':lapse', KEEP_MS)
end

local function take()
  local choices, id, order, hold, lease = number(ARGV[2]), ARGV[3], ARGV[4], number(ARGV[5]), number(ARGV[6])
  local cost, chosen, slowest, taken, wait, shut, counted = costs(7), nil, nil, {}, 0, false, false
  local choice = 0
  for n, key in ipairs(KEYS) do
    local at = 10 + (n - 1) * 8
    local bucket = read(key, at)
    use_up(bucket, number(ARGV[at + 7]))
    look(bucket, cost, id, order)
    if n > choices then
      taken[#taken + 1] = bucket
    elseif not chosen or (bucket.shut and 1 or 0) < (chosen.shut and 1 or 0) or (bucket.shut == chosen.shut and bucket.wait < chosen.wait) then
      chosen, choice = bucket, n - 1
    end
  end
  if chosen then taken[#taken + 1] = chosen end
  for _, bucket in ipairs(taken) do
    if bucket.wait >= wait then wait, slowest = bucket.wait, bucket end
    shut = shut or bucket.shut
    counted = counted or bucket.calls > 0
  end
  -- Who sleeps until his turn does not keep others from calling meanwhile.
  if counted then hold = math.min(hold, CALLS_LOOK) end
  if shut or wait > hold then
    -- What calls cost is a guess at first: nobody is sent away for long on it.
    if slowest.known < YOUNG then wait = math.min(wait, math.max(hold, slowest.held - now) + YOUNG_WAIT) end
    slowest.wait = wait
    leave_lines(id, slowest.key)
    join_line(slowest, id, order)
    return {1, choice, text(wait)}
  end
  leave_lines(id)
  for _, bucket in ipairs(taken) do
    bucket.wait = wait
    take_from(bucket, cost, id, lease)
  end
  return {0, choice, text(wait)}
end

local function settle()
  local id, took, real, span, hold = ARGV[2], costs(3), costs(6), number(ARGV[9]), number(ARGV[10])
  for n, key in ipairs(KEYS) do
    local bucket = read(key, 15 + (n - 1) * 7)
    if bucket.calls > 0 then redis.call('ZREM', key .. ':calls', id) end
    local lost = not bucket.pace
    if lost then use_up(bucket, 2) end
    for i, rate in pairs(bucket.rates) do
      if not lost then bucket.full[i] = bucket.full[i] + (real[i] - took[i]) * unit(rate, i) end
      local left = n == 1 and i <= 4 and number(ARGV[10 + i]) or -1
      if left >= 0 then bucket.full[i] = math.max(bucket.full[i], now + (burst(rate, i) - left) * unit(rate, i)) end
    end
    if span > 0 then
      local cost = interval(bucket, real)
      bucket.pace = bucket.known > 0 and bucket.pace * 0.9 + cost * 0.1 or cost
      bucket.known = math.min(bucket.known + 1, YOUNG)
      bucket.span = bucket.span > 0 and bucket.span * 0.9 + span * 0.1 or span
    end
    if n == 1 and hold > 0 then bucket.held = math.max(bucket.held, now + hold) end
    write(bucket)
  end
  return 0
end

local function leave()
  leave_lines(ARGV[2])
  for _, key in ipairs(KEYS) do redis.call('ZREM', key .. ':calls', ARGV[2]) end
  return 0
end

local function hold()
  for _, key in ipairs(KEYS) do
    local held = number(redis.call('HGET', key .. ':rates', 'held'))
    redis.call('HSET', key .. ':rates', 'held', text(math.max(held, now + number(ARGV[2]))))
    redis.call('PEXPIRE', key .. ':rates', KEEP_MS)
  end
  return 0
end

return ({take = take, settle = settle, leave = leave, hold = hold})[ARGV[1]]()
