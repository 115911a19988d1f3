#!lua
-- Put a dead letter back on its stream as it came.
--
-- KEYS  1 dead-letter stream   2 stream that the entry came from
-- ARGV  1 id of the dead letter
-- Returns the id of the new entry, empty when there is no such dead letter.
--
-- For events that name no job that could run again: a progress event, or one that nobody could read. Safe to repeat: a
-- repeat finds no dead letter. Without the flag allow-oom a full server refuses it whole.
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then
  return ''
end
local fields = {}
for i = 1, #letter[2], 2 do
  local name = string.match(letter[2][i], '^entry%.(.+)$')
  if name then
    fields[#fields + 1] = name
    fields[#fields + 1] = letter[2][i + 1]
  end
end
redis.call('XDEL', KEYS[1], ARGV[1])
if #fields == 0 then
  return ''
end
return redis.call('XADD', KEYS[2], '*', unpack(fields))
