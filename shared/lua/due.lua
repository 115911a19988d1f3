#!lua flags=allow-oom
-- Put delayed webhooks that are due back on their stream.
--
-- KEYS  1 hooks stream   2 delayed webhooks: sorted set of webhooks as JSON by when they are due (ms)
-- ARGV  1 how many at most
-- Returns how many were put back.
--
-- Safe to repeat, and safe to call from every replica: each is removed in the script that publishes it.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, webhook in ipairs(due) do
  redis.call('XADD', KEYS[1], '*', 'data', webhook)
  redis.call('ZREM', KEYS[2], webhook)
end
return #due
