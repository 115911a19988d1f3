#!lua flags=allow-oom
-- Renew the leases of entries in work: their idle time starts again at 0, their delivery count stays.
--
-- KEYS  1 stream, then the job hash of each entry (the stream itself where an entry has no job)
-- ARGV  1 group   2 consumer, then the entry ids
-- Returns one number per entry: 1 renewed; 0 lost (taken over or acknowledged); -1 its job was cancelled or deleted.
--
-- Safe to repeat: it only moves the lease on.
local group, consumer = ARGV[1], ARGV[2]
local states = {}
for i = 3, #ARGV do
  local id, key = ARGV[i], KEYS[i - 1]
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 then
    states[#states + 1] = 0
  else
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
    local state = key ~= KEYS[1] and redis.call('HGET', key, 'state')
    states[#states + 1] = (state == 'cancelled' or state == 'deleted') and -1 or 1
  end
end
return states
