#!lua flags=allow-oom
-- Remove the entries that every group has acknowledged.
--
-- KEYS  1 stream
-- ARGV  1 how many entries a foreign group may hold back   2 for how many ms   then the names of our own groups
-- Returns {entries removed, foreign groups that were overrun}.
--
-- Kept is everything from the oldest entry on that a group still needs: its oldest pending one, or the one after the
-- last it was given. Our own groups always hold; a foreign group that fell too far behind is overrun and reported.
-- A stream on which one of our groups is missing is left alone. Safe to repeat: it removes what nobody needs.
local stream = KEYS[1]
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function before(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_seq < b_seq)
end
if redis.call('EXISTS', stream) == 0 then
  return {0, 0}
end
local ours, foreign = {}, {}
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = {}
  for i = 1, #info, 2 do
    group[info[i]] = info[i + 1]
  end
  local ms, seq = string.match(group['last-delivered-id'], '^(%d+)-(%d+)$')
  local needed = ms .. '-' .. string.format('%d', tonumber(seq) + 1)
  local pending = redis.call('XPENDING', stream, group['name'])
  if pending[1] > 0 and before(pending[2], needed) then
    needed = pending[2]
  end
  group.needed = needed
  group.behind = pending[1] + (group['lag'] or redis.call('XLEN', stream))
  foreign[group['name']] = group
end
for i = 3, #ARGV do
  if not foreign[ARGV[i]] then
    return {0, 0}
  end
  ours[#ours + 1], foreign[ARGV[i]] = foreign[ARGV[i]], nil
end
local keep, overrun = nil, 0
for _, group in ipairs(ours) do
  if keep == nil or before(group.needed, keep) then
    keep = group.needed
  end
end
local time = redis.call('TIME')
local oldest = time[1] * 1000 - tonumber(ARGV[2])
for _, group in pairs(foreign) do
  local first = redis.call('XRANGE', stream, group.needed, '+', 'COUNT', 1)[1]
  if first and before(first[1], keep) then
    if group.behind > tonumber(ARGV[1]) or parts(first[1]) < oldest then
      overrun = overrun + 1
    else
      keep = first[1]
    end
  end
end
return {redis.call('XTRIM', stream, 'MINID', keep), overrun}
