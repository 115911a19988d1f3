#!lua flags=allow-oom
-- Renew the leases of entries in work: their idle time starts again at 0, their delivery count stays.
--
-- KEYS  1 stream, then the job hash of each entry (the stream itself where an entry has no job)
-- ARGV  1 group   2 consumer, then the entry ids
-- Returns one number per entry: 1 renewed; 0 lost (taken over or acknowledged); -1 its job was cancelled or deleted, and
--         the entry is acknowledged: nobody needs to look at it again.
--
-- Safe to repeat: it only moves the lease on; the repeat of a cancelled entry says that it is lost.
local group, consumer = ARGV[1], ARGV[2]
local states = {}
for i = 3, #ARGV do
  local id, key = ARGV[i], KEYS[i - 1]
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 then
    states[#states + 1] = 0
  else
    local state = key ~= KEYS[1] and redis.call('HGET', key, 'state')
    if state == 'cancelled' or state == 'deleted' then
      redis.call('XACK', KEYS[1], group, id)
      states[#states + 1] = -1
    else
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
      states[#states + 1] = 1
    end
  end
end
return states
