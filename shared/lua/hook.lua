#!lua flags=allow-oom
-- Settle one webhook, if this consumer still owns it: acknowledge its entry and, when it is to be tried again, put it
-- among the delayed.
--
-- KEYS  1 hooks stream   2 delayed webhooks: sorted set of webhooks as JSON by when they are due (ms)
-- ARGV  1 group   2 consumer   3 entry id   4 webhook as JSON (empty: it is over)   5 ms from now until it is due
--       6 seconds that the delayed are kept at least
-- Returns 1 settled, 0 lost.
--
-- Safe to repeat: an acknowledged entry is owned by nobody. One that was taken over is the taker's to settle, who tells
-- the receiver once more.
local group, consumer, id = ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 or redis.call('XACK', KEYS[1], group, id) == 0 then
  return 0
end
if ARGV[4] ~= '' then
  local time = redis.call('TIME')
  local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[5])
  redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[4])
  if redis.call('TTL', KEYS[2]) < tonumber(ARGV[6]) then
    redis.call('EXPIRE', KEYS[2], ARGV[6])
  end
end
return 1
