#!lua flags=allow-oom
-- Take a lock that whoever took it gives back by deleting it.
--
-- KEYS  1 lock
-- ARGV  1 token of the taker   2 ms after which the lock is free again
-- Returns 1 taken, 0 somebody else has it.
--
-- What needs the lock makes room, so a full server must not refuse it. Safe to repeat: a taker finds its own token.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[1]) == ARGV[1] then
  return 1
end
return 0
