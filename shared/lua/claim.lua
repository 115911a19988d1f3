#!lua flags=allow-oom
-- Take over entries whose lease ran out.
--
-- KEYS  1 stream   2 turn: held by the consumer that looked last   3 seeker: held by the one that makes room for a suspect
-- ARGV  1 group   2 consumer   3 lease in ms   4 cursor, an entry id or `-`   5 fresh entries to take at most
--       6 starts from which on an entry is spent   7 how long a turn lasts in ms, 0 to look without a turn
--       8 what to take: `look`, `fresh`, `suspect`, `spent`, or `peek`
-- Returns {next cursor, {{entry id, starts before, fields}, …}, suspects, fresh entries left, spent entries left}.
--
-- The delivery count in the pending list is the number of starts; an entry of which no work was ever started (it was
-- handed back) is fresh, one with starts is a suspect: its worker went silent, and maybe because of it.
-- `look` takes fresh entries, counting their start. It tells how many spent ones there are, and how many suspects, but
-- the latter only to the seeker: to this consumer if no other one has been the seeker for less than a lease.
-- `fresh` takes fresh entries as well, for a lane that would read now.
-- `spent` takes spent entries, to be made dead letters. No look takes them: it is asked so often that one is on its way
-- whenever the server stalls, and is answered then before anybody could renew what is in work.
-- `suspect` takes the first suspect and counts its start; another consumer may then seek the next one. `peek` takes
-- nothing and tells how many suspects there are to anybody: a consumer that has been making room for longer than a lease
-- goes on, while another one may try as well.
-- Claiming by hand instead of XAUTOCLAIM leaves a suspect where it is until somebody is ready for it alone.
--
-- Safe to repeat: a repeat finds the entries of a lost reply owned by this consumer and fresh, and leaves them; they
-- are found again when their lease runs out. Entries that left the stream are dropped from the pending list.
local PAGE, PAGES = 100, 50
local stream, turn, seeker = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, lease, cursor = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local room, spent = tonumber(ARGV[5]), tonumber(ARGV[6])
local what = ARGV[8]
local looking = what == 'look'
if ARGV[7] ~= '0' and not redis.call('SET', turn, consumer, 'NX', 'PX', ARGV[7]) then
  return {cursor, {}, 0, 0, 0}
end

local claimed = {}
local function take(id, starts, counted)
  redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', counted, 'JUSTID')
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if entry then
    claimed[#claimed + 1] = {id, starts, entry[2]}
    return true
  end
  redis.call('XACK', stream, group, id)
end

local suspects, left, over = 0, 0, 0
for _ = 1, PAGES do
  local page = redis.call('XPENDING', stream, group, 'IDLE', lease, cursor, '+', PAGE)
  for _, pending in ipairs(page) do
    local id, starts = pending[1], pending[4]
    if starts > 0 and starts < spent then
      suspects = suspects + 1
      if what == 'suspect' and take(id, starts, starts + 1) then
        redis.call('DEL', seeker)
        return {'-', claimed, suspects, left, over}
      end
    elseif starts >= spent then
      if what ~= 'spent' or not take(id, starts, starts) then
        over = over + 1
      end
    elseif (looking or what == 'fresh') and room > 0 then
      if take(id, starts, 1) then
        room = room - 1
      end
    else
      left = left + 1
    end
  end
  if #page < PAGE then
    cursor = '-'
    break
  end
  cursor = '(' .. page[PAGE][1]
  if suspects > 0 or #claimed > 0 then
    break
  end
end
if #claimed > 0 then
  redis.call('DEL', turn)
end
if looking and suspects > 0 and redis.call('GET', seeker) ~= consumer
  and not redis.call('SET', seeker, consumer, 'NX', 'PX', lease) then
  suspects = 0
end
return {cursor, claimed, suspects, left, over}
