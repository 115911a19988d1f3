#!lua flags=allow-oom
-- Project a batch of progress entries of one partition into the state of their jobs.
--
-- KEYS  1 progress stream   2 version counter   3 set of owners   4 hooks stream   5 tally of now
--       then three per request: index of its owner, batch hash, jobs of the batch (the index where there is none)
--       then the job hash of each entry
-- ARGV  1 group   2 channel of changes   3 seconds a live job is kept   4 seconds a finished job is kept
--       5 seconds a tally is kept   6 number of requests
--       then four per request, which its jobs have in common: owner, batch, expected, webhook
--       then twelve per entry: number of its request, entry id, type (started, processed, failed), job id, run,
--       created (ms, for a job not known yet), at (ms), attempt, document (started: the upload event, else the progress
--       event), code, trace id, traceparent; what is not there is empty
-- Returns three numbers per entry: 0 acknowledged before, 1 changed nothing, 2 changed the job; its creation in ms; and 1 if
-- its record says that it is of low priority, else 0.
--
-- The state of a job is the pair (run, rank), rank 0 queued, 1 processing, 2 terminal, and an event only ever raises
-- it: any order and any repetition of the same events ends in the same state. `deleted` is above every run.
-- Safe to repeat for that reason; only a job that is not known (any more) is made for nothing but a pending entry. The script
-- acknowledges what it applied. Needs no memory from the server's limit.
local group, channel, live, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local TARGET = {started = 'processing', processed = 'done', failed = 'failed'}
local RANK = {queued = 0, processing = 1, done = 2, failed = 2, cancelled = 2, deleted = 2}
-- Where the group is gone this fails before anything is written: half a batch would be told to nobody.
redis.call('XPENDING', KEYS[1], group)
local version = tonumber(redis.call('GET', KEYS[2]) or '0')
local first_version = version
local changes, outcomes, tally, batches = {}, {}, {}, {}

local function create(e)
  local batch = e.batch
  if batch ~= '' then
    local owner = redis.call('HGET', e.batch_key, 'owner')
    if owner and owner ~= e.owner then
      batch = ''
    else
      redis.call('HSETNX', e.batch_key, 'owner', e.owner)
      redis.call('HSETNX', e.batch_key, 'created', e.created)
      if redis.call('ZADD', e.batch_jobs, e.created, e.job) == 1 then
        redis.call('HINCRBY', e.batch_key, 'total', 1)
      end
      local known, closed = unpack(redis.call('HMGET', e.batch_key, 'expected', 'closed'))
      if e.expected ~= '' and not closed and tonumber(known or '0') < tonumber(e.expected) then
        redis.call('HSET', e.batch_key, 'expected', e.expected)
      end
      redis.call('EXPIRE', e.batch_key, live)
      redis.call('EXPIRE', e.batch_jobs, live)
    end
  end
  redis.call('HSET', e.key, 'state', 'queued', 'run', e.run, 'owner', e.owner, 'batch', batch, 'created', e.created,
    'attempts', 0)
  redis.call('EXPIRE', e.key, live)
  redis.call('ZADD', e.index, e.created, e.job)
  redis.call('SADD', KEYS[3], e.owner)
  return 'queued', e.run, e.owner, batch, e.created, false, '0'
end

local function tell(e, kind, id, url)
  redis.call('XADD', KEYS[4], '*', 'type', kind, 'id', id, 'run', e.run, 'owner', e.owner, 'url', url,
    'traceparent', e.traceparent)
end

