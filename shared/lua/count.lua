#!lua flags=allow-oom
-- Count a start of work on entries that were taken over.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer, then two per entry: entry id, starts with this one
-- Returns one number per entry: 1 counted, 0 lost.
--
-- The delivery count in the group's pending list is the count of starts: a read counts the first, taking over (claim)
-- counts none, so what waits behind a poisonous entry is not blamed for it. The count is set, not raised: a repeat
-- after a lost reply counts once.
local group, consumer = ARGV[1], ARGV[2]
local counted = {}
for i = 3, #ARGV, 2 do
  local id, owned = ARGV[i], 0
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 1 then
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'RETRYCOUNT', ARGV[i + 1], 'JUSTID')
    owned = 1
  end
  counted[#counted + 1] = owned
end
return counted
