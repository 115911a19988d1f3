#!lua flags=allow-oom
-- Remove jobs from the index of an owner: those whose record is over, and on request those that ended.
--
-- KEYS  1 set of owners   2 index of the owner, then the hash of each job
-- ARGV  1 owner   2 empty: only jobs whose record is over; else seconds that the tombstone of a removed job is kept,
--       which was not cancelled, then the job ids
-- Returns one number per job: -1 removed, its record was over; 0 kept, it is live; 1 kept, it ended; 2 removed, it ended.
--
-- An owner without any job is taken out of the set of owners. Safe to repeat: it looks at each job as it is.
local results = {}
for i = 3, #ARGV do
  local key = KEYS[i]
  local state = redis.call('HGET', key, 'state')
  local result
  if not state then
    result = -1
  elseif state == 'queued' or state == 'processing' then
    result = 0
  elseif ARGV[2] == '' then
    result = 1
  else
    redis.call('HDEL', key, 'event', 'code', 'trace', 'started', 'attempts', 'bulk', 'past')
    redis.call('HSET', key, 'state', 'deleted')
    -- Of one that was cancelled, and maybe deleted since, the upload entry may not have been read yet.
    if state ~= 'cancelled' and state ~= 'deleted' then
      redis.call('EXPIRE', key, ARGV[2])
    end
    result = 2
  end
  if result == -1 or result == 2 then
    redis.call('ZREM', KEYS[2], ARGV[i])
  end
  results[#results + 1] = result
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('SREM', KEYS[1], ARGV[1])
end
return results
