#!lua flags=allow-oom
-- Settle a batch: acknowledge entries and publish what came of them, for those that this consumer still owns.
--
-- KEYS  1 stream   2 output stream
-- ARGV  1 group   2 consumer, then four per entry: entry id, event as JSON, traceparent, tracestate
-- Returns one number per entry: 1 settled, 0 lost.
--
-- Safe to repeat: an acknowledged entry is owned by nobody, so it publishes nothing a second time. A stalled consumer
-- whose entry was taken over publishes nothing either. Needs no memory from the server's limit: results must drain
-- when Redis is full.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
if #ARGV == 2 then
  return {}
end
local owned = {}
local wanted = (#ARGV - 2) / 4
-- One look at the pending list for the whole batch, which is read and settled in the order of its entries. What lies
-- between them and is in work elsewhere may fill the answer, so an entry that is not in it is looked up by itself.
for _, entry in ipairs(redis.call('XPENDING', stream, group, ARGV[3], ARGV[#ARGV - 3], 2 * wanted, consumer)) do
  owned[entry[1]] = true
end
local mine, settled = {}, {}
for i = 3, #ARGV, 4 do
  local id = ARGV[i]
  if owned[id] or (owned[id] == nil and #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 1) then
    mine[#mine + 1] = id
    owned[id] = false
    settled[#settled + 1] = 1
    if ARGV[i + 2] == '' then
      redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1])
    elseif ARGV[i + 3] == '' then
      redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1], 'traceparent', ARGV[i + 2])
    else
      redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1], 'traceparent', ARGV[i + 2], 'tracestate', ARGV[i + 3])
    end
  else
    settled[#settled + 1] = 0
  end
end
if #mine > 0 then
  redis.call('XACK', stream, group, unpack(mine))
end
return settled
