#!lua flags=allow-oom
-- Hand entries back that this consumer has not started, ready to be taken at once by whoever can start them.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer   3 the consumer `released`   4 lease in ms, then the entry ids
-- Returns how many were handed back.
--
-- Their count of starts is set to the one before they were read: none. Safe to repeat: what this consumer does not own
-- any more is left alone.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local handed = 0
for i = 5, #ARGV do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', stream, group, id, id, 1, consumer)[1]
  if pending then
    local starts = math.max(pending[4] - 1, 0)
    redis.call('XCLAIM', stream, group, ARGV[3], 0, id, 'IDLE', ARGV[4], 'RETRYCOUNT', starts, 'JUSTID')
    handed = handed + 1
  end
end
return handed
