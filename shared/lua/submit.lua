#!lua
-- Record the jobs of one or more requests and publish their events: all of a request or nothing of it.
--
-- Data model: job hashes, batch hash and its sorted set of jobs, the owner's index, the set of owners, the counter of
-- versions, the two upload streams, an idempotency answer (see shared/keys.py). Jobs and batches live ARGV[2] seconds
-- until their end is known; index, owners, version and streams stay, the janitor keeps the first two small.
--
-- KEYS  1 uploaded stream, 2 bulk stream, 3 version, 4 owners; then for each request: idempotency answer (the batch
--       again when the request has none), batch, batch.jobs, index, and the key of each of its jobs.
-- ARGV  1 channel of changes, 2 seconds a job lives, 3 seconds an answer is remembered, 4 number of requests; then for
--       each: owner, batch id, expected or '', '1' if bulk else '', answer to remember or '' without idempotency key,
--       number of jobs; for each job: id, event, traceparent, tracestate, trace id (the last three may be '').
-- Reply for each request: ms since the epoch when it was recorded; the remembered answer of an earlier one with the
--       same idempotency key; or -1 when the batch belongs to another owner.
--
-- Safe to repeat: a remembered answer stops a repeated request, and a job that exists is neither recorded nor
-- published again. Without the flag allow-oom a Redis that is full refuses the whole script before it writes.

local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local live, remember = ARGV[2], ARGV[3]
local key, arg = 5, 5
local changes, replies, owners = {}, {}, {}
local first_version = tonumber(redis.call('GET', KEYS[3]) or '0')
local version = first_version

local function publish(stream, event, traceparent, tracestate)
  if traceparent == '' then
    redis.call('XADD', stream, '*', 'data', event)
  elseif tracestate == '' then
    redis.call('XADD', stream, '*', 'data', event, 'traceparent', traceparent)
  else
    redis.call('XADD', stream, '*', 'data', event, 'traceparent', traceparent, 'tracestate', tracestate)
  end
end

local function record(job_key, at, request)
  if redis.call('EXISTS', job_key) == 1 then return false end
  local id, event = ARGV[at], ARGV[at + 1]
  version = version + 1
  -- What most jobs do not have is not there, and an absent run is the first.
  local fields = {'state', 'queued', 'version', version, 'owner', request.owner, 'batch', request.batch, 'created', now,
    'event', event}
  if ARGV[at + 4] ~= '' then fields[#fields + 1], fields[#fields + 2] = 'trace', ARGV[at + 4] end
  if request.bulk then fields[#fields + 1], fields[#fields + 2] = 'bulk', '1' end
  redis.call('HSET', job_key, unpack(fields))
  redis.call('EXPIRE', job_key, live)
  local members = request.members
  members[#members + 1], members[#members + 2] = now, id
  publish(request.bulk and KEYS[2] or KEYS[1], event, ARGV[at + 2], ARGV[at + 3])
  changes[#changes + 1] = '{"v":' .. string.format('%.0f', version) .. ',"job":"' .. id .. '","batch":"'
    .. request.batch .. '","owner":"' .. request.owner .. '","state":"queued"}'
  return true
end

local function note_batch(request, recorded, is_new)
  redis.call('ZADD', request.index, unpack(request.members))
  redis.call('ZADD', request.jobs_key, unpack(request.members))
  local known, closed
  if is_new then
    redis.call('HSET', request.batch_key, 'owner', request.owner, 'created', now, 'total', recorded)
  else
    redis.call('HINCRBY', request.batch_key, 'total', recorded)
    known, closed = unpack(redis.call('HMGET', request.batch_key, 'expected', 'closed'))
  end
  if request.expected ~= '' and not closed and tonumber(request.expected) > tonumber(known or '0') then
    redis.call('HSET', request.batch_key, 'expected', request.expected)
  end
  redis.call('EXPIRE', request.batch_key, live)
  redis.call('EXPIRE', request.jobs_key, live)
  if not owners[request.owner] then
    owners[request.owner] = true
    redis.call('SADD', KEYS[4], request.owner)
  end
end

for number = 1, tonumber(ARGV[4]) do
  local request = {
    owner = ARGV[arg], batch = ARGV[arg + 1], expected = ARGV[arg + 2], bulk = ARGV[arg + 3] == '1',
    batch_key = KEYS[key + 1], jobs_key = KEYS[key + 2], index = KEYS[key + 3], members = {},
  }
  local answer, jobs = ARGV[arg + 4], tonumber(ARGV[arg + 5])
  local first_key, first_arg = key + 4, arg + 6
  local earlier = answer ~= '' and redis.call('GET', KEYS[key])
  local owner = redis.call('HGET', request.batch_key, 'owner')
  if earlier then
    replies[number] = earlier
  elseif owner and owner ~= request.owner then
    replies[number] = -1
  else
    local recorded = 0
    for job = 0, jobs - 1 do
      if record(KEYS[first_key + job], first_arg + 5 * job, request) then recorded = recorded + 1 end
    end
    if recorded > 0 then note_batch(request, recorded, not owner) end
    if answer ~= '' then redis.call('SET', KEYS[key], answer, 'EX', remember) end
    replies[number] = tonumber(now)
  end
  key, arg = first_key + jobs, first_arg + 5 * jobs
end

if #changes > 0 then
  redis.call('INCRBY', KEYS[3], version - first_version)
  redis.call('PUBLISH', ARGV[1], '[' .. table.concat(changes, ',') .. ']')
end
return replies
