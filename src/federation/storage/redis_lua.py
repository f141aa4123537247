"""The turn at the till as a Lua script: what `pricing.pots.Till` does, inside Redis.

The trap: Lua's numbers are doubles, exact to nine million dollars only. Amounts are therefore
pairs of a high and a low part (below a thousand million), and travel as decimal strings. A pot
is one hash, so that it is there as a whole or not at all; tests hold this to the `Till`.

A lease is a field `w:<writer>` with `granted spent returned overrun closed`.
"""

from __future__ import annotations

from typing import Final

_NUMBERS: Final = """
local B = 1000000000
local function num(s)
  local minus = string.sub(s, 1, 1) == '-'
  if minus then s = string.sub(s, 2) end
  local hi, lo = 0, tonumber(string.sub(s, -9))
  if #s > 9 then hi = tonumber(string.sub(s, 1, -10)) end
  if minus then
    hi = -hi
    if lo > 0 then hi, lo = hi - 1, B - lo end
  end
  return {hi, lo}
end
local function str(a)
  local hi, lo, sign = a[1], a[2], ''
  if hi < 0 then
    sign, hi = '-', -hi
    if lo > 0 then hi, lo = hi - 1, B - lo end
  end
  if hi == 0 then return sign .. string.format('%.0f', lo) end
  return sign .. string.format('%.0f%09.0f', hi, lo)
end
local function add(a, b)
  local hi, lo = a[1] + b[1], a[2] + b[2]
  if lo >= B then hi, lo = hi + 1, lo - B end
  return {hi, lo}
end
local function sub(a, b)
  local hi, lo = a[1] - b[1], a[2] - b[2]
  if lo < 0 then hi, lo = hi - 1, lo + B end
  return {hi, lo}
end
local function less(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end
local function max(a, b) if less(a, b) then return b end return a end
local function min(a, b) if less(b, a) then return b end return a end
local ZERO = {0, 0}
local function part(a, n)
  if less(a, ZERO) then return ZERO end
  local hi = math.floor(a[1] / n)
  local lo = math.floor(((a[1] - hi * n) * B + a[2]) / n)
  return {hi, lo}
end
"""

