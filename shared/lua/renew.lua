#!lua flags=allow-oom
-- Renew the leases of entries in work: their idle time starts again at 0, their delivery count stays.
--
-- KEYS  1 stream, then the job hash of each entry (the stream itself where an entry has no job)
-- ARGV  1 group   2 consumer, then two per entry: entry id, run that is in work (0 where an entry has no job)
-- Returns one number per entry: 1 renewed; 0 lost (taken over or acknowledged); -1 its job was cancelled or deleted or runs
--         anew, and the entry is acknowledged: nobody needs to look at it again.
--
-- Safe to repeat: it only moves the lease on; the repeat of a cancelled entry says that it is lost.
local group, consumer = ARGV[1], ARGV[2]
local states = {}
for i = 2, #KEYS do
  local id, run, key = ARGV[2 * i - 1], tonumber(ARGV[2 * i]), KEYS[i]
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 then
    states[#states + 1] = 0
  else
    local state, latest
    if key ~= KEYS[1] then
      state, latest = unpack(redis.call('HMGET', key, 'state', 'run'))
      latest = tonumber(latest or 1)
    end
    if state == 'deleted' or (state == 'cancelled' and latest >= run) or (state and latest > run) then
      redis.call('XACK', KEYS[1], group, id)
      states[#states + 1] = -1
    else
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
      states[#states + 1] = 1
    end
  end
end
return states
