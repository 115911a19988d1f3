#!lua flags=allow-oom
-- Hand every pending entry of a consumer to the consumer `released`, ready to be claimed at once, and delete it.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer to empty   3 the consumer `released`   4 lease in ms
--       5 1 to take back the start that each entry counts (a drain is not the entry's fault), 0 to keep it (the reaper)
--       6 most idle ms to leave alone: with a positive value nothing happens unless the consumer was idle that long
-- Returns how many entries were handed over, -1 when the consumer is alive after all.
--
-- It works from the pending list, not from what a process remembers. The consumer is deleted only once its list is
-- empty, for XGROUP DELCONSUMER drops what is pending. Safe to repeat: a second call finds nothing.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local least_idle = tonumber(ARGV[6])
if least_idle > 0 then
  local seen = false
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local facts = {}
    for i = 1, #info, 2 do
      facts[info[i]] = info[i + 1]
    end
    seen = seen or (facts['name'] == consumer and facts['idle'] >= least_idle)
  end
  if not seen then
    return -1
  end
end
local handed = 0
while true do
  local pending = redis.call('XPENDING', stream, group, '-', '+', 1000, consumer)
  if #pending == 0 then
    break
  end
  for _, entry in ipairs(pending) do
    local count = math.max(entry[4] - tonumber(ARGV[5]), 0)
    redis.call('XCLAIM', stream, group, ARGV[3], 0, entry[1], 'IDLE', ARGV[4], 'RETRYCOUNT', count, 'JUSTID')
    handed = handed + 1
  end
end
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return handed
