#!lua flags=allow-oom
-- Note why the attempt on a job failed that is to be redelivered, for its dead letter if it comes to that.
--
-- KEYS  1 job hash
-- ARGV  1 the fault as JSON; it names its run, for the note outlives that
-- Returns 1 noted, 0 there is no record of the job.
--
-- Safe to repeat: it writes the same again.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'fault', ARGV[1])
return 1
