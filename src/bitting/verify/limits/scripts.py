"""What the Redis or Valkey server does itself, in Lua: core/gcra over several windows at once, all or nothing.

Lua has no integers here, only doubles, which are exact up to 2^53. Ticks of 1/limit microsecond don't fit, so a state
is a pair: whole microseconds, and a rest of less than `limit` ticks. It is kept as text with the limit it counts for,
and for no longer than it says something. A cost comes as such a pair, worked out by the client, in integers.

The clock is the server's, so that those of its clients don't matter.
"""

from __future__ import annotations

import hashlib

from bitting.core.gcra import Rate

_WINDOWS = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function standing(key, limit, window)
  local whole, rest, kept = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
  whole, rest = tonumber(whole or 0), tonumber(rest or 0)
  if rest > 0 and tonumber(kept) ~= limit then whole, rest = whole + 1, 0 end
  if whole < now then return now, 0, false end
  if whole - now > window or (whole - now == window and rest > 0) then return now + window, 0, true end
  return whole, rest, false
end

local function plus(whole, rest, cost, ticks, limit)
  whole, rest = whole + cost, rest + ticks
  if rest >= limit then whole, rest = whole + 1, rest - limit end
  return whole, rest
end

local function fits(whole, rest, window)
  return whole - now < window or (whole - now == window and rest == 0)
end

local function keep(key, whole, rest, limit)
  local text = string.format('%.0f %.0f %.0f', whole, rest, limit)
  redis.call('SET', key, text, 'PX', string.format('%.0f', math.max(1, math.ceil((whole + 1 - now) / 1000))))
end
"""

_CHARGE = """
local answer, charged, clamped = {1, now}, {}, {}
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4 + 1
  local limit, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local whole, rest, mended = standing(key, limit, window)
  clamped[i] = mended
  answer[i * 2 + 1], answer[i * 2 + 2] = whole, rest
  whole, rest = plus(whole, rest, tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), limit)
  charged[i] = {whole, rest, limit}
  if not fits(whole, rest, window) then answer[1] = 0 end
end
local charging = answer[1] == 1 and ARGV[1] == '1'
for i, key in ipairs(KEYS) do
  if charging then answer[i * 2 + 1], answer[i * 2 + 2] = charged[i][1], charged[i][2] end
  local whole, rest = answer[i * 2 + 1], answer[i * 2 + 2]
  if (charging or clamped[i]) and (whole > now or rest > 0) then keep(key, whole, rest, charged[i][3]) end
end
return answer
"""

_LEASE = """
local answer, at = {now}, 0
for i, key in ipairs(KEYS) do
  local limit, window, sizes = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local whole, rest, mended = standing(key, limit, window)
  local given = 0
  for size = at + 4, at + 1 + sizes * 3, 3 do
    local after, ticks = plus(whole, rest, tonumber(ARGV[size + 1]), tonumber(ARGV[size + 2]), limit)
    if fits(after, ticks, window) then
      given, whole, rest = tonumber(ARGV[size]), after, ticks
      break
    end
  end
  if given > 0 or mended then keep(key, whole, rest, limit) end
  answer[i * 3 - 1], answer[i * 3], answer[i * 3 + 1] = given, whole, rest
  at = at + 3 + sizes * 3
end
return answer
"""


class Script:
    """A script and the name that the server knows it by once it was sent."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


CHARGE = Script(_WINDOWS + _CHARGE)
"""KEYS: the windows. ARGV: '1' to charge or '0' to look; for each window its limit, its length, the cost as a pair.
Returns 1 or 0 for passes or not, the server's now, and of each window its state as a pair."""

LEASE = Script(_WINDOWS + _LEASE)
"""KEYS: the windows. ARGV, for each window: its limit, its length, how many sizes, and for each size the calls and
their cost as a pair, the largest first. Returns the server's now, and of each window the calls given and its state."""


def pair(rate: Rate, calls: int) -> tuple[int, int]:
    """What so many calls cost: whole microseconds, and ticks."""
    return divmod(calls * rate.step, rate.limit)


def key_of(workspace: str, subject: str, name: str) -> str:
    """Where a window's state is kept: all of a workspace on one node of a cluster."""
    return f"bitting:limit:{{{workspace}}}:{subject}:{name}"
