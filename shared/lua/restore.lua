#!lua
-- Put a dead letter back on its stream as it came.
--
-- KEYS  1 dead-letter stream   2 stream that the entry came from   3 the id of the new entry, remembered
-- ARGV  1 id of the dead letter   2 seconds that it is remembered   3 what becomes the only field `data`, empty to leave
--       the fields as they came
-- Returns the id of the new entry, empty when there is no such dead letter.
--
-- For events that name no job that could run again: a progress event, a webhook, or one that nobody could read. Safe to
-- repeat: a repeat answers what the first call did. Without the flag allow-oom a full server refuses it whole.
local earlier = redis.call('GET', KEYS[3])
if earlier then
  return earlier
end
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then
  return ''
end
local fields = ARGV[3] ~= '' and {'data', ARGV[3]} or {}
for i = 1, ARGV[3] == '' and #letter[2] or 0, 2 do
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
local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('SET', KEYS[3], id, 'EX', ARGV[2])
return id
