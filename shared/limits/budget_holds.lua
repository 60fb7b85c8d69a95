-- What calls under way hold of budgets, by the rules of budget.h.
--
-- A budget is KEY:sum, a hash of what is held in all (tokens, cost) and of the most that anybody knows to be spent (spent_tokens, spent_cost) in a period;
-- KEY:held, what each run holds ("TOKENS COST"); and KEY:until, when that is given up, since whoever holds it may be gone. What is held goes on when a period ends:
-- a call counts on that in which it is stored.
--
-- What Redis remembers it remembers since EPOCH. For FORGOTTEN_MS from then nothing is granted, since those who hold something tell it again meanwhile (restore).
--
-- KEYS  the budgets
-- ARGV  take:    1 "take", 2 the run, 3 for how long (ms), then for each budget what may be spent (tokens, cost), what is spent, the least of a call, the most, and the period
--       settle:  1 "settle", 2 the run, 3 for how long, 4 and 5 what it holds from now on
--       release: 1 "release", 2 the run, then for each budget what is spent (tokens, cost) and the period
--       restore: 1 "restore", 2 the run, 3 for how long, then for each budget what it holds
--       epoch:   1 "epoch", which returns EPOCH
--
-- take returns {taken, answer, tokens, cost, …}: 1 or 0, and for each budget its answer (0 granted, 1 busy, 2 used up) with what it grants.
local KEEP_MS, GONE_MAX, FORGOTTEN_MS = 172800000, 100, 2500
local EPOCH = 'penstock:budget:epoch'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(value) return tonumber(value) or 0 end
local function text(value) return string.format('%.0f', value) end

local function epoch()
  local known = redis.call('GET', EPOCH)
  if not known then redis.call('SET', EPOCH, text(now)) end
  return number(known or now)
end

local function drop(key, run)
  local held = redis.call('HGET', key .. ':held', run)
  if not held then return end
  local tokens, cost = string.match(held, '(%d+) (%d+)')
  redis.call('HDEL', key .. ':held', run)
  redis.call('ZREM', key .. ':until', run)
  redis.call('HINCRBY', key .. ':sum', 'tokens', text(0 - number(tokens)))
  redis.call('HINCRBY', key .. ':sum', 'cost', text(0 - number(cost)))
end

local function hold(key, run, amount, ms)
  redis.call('HSET', key .. ':held', run, text(amount[1]) .. ' ' .. text(amount[2]))
  redis.call('ZADD', key .. ':until', now + ms, run)
  redis.call('HINCRBY', key .. ':sum', 'tokens', text(amount[1]))
  redis.call('HINCRBY', key .. ':sum', 'cost', text(amount[2]))
  for _, part in ipairs({':sum', ':held', ':until'}) do redis.call('PEXPIRE', key .. part, KEEP_MS) end
end

local function drop_gone(key)
  for _, run in ipairs(redis.call('ZRANGEBYSCORE', key .. ':until', '-inf', now, 'LIMIT', 0, GONE_MAX)) do drop(key, run) end
end

-- What is spent never gets less within a period.
local function learn(key, at, period)
  local known = redis.call('HMGET', key .. ':sum', 'spent_tokens', 'spent_cost', 'period')
  if known[3] ~= period then known = {} end
  local spent = {math.max(number(known[1]), number(ARGV[at])), math.max(number(known[2]), number(ARGV[at + 1]))}
  redis.call('HSET', key .. ':sum', 'spent_tokens', text(spent[1]), 'spent_cost', text(spent[2]), 'period', period)
  redis.call('PEXPIRE', key .. ':sum', KEEP_MS)
  return spent
end

local function ask(max, spent, held, least, most)
  local unspent = max - spent
  if max == 0 then return 0, most end
  if unspent <= 0 or unspent < least then return 2, 0 end
  if unspent - held >= most then return 0, most end
  return held > 0 and 1 or 0, unspent
end

local function take()
  local run, reply, amounts, worst = ARGV[2], {}, {}, 0
  local mildest = now - epoch() < FORGOTTEN_MS and 1 or 0
  for n, key in ipairs(KEYS) do
    local at = 4 + (n - 1) * 9
    drop_gone(key)
    drop(key, run)
    local spent, answer = learn(key, at + 2, ARGV[at + 8]), mildest
    local held = redis.call('HMGET', key .. ':sum', 'tokens', 'cost')
    amounts[n] = {}
    for i = 1, 2 do
      local one, amount = ask(number(ARGV[at + i - 1]), spent[i], number(held[i]), number(ARGV[at + 3 + i]), number(ARGV[at + 5 + i]))
      answer = math.max(answer, one)
      amounts[n][i] = amount
    end
    worst = math.max(worst, answer)
    reply[#reply + 1] = answer
    reply[#reply + 1] = text(amounts[n][1])
    reply[#reply + 1] = text(amounts[n][2])
  end
  for n, key in ipairs(KEYS) do
    if worst == 0 then hold(key, run, amounts[n], number(ARGV[3])) end
  end
  table.insert(reply, 1, worst == 0 and 1 or 0)
  return reply
end

local function settle()
  for _, key in ipairs(KEYS) do
    drop(key, ARGV[2])
    hold(key, ARGV[2], {number(ARGV[4]), number(ARGV[5])}, number(ARGV[3]))
  end
  return 0
end

local function release()
  for n, key in ipairs(KEYS) do
    local at = 3 + (n - 1) * 3
    if redis.call('HGET', key .. ':sum', 'period') == ARGV[at + 2] then learn(key, at, ARGV[at + 2]) end
    drop(key, ARGV[2])
  end
  return 0
end

local function restore()
  for n, key in ipairs(KEYS) do
    local at = 4 + (n - 1) * 2
    drop(key, ARGV[2])
    hold(key, ARGV[2], {number(ARGV[at]), number(ARGV[at + 1])}, number(ARGV[3]))
  end
  return 0
end

return ({take = take, settle = settle, release = release, restore = restore, epoch = epoch})[ARGV[1]]()
