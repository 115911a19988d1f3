#!lua flags=allow-oom
-- Make an entry that cannot be read a dead letter, if this consumer still owns it.
--
-- KEYS  1 stream   2 dead-letter stream
-- ARGV  1 group   2 consumer   3 entry id   4 dead letter as JSON, then the fields of the entry as they came, name and
--       value in turn
-- Returns 1 rejected, 0 lost.
--
-- Safe to repeat: an acknowledged entry is owned by nobody. The fields are kept verbatim under `entry.<name>`.
local group, consumer, id = ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 or redis.call('XACK', KEYS[1], group, id) == 0 then
  return 0
end
local letter = {'data', ARGV[4]}
for i = 5, #ARGV, 2 do
  letter[#letter + 1] = 'entry.' .. ARGV[i]
  letter[#letter + 1] = ARGV[i + 1]
end
redis.call('XADD', KEYS[2], '*', unpack(letter))
return 1
