#!lua flags=allow-oom
-- Work on one entry starts: say so, unless the entry was lost or its job is over.
--
-- KEYS  1 upload stream   2 progress stream   3 job hash
-- ARGV  1 group   2 consumer   3 entry id   4 run of the event
--       5 `started` event as JSON, empty to publish none   6 traceparent   7 tracestate   8 number of this attempt
-- Returns two numbers: 1 started, 0 lost (another consumer owns the entry, or nobody does any more) or
--         -1 over (the job was cancelled or deleted, or runs anew: the entry is acknowledged, nothing is published);
--         and when the attempt before this one began in ms, 0 where that is not known.
--
-- A repeat after a lost reply may publish `started` twice, which the projection ignores.
local group, consumer, id = ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 then
  return {0, 0}
end
local state, run, started, tried = unpack(redis.call('HMGET', KEYS[3], 'state', 'run', 'started', 'tried'))
if state == 'cancelled' or state == 'deleted' or (run and tonumber(run) > tonumber(ARGV[4])) then
  redis.call('XACK', KEYS[1], group, id)
  return {-1, 0}
end
if ARGV[5] ~= '' then
  local fields = {'data', ARGV[5]}
  if ARGV[6] ~= '' then
    fields[3], fields[4] = 'traceparent', ARGV[6]
    if ARGV[7] ~= '' then
      fields[5], fields[6] = 'tracestate', ARGV[7]
    end
  end
  redis.call('XADD', KEYS[2], '*', unpack(fields))
end
local before = 0
if tonumber(ARGV[8]) > 1 then
  -- `tried` may be of an earlier run, which began before this one.
  before = math.max(tonumber(tried or 0), tonumber(started or 0))
  if state then
    local clock = redis.call('TIME')
    local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
    redis.call('HSET', KEYS[3], 'tried', now, 'tried_by', consumer)
  end
end
return {1, before}