-- A job of a batch became terminal, or live again; batches are counted once, at the end.
local function count(e, change, ended)
  local sum = batches[e.batch_key]
  if not sum then
    sum = {change = 0, ended = false}
    batches[e.batch_key], batches[#batches + 1] = sum, sum
  end
  sum.change, sum.ended = sum.change + change, sum.ended or ended
  sum.batch_key, sum.batch_jobs, sum.batch = e.batch_key, e.batch_jobs, e.batch
  sum.run, sum.owner, sum.traceparent = e.run, e.owner, e.traceparent
  sum.webhook = sum.webhook or (e.webhook ~= '' and e.webhook)
end

local function close(sum)
  local terminal = redis.call('HINCRBY', sum.batch_key, 'terminal', sum.change)
  local facts = redis.call('HMGET', sum.batch_key, 'total', 'expected', 'webhook')
  if sum.webhook and not facts[3] then
    redis.call('HSET', sum.batch_key, 'webhook', sum.webhook)
    facts[3] = sum.webhook
  end
  local complete = terminal >= tonumber(facts[1] or '0') and terminal >= tonumber(facts[2] or '0')
  if sum.ended and complete and facts[3] then
    tell(sum, 'batch.completed', sum.batch, facts[3])
  end
  redis.call('EXPIRE', sum.batch_key, complete and kept or live)
  redis.call('EXPIRE', sum.batch_jobs, complete and kept or live)
end

local function add(fields, name, value)
  local count = #fields
  fields[count + 1], fields[count + 2] = name, value
end

local function apply(e)
  local state, run, owner, batch, created, started, attempts, bulk =
    unpack(redis.call('HMGET', e.key, 'state', 'run', 'owner', 'batch', 'created', 'started', 'attempts', 'bulk'))
  local known = state
  if not state then
    if #redis.call('XPENDING', KEYS[1], group, e.entry, e.entry, 1) == 0 then
      return 0, 0
    end
    state, run, owner, batch, created, started, attempts = create(e)
  end
  run = run or '1'
  local newer = tonumber(e.run) > tonumber(run)
  if owner ~= e.owner or (batch ~= '' and batch ~= e.batch) or state == 'deleted' or tonumber(e.run) < tonumber(run) then
    return 1, created
  end
  if newer then
    redis.call('HDEL', e.key, 'started', 'finished', 'code', 'attempts')
    started, attempts = false, '0'
  end
  local target, was = TARGET[e.type], RANK[state]
  local raised = newer or RANK[target] > was
  local again = e.type == 'started' and was == 1 and tonumber(e.attempt) > tonumber(attempts or '0')
  local fields = {}
  if e.type == 'started' and (not started or tonumber(e.at) < tonumber(started)) then
    add(fields, 'started', e.at)
  end
  -- The event that ends a run tells its attempt itself.
  if e.type == 'started' and tonumber(e.attempt) > tonumber(attempts or '0') then
    add(fields, 'attempts', e.attempt)
  end
  if not raised and not again then
    if #fields > 0 then
      redis.call('HSET', e.key, unpack(fields))
    end
    return 1, created
  end
  version = version + 1
  local mark, ended = string.format('%d', version), RANK[target] == 2
  if ended then
    -- The one that every job has; a table that is made whole need not grow.
    fields = {'state', target, 'version', mark, 'finished', e.at, 'event', e.document}
  else
    add(fields, 'state', target)
    add(fields, 'version', mark)
  end
  if newer then
    add(fields, 'run', e.run)
  end
  if e.trace ~= '' then
    add(fields, 'trace', e.trace)
  end
  if ended then
    if e.code ~= '' then
      add(fields, 'code', e.code)
      tally['code:' .. e.code] = (tally['code:' .. e.code] or 0) + 1
    end
    tally[target] = (tally[target] or 0) + 1
  elseif newer or not known then
    add(fields, 'event', e.document)
  end
  redis.call('HSET', e.key, unpack(fields))
  if ended then
    redis.call('EXPIRE', e.key, kept)
    if e.webhook ~= '' then
      tell(e, 'job.' .. target, e.job, e.webhook)
    end
  elseif newer or not known then
    redis.call('EXPIRE', e.key, live)
  end
  if batch ~= '' and (ended or (newer and was == 2)) then
    count(e, (ended and 1 or 0) - (was == 2 and 1 or 0), ended and (was < 2 or newer))
  end
  changes[#changes + 1] = '{"v":' .. mark .. ',"job":"' .. e.job .. '","batch":"' .. batch .. '","owner":"' .. owner ..
    '","state":"' .. target .. '"}'
  return 2, created, bulk
end

local requests, arg, key = {}, 7, 6
for number = 1, tonumber(ARGV[6]) do
  requests[number] = {
    owner = ARGV[arg], batch = ARGV[arg + 1], expected = ARGV[arg + 2], webhook = ARGV[arg + 3],
    index = KEYS[key], batch_key = KEYS[key + 1], batch_jobs = KEYS[key + 2],
  }
  arg, key = arg + 4, key + 3
end
local entries = {}
-- One table for all, which the one entry fills that is looked at: a thousand of them a second would be garbage.
local e = {}
for i = arg, #ARGV, 12 do
  local request = requests[tonumber(ARGV[i])]
  e.owner, e.batch, e.expected, e.webhook = request.owner, request.batch, request.expected, request.webhook
  e.index, e.batch_key, e.batch_jobs = request.index, request.batch_key, request.batch_jobs
  e.key, e.entry, e.type, e.job, e.run = KEYS[key], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  e.created, e.at, e.attempt, e.document = ARGV[i + 5], ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
  e.code, e.trace, e.traceparent = ARGV[i + 9], ARGV[i + 10], ARGV[i + 11]
  entries[#entries + 1] = e.entry
  local outcome, created, bulk = apply(e)
  outcomes[#outcomes + 1] = outcome
  outcomes[#outcomes + 1] = tonumber(created)
  outcomes[#outcomes + 1] = bulk == '1' and 1 or 0
  key = key + 1
end
if #entries > 0 then
  redis.call('XACK', KEYS[1], group, unpack(entries))
end
for _, sum in ipairs(batches) do
  close(sum)
end
if #changes > 0 then
  redis.call('INCRBY', KEYS[2], version - first_version)
  redis.call('PUBLISH', channel, '[' .. table.concat(changes, ',') .. ']')
end
for name, number in pairs(tally) do
  redis.call('HINCRBY', KEYS[5], name, number)
end
if next(tally) then
  redis.call('EXPIRE', KEYS[5], ARGV[5])
end
return outcomes
