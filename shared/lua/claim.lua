#!lua flags=allow-oom
-- Take over entries whose lease ran out, without counting an attempt.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer   3 lease in ms   4 cursor (an entry id)   5 how many at most
-- Returns {next cursor, {{entry id, deliveries so far, fields}, …}}; the cursor is 0-0 when the pending list was swept
--         to its end. Entries that were removed from the stream are dropped from the pending list by the server.
--
-- Safe to repeat: a repeat finds the entries of a lost reply owned by this consumer and fresh, and leaves them; they
-- are found again when their lease runs out.
local group, consumer = ARGV[1], ARGV[2]
local swept = redis.call('XAUTOCLAIM', KEYS[1], group, consumer, ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'JUSTID')
local claimed = {}
for _, id in ipairs(swept[2]) do
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer)[1]
  if entry and pending then
    claimed[#claimed + 1] = {id, pending[4], entry[2]}
  end
end
return {swept[1], claimed}
