#!lua flags=allow-oom
-- Write one advisory value that a worker renews: its filters in the catalogue, or the proof that it is alive.
--
-- KEYS  1 the catalogue (a hash), or a heartbeat (a string)
-- ARGV  1 field of the hash, empty for a string   2 value   3 seconds that a string lives
-- Safe to repeat: it sets. Needs no memory from the server's limit, so that a full Redis still knows its workers.
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1
