#!lua flags=allow-oom
-- Settle one webhook: acknowledge its entry and, when it is to be tried again, put it among the delayed.
--
-- KEYS  1 hooks stream   2 delayed webhooks: sorted set of webhooks as JSON by when they are due (ms)
-- ARGV  1 group   2 entry id   3 webhook as JSON (empty: it is over)   4 ms from now until it is due
--       5 seconds that the delayed are kept at least
-- Returns 1 settled, 0 acknowledged before.
--
-- Safe to repeat: it writes only where its XACK returns 1.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
if ARGV[3] ~= '' then
  local time = redis.call('TIME')
  local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])
  redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[3])
  if redis.call('TTL', KEYS[2]) < tonumber(ARGV[5]) then
    redis.call('EXPIRE', KEYS[2], ARGV[5])
  end
end
return 1
