"""A turn of meters as a Lua script: what `pricing.meters.Board` does, inside Redis.

The trap: Lua's numbers are doubles, so everything must stay below 2^53; `domain.limits.checked`
sees to it. A meter is one hash: `level`, `at`, cells as `c:<number>` and holders as `h:<name>`.
Tests hold the script against the board.
"""

from __future__ import annotations

from typing import Final

TURN: Final = """
local turn = cjson.decode(ARGV[1])
local now, SKEW = turn.now, turn.skew
local states, dirty = {}, {}
local function text(n) return string.format('%.0f', n) end
local function ceil(n) return math.ceil(n) end

local function load(i)
  local s = states[i]
  if s then return s end
  s = {level = 0, at = 0, cells = {}, held = {}}
  local all = redis.call('HGETALL', KEYS[i])
  for k = 1, #all, 2 do
    local name, value = all[k], tonumber(all[k + 1])
    local kind = string.sub(name, 1, 2)
    if name == 'level' then s.level = value
    elseif name == 'at' then s.at = value
    elseif kind == 'c:' then s.cells[tonumber(string.sub(name, 3))] = value
    elseif kind == 'h:' then s.held[string.sub(name, 3)] = value end
  end
  local m = turn.meters[i]
  if m.method == 'token_bucket' then
    if now > s.at then
      local passed = math.min(now - s.at, math.ceil(s.level / m.amount))
      s.level = math.max(0, s.level - m.amount * passed)
      s.at = now
    elseif s.at - now > SKEW then s.at = now end
  elseif m.method == 'fixed_window' then
    if m.start > s.at or s.at - now > SKEW then s.level, s.at = 0, m.start end
  elseif m.method == 'sliding_window' then
    local this = math.floor(now / m.cell)
    local ahead, kept, sum = this + math.floor(SKEW / m.cell) + 1, {}, 0
    for at, count in pairs(s.cells) do
      if at >= this - m.cells and at <= ahead then kept[at] = count; sum = sum + count end
    end
    s.cells, s.level = kept, sum
  end
  states[i] = s
  return s
end

local function sum(held)
  local n = 0
  for _, count in pairs(held) do n = n + count end
  return n
end
local function left(m, s)
  if m.method == 'token_bucket' then
    return math.floor((m.burst * m.window - s.level) / m.window)
  end
  if m.method == 'slots' then return m.amount - sum(s.held) end
  return m.amount - s.level
end
local function ordered(cells, down)
  local list = {}
  for at in pairs(cells) do list[#list + 1] = at end
  if down then table.sort(list, function(a, b) return a > b end) else table.sort(list) end
  return list
end
local function take(i, amount, holder)
  local m, s = turn.meters[i], load(i)
  dirty[i] = true
  if m.method == 'token_bucket' then s.level = math.max(0, s.level + amount * m.window)
  elseif m.method == 'slots' then
    s.held[holder] = math.max(0, (s.held[holder] or 0) + amount)
  elseif m.method == 'fixed_window' then s.level = math.max(0, s.level + amount)
  else
    if amount > 0 then
      local this = math.floor(now / m.cell)
      s.cells[this] = (s.cells[this] or 0) + amount
    elseif amount < 0 then
      for _, at in ipairs(ordered(s.cells, true)) do
        local back = math.min(-amount, s.cells[at])
        s.cells[at] = s.cells[at] - back
        amount = amount + back
        if s.cells[at] == 0 then s.cells[at] = nil end
        if amount == 0 then break end
      end
    end
    s.level = sum(s.cells)
  end
end
local function wait(m, s, amount)
  local lack = amount - left(m, s)
  if lack <= 0 then return 0 end
  if m.method == 'token_bucket' then
    return ceil((s.level + (amount - m.burst) * m.window) / m.amount)
  end
  if m.method == 'slots' then return turn.slot_wait end
  if m.method == 'fixed_window' then
    local over = m.over
    if s.at > m.start then over = s.at + (m.over - m.start) end
    return math.max(1, over - now)
  end
  for _, at in ipairs(ordered(s.cells, false)) do
    lack = lack - s.cells[at]
    if lack <= 0 then return math.max(1, (at + m.cells + 1) * m.cell - now) end
  end
  return m.window
end
local function reset(m, s)
  if m.method == 'token_bucket' then return ceil(s.level / m.amount) end
  if m.method == 'slots' then return 0 end
  if m.method == 'fixed_window' then
    local over = m.over
    if s.at > m.start then over = s.at + (m.over - m.start) end
    return math.max(0, over - now)
  end
  local newest = ordered(s.cells, true)[1]
  if not newest then return 0 end
  return math.max(0, (newest + m.cells + 1) * m.cell - now)
end

for _, n in ipairs(turn.notes) do take(n[1], n[2], n[3]) end
for _, h in ipairs(turn.holds) do
  local s = load(h[1])
  s.held[h[2]] = h[3] > 0 and h[3] or nil
  dirty[h[1]] = true
end
local answers = {}
for n, ask in ipairs(turn.asks) do
  local worst = nil
  for _, w in ipairs(ask.wants) do
    local m, s = turn.meters[w[1]], load(w[1])
    local found = left(m, s)
    if w[2] > found then
      local pause = wait(m, s, w[2])
      if not worst or pause > worst[3] then worst = {w[1], found, pause, reset(m, s)} end
    end
  end
  if worst then
    answers[n] = {short = {worst[1], text(worst[2]), text(worst[3]), text(worst[4])}}
  else
    local parts = {}
    for k, w in ipairs(ask.wants) do
      local m, s = turn.meters[w[1]], load(w[1])
      local share = math.floor(left(m, s) / (2 * turn.sharers))
      if m.method == 'slots' then share = math.floor(share / 2)
      else share = math.min(share, math.floor(m.soon / turn.sharers)) end
      local amount = math.max(w[2], math.min(w[3], share))
      take(w[1], amount, ask.holder)
      parts[k] = {text(amount), text(left(m, s)), text(reset(m, s))}
    end
    answers[n] = {parts = parts}
  end
end

for i in pairs(dirty) do
  local m, s = turn.meters[i], states[i]
  redis.call('DEL', KEYS[i])
  local row = {'level', text(s.level), 'at', text(s.at)}
  for at, count in pairs(s.cells) do
    row[#row + 1] = 'c:' .. text(at)
    row[#row + 1] = text(count)
  end
  for holder, count in pairs(s.held) do
    row[#row + 1] = 'h:' .. holder
    row[#row + 1] = text(count)
  end
  redis.call('HSET', KEYS[i], unpack(row))
  if m.method ~= 'slots' then redis.call('PEXPIRE', KEYS[i], text(reset(m, s) + SKEW)) end
end
return cjson.encode(answers)
"""
"""KEYS are the meters. ARGV: the turn as JSON, with meters by their number."""

DROP: Final = """
redis.call('HDEL', KEYS[1], 'h:' .. ARGV[1])
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 2) == 'h:' then return 0 end
end
redis.call('DEL', KEYS[1])
return 1
"""
"""Free a holder's slots of the meter in KEYS; 1 where nobody has any now."""
