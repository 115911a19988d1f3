#!lua flags=allow-oom
-- Cancel a live job, or delete a terminal one, which leaves a tombstone.
--
-- KEYS  1 job hash   2 version counter   3 hooks stream   4 batch hash   5 jobs of the batch (the job hash where none)
-- ARGV  1 what is wanted: cancel or delete   2 job id   3 owner   4 batch   5 channel of changes
--       6 seconds a finished job is kept   7 seconds a live job is kept   8 webhook   9 traceparent
-- Returns the state that the job is in afterwards, empty when it is not there.
--
-- A cancelled job is kept as long as a live one, whatever becomes of it: its upload entry may lie unread for longer than
-- a finished job is kept, and starts it where no record says that it is over. The first webhook of a batch is the batch's.
--
-- Safe to repeat: cancel changes only a live job, delete only a terminal one, so a repeat of the one is never the other.
local state, owner, batch, run = unpack(redis.call('HMGET', KEYS[1], 'state', 'owner', 'batch', 'run'))
if not state or owner ~= ARGV[3] then
  return ''
end
local live = state == 'queued' or state == 'processing'
local wanted = ARGV[1] == 'cancel' and 'cancelled' or 'deleted'
if state == 'deleted' or live ~= (ARGV[1] == 'cancel') then
  return state
end

local function tell(kind, id, url)
  redis.call('XADD', KEYS[3], '*', 'type', kind, 'id', id, 'run', run or '1', 'owner', owner, 'url', url, 'traceparent', ARGV[9])
end

local version = redis.call('INCR', KEYS[2])
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'state', wanted, 'version', version)
if live then
  redis.call('HSET', KEYS[1], 'finished', string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000)))
  redis.call('EXPIRE', KEYS[1], ARGV[7])
  if ARGV[8] ~= '' then
    tell('job.cancelled', ARGV[2], ARGV[8])
  end
  if batch ~= '' and batch == ARGV[4] then
    local terminal = redis.call('HINCRBY', KEYS[4], 'terminal', 1)
    if ARGV[8] ~= '' then
      redis.call('HSETNX', KEYS[4], 'webhook', ARGV[8])
    end
    local facts = redis.call('HMGET', KEYS[4], 'total', 'expected', 'webhook')
    local complete = terminal >= tonumber(facts[1] or '0') and terminal >= tonumber(facts[2] or '0')
    if complete and facts[3] then
      tell('batch.completed', batch, facts[3])
    end
    if complete then
      redis.call('EXPIRE', KEYS[4], ARGV[6])
      redis.call('EXPIRE', KEYS[5], ARGV[6])
    end
  end
else
  redis.call('HDEL', KEYS[1], 'event', 'code', 'trace', 'started', 'attempts', 'bulk', 'past')
  if redis.call('TTL', KEYS[1]) < tonumber(ARGV[6]) then
    redis.call('EXPIRE', KEYS[1], ARGV[6])
  end
end
redis.call('PUBLISH', ARGV[5], '[{"v":' .. version .. ',"job":"' .. ARGV[2] .. '","batch":"' .. batch .. '","owner":"' ..
  owner .. '","state":"' .. wanted .. '"}]')
return wanted
