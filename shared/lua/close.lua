#!lua flags=allow-oom
-- Close a batch: no more jobs are waited for than there are. What was announced and refused, or never sent, would keep
-- it open for ever.
--
-- KEYS  1 batch hash   2 jobs of the batch   3 version counter   4 hooks stream
-- ARGV  1 batch id   2 owner   3 channel of changes   4 seconds a finished batch is kept   5 traceparent
-- Returns 1 the batch is closed, 0 there is none of this owner.
--
-- Jobs may still join, as they may join a batch of which nobody said how many it has; `expected` is never raised again.
-- Where all jobs have ended already, this makes the batch complete and tells its webhook, which every job that ended
-- left in the hash. Safe to repeat: a batch that is closed is left as it is.
local owner, total, terminal, expected, closed, webhook =
  unpack(redis.call('HMGET', KEYS[1], 'owner', 'total', 'terminal', 'expected', 'closed', 'webhook'))
if owner ~= ARGV[2] then
  return 0
end
if closed then
  return 1
end
total, terminal, expected = tonumber(total or '0'), tonumber(terminal or '0'), tonumber(expected or '0')
redis.call('HSET', KEYS[1], 'closed', '1', 'expected', total)
if terminal >= total and terminal < expected then
  if webhook then
    redis.call('XADD', KEYS[4], '*', 'type', 'batch.completed', 'id', ARGV[1], 'run', '1', 'owner', owner, 'url', webhook,
      'traceparent', ARGV[5])
  end
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
-- Nothing that a job shows has changed, so the version stays; whoever follows the batch looks at it again.
redis.call('PUBLISH', ARGV[3], '[{"v":' .. (redis.call('GET', KEYS[3]) or '0') .. ',"job":"","batch":"' .. ARGV[1] ..
  '","owner":"' .. owner .. '","state":"closed"}]')
return 1
