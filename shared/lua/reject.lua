#!lua flags=allow-oom
-- Make an entry that cannot be read a dead letter.
--
-- KEYS  1 stream   2 dead-letter stream
-- ARGV  1 group   2 entry id   3 dead letter as JSON, then the fields of the entry as they came, name and value in turn
-- Returns 1 rejected, 0 acknowledged before.
--
-- Safe to repeat: it writes only where its XACK returns 1. The fields are kept verbatim under `entry.<name>`.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
local letter = {'data', ARGV[3]}
for i = 4, #ARGV, 2 do
  letter[#letter + 1] = 'entry.' .. ARGV[i]
  letter[#letter + 1] = ARGV[i + 1]
end
redis.call('XADD', KEYS[2], '*', unpack(letter))
return 1
