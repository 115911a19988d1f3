#!lua flags=allow-oom
-- Make a group at the beginning of its stream, and the stream if needed.
--
-- KEYS  1 stream
-- ARGV  1 group
-- Returns 1 made, 0 was there.
--
-- Safe to repeat: what is there is left alone. Needs no memory from the server's limit, unlike the bare command: a
-- service that starts while Redis is full must be able to read, for only that makes room again.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if type(made) == 'table' and made.err then
  if string.find(made.err, 'BUSYGROUP', 1, true) then
    return 0
  end
  return redis.error_reply(made.err)
end
return 1
