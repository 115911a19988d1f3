#!lua flags=allow-oom
-- Make one entry a dead letter, and publish that its job failed, if this consumer still owns it.
--
-- KEYS  1 stream   2 dead-letter stream   3 output stream (unused when no event is given)
-- ARGV  1 group   2 consumer   3 entry id   4 dead letter as JSON   5 event as JSON or empty   6 traceparent
--       7 tracestate, then the fields of the entry as they came, name and value in turn
-- Returns 1 buried, 0 lost.
--
-- Safe to repeat for the same reason as settle. The original fields are kept verbatim under `entry.<name>`.
local group, consumer, id = ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 0 or redis.call('XACK', KEYS[1], group, id) == 0 then
  return 0
end
local letter = {'data', ARGV[4]}
for i = 8, #ARGV, 2 do
  letter[#letter + 1] = 'entry.' .. ARGV[i]
  letter[#letter + 1] = ARGV[i + 1]
end
redis.call('XADD', KEYS[2], '*', unpack(letter))
if ARGV[5] ~= '' then
  local fields = {'data', ARGV[5]}
  if ARGV[6] ~= '' then
    fields[3], fields[4] = 'traceparent', ARGV[6]
    if ARGV[7] ~= '' then
      fields[5], fields[6] = 'tracestate', ARGV[7]
    end
  end
  redis.call('XADD', KEYS[3], '*', unpack(fields))
end
return 1
