#!lua flags=allow-oom
-- Note the version of the data where there is none yet.
--
-- KEYS  1 version
-- ARGV  1 the version of this program
-- Returns the version that is there. Safe to repeat: it writes once.
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET') or ARGV[1]
