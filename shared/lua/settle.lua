#!lua flags=allow-oom
-- Settle a batch: acknowledge entries and publish what came of them, for those that this consumer still owns.
--
-- KEYS  1 stream   2 output stream
-- ARGV  1 group   2 consumer, then four per entry: entry id, event as JSON, traceparent, tracestate
-- Returns one number per entry: 1 settled, 0 lost.
--
-- Safe to repeat: an acknowledged entry is owned by nobody, so it publishes nothing a second time. A stalled consumer
-- whose entry was taken over publishes nothing either. Needs no memory from the server's limit: results must drain
-- when Redis is full.
local group, consumer = ARGV[1], ARGV[2]
local settled = {}
for i = 3, #ARGV, 4 do
  local id, owned = ARGV[i], 0
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 1 then
    owned = redis.call('XACK', KEYS[1], group, id)
  end
  if owned == 1 then
    if ARGV[i + 2] == '' then
      redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1])
    elseif ARGV[i + 3] == '' then
      redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1], 'traceparent', ARGV[i + 2])
    else
      redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1], 'traceparent', ARGV[i + 2], 'tracestate', ARGV[i + 3])
    end
  end
  settled[#settled + 1] = owned
end
return settled