TURN: Final = (
    _NUMBERS
    + """
local turn = cjson.decode(ARGV[1])
local missing = {}
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 0 then missing[#missing + 1] = i end
end
if #missing > 0 then return cjson.encode({missing = missing}) end

local pots, changed = {}, {}
for i, key in ipairs(KEYS) do
  local row = redis.call('HMGET', key, 'cap', 'hard', 'spent', 'reserved', 'overrun', 'generation')
  pots[i] = {cap = num(row[1]), hard = row[2] == '1', spent = num(row[3]),
    reserved = num(row[4]), overrun = num(row[5]), generation = row[6], leases = {}}
end
local function lease(i, writer)
  local found = pots[i].leases[writer]
  if found == nil then
    local text = redis.call('HGET', KEYS[i], 'w:' .. writer)
    found = {g = ZERO, s = ZERO, r = ZERO, o = ZERO, closed = false, new = true}
    if text then
      local n = {}
      for each in string.gmatch(text, '%S+') do n[#n + 1] = each end
      found = {g = num(n[1]), s = num(n[2]), r = num(n[3]), o = num(n[4]), closed = n[5] == '1'}
    end
    pots[i].leases[writer] = found
  end
  return found
end
local function reserved(l)
  if l.closed then return ZERO end
  return sub(add(l.g, l.o), add(l.r, l.s))
end
local function put(i, writer, g, s, r, o, closed)
  local pot, old = pots[i], lease(i, writer)
  local now = {g = g, s = s, r = r, o = o, closed = closed}
  pot.spent = add(pot.spent, sub(s, old.s))
  pot.reserved = add(pot.reserved, sub(reserved(now), reserved(old)))
  pot.overrun = add(pot.overrun, sub(o, old.o))
  pot.leases[writer], pot.dirty = now, true
  changed[i .. ' ' .. writer] = {i, writer}
  return now
end

for _, n in ipairs(turn.notes) do
  local i, writer = n[1], n[2]
  local l = lease(i, writer)
  local g, s, r, o = l.g, max(l.s, num(n[3])), l.r, max(l.o, num(n[5]))
  if l.new then g = sub(add(num(n[3]), num(n[4])), num(n[5])) end
  if l.closed then
    o = max(o, add(l.o, sub(s, l.s)))
  else
    r = max(r, num(n[4]))
    o = max(o, sub(add(s, r), g))
  end
  put(i, writer, g, s, r, o, l.closed)
end
local gone = {}
for _, each in ipairs(turn.closes) do
  local i, writer = each[1], each[2]
  local l = lease(i, writer)
  gone[writer] = true
  if not l.new and not l.closed then put(i, writer, l.g, l.s, l.r, l.o, true) end
end
for _, c in ipairs(turn.caps) do
  local pot, cap, hard = pots[c[1]], num(c[2]), c[3]
  if less(cap, pot.cap) or less(pot.cap, cap) or hard ~= pot.hard then
    pot.cap, pot.hard, pot.dirty = cap, hard, true
  end
end

local blocked, answers = {}, {}
local function left(pot) return sub(sub(pot.cap, pot.spent), pot.reserved) end
local function short(ask)
  local found = nil
  for _, w in ipairs(ask.wants) do
    local pot, least = pots[w[1]], num(w[2])
    if pot.hard and less(ZERO, least) then
      if less(sub(pot.cap, pot.spent), least) then return {w[1], str(left(pot)), true} end
      if not found and (less(left(pot), least) or blocked[w[1]]) then
        found = {w[1], str(left(pot)), false}
      end
    end
  end
  return found
end
local function grant(ask, w)
  local i, least, wish = w[1], num(w[2]), num(w[3])
  local pot, amount, tight = pots[i], max(least, wish), false
  if pot.hard then
    local rest = left(pot)
    if blocked[i] then rest = ZERO end
    local share = part(rest, 2 * turn.sharers)
    local need = least
    if ask.ahead then need = ZERO end
    local twice = add(least, least)
    if less(share, add(twice, twice)) then
      amount, tight = need, true
    else
      amount = max(need, min(wish, share))
    end
  end
  local l = lease(i, ask.writer)
  put(i, ask.writer, add(l.g, amount), l.s, l.r, l.o, l.closed)
  return tight
end
for n, ask in ipairs(turn.asks) do
  local dead = gone[ask.writer] or false
  for _, w in ipairs(ask.wants) do dead = dead or lease(w[1], ask.writer).closed end
  local lack = nil
  if not dead and not ask.ahead then lack = short(ask) end
  if dead then
    answers[n] = {gone = true}
  elseif lack then
    if ask.waits and not lack[4] then
      for _, w in ipairs(ask.wants) do blocked[w[1]] = true end
    end
    answers[n] = {short = lack}
  else
    local tight = false
    for _, w in ipairs(ask.wants) do tight = grant(ask, w) or tight end
    local leases = {}
    for k, w in ipairs(ask.wants) do
      local l = lease(w[1], ask.writer)
      leases[k] = {str(l.g), str(l.s), str(l.r), str(l.o)}
    end
    answers[n] = {leases = leases, tight = tight}
  end
end

local standings, leases = {}, {}
for i, pot in ipairs(pots) do
  if pot.dirty then
    redis.call('HSET', KEYS[i], 'cap', str(pot.cap), 'hard', pot.hard and '1' or '0',
      'spent', str(pot.spent), 'reserved', str(pot.reserved), 'overrun', str(pot.overrun))
  end
  redis.call('EXPIRE', KEYS[i], ARGV[2])
  standings[i] = {str(pot.cap), pot.hard, str(pot.spent), str(pot.reserved), str(pot.overrun),
    pot.generation}
end
for _, each in pairs(changed) do
  local i, writer = each[1], each[2]
  local l = pots[i].leases[writer]
  local row = {str(l.g), str(l.s), str(l.r), str(l.o), l.closed and '1' or '0'}
  redis.call('HSET', KEYS[i], 'w:' .. writer, table.concat(row, ' '))
  leases[#leases + 1] = {i, writer, row[1], row[2], row[3], row[4], l.closed}
end
return cjson.encode({answers = answers, standings = standings, leases = leases})
"""
)
"""KEYS are the pots. ARGV: the turn as JSON with pots by their number, and seconds to live."""

LOAD: Final = """
local known = redis.call('HGET', KEYS[1], 'generation')
if known and tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', ARGV[1], unpack(ARGV, 3, math.min(#ARGV, 1000)))
for i = 1001, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(#ARGV, i + 999)))
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
"""Put a pot there as the relational store has it, unless a later reading is there already."""

UNDO: Final = (
    _NUMBERS
    + """
for n, each in ipairs(cjson.decode(ARGV[1])) do
  local key, field = KEYS[n], 'w:' .. each[2]
  local known = redis.call('HMGET', key, 'generation', field, 'reserved')
  if known[1] == each[1] and known[2] then
    local l = {}
    for word in string.gmatch(known[2], '%S+') do l[#l + 1] = word end
    if l[5] == '0' then
      local less = sub(num(l[1]), num(each[3]))
      l[1] = each[3]
      redis.call('HSET', key, 'reserved', str(sub(num(known[3]), less)), field,
        table.concat(l, ' '))
    end
  end
end
"""
)
"""Set what a writer was granted of each pot in KEYS back to what is durable. ARGV: a list of
generation, writer and amount, for each key; one that was read again since is left alone."""
