#!lua
-- Run a job again: put a dead letter back, or try a failed or cancelled job once more.
--
-- KEYS  1 dead-letter stream   2 upload stream to publish on   3 job hash   4 version counter   5 index of the owner
--       6 set of owners   7 batch hash   8 jobs of the batch (the job hash where there is no batch)
-- ARGV  1 id of the dead letter (empty: a retry without one)   2 job id   3 owner   4 batch   5 the next run
--       6 upload event of that run as JSON   7 traceparent   8 tracestate   9 trace id   10 channel of changes
--       11 seconds a live job is kept   12 creation in ms, for a job whose record is over   13 1 if bulk, else empty
--       14 run of the dead letter (empty: a retry without one; 0: its event could not be read)
--       15 attempts of the run that the caller saw   16 what is published (empty: the event)
-- Returns 1 published; 0 there is no such dead letter; -1 the job is in that run or a later one already, and the letter
--         is gone; -2 it was deleted; -3 it neither failed nor was cancelled.
--
-- The run is chosen by the caller, so that the event is written without reading JSON here; a script that finds this run
-- or a later one publishes nothing, whatever became of that run. Safe to repeat for that reason: each run is published
-- once. A letter is itself the proof that its run failed, though the projection may not know yet: a job that is live in
-- that run is started anew, unless nobody could read its event, which may then be a second one of the job. Without the flag allow-oom a full server refuses it whole, like any new work.
local letter, job, owner, batch, run = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local state, known_run, known_owner, started, finished, code, trace, attempts, past = unpack(redis.call('HMGET', KEYS[3],
  'state', 'run', 'owner', 'started', 'finished', 'code', 'trace', 'attempts', 'past'))
if state == 'deleted' or (state and known_owner ~= owner) then
  return -2
end
known_run = tonumber(known_run or 1)
if state and known_run >= tonumber(run) then
  if letter ~= '' then
    redis.call('XDEL', KEYS[1], letter)
  end
  return -1
end
if letter ~= '' and #redis.call('XRANGE', KEYS[1], letter, letter) == 0 then
  return 0
end
local ended = state == 'failed' or state == 'cancelled'
local buried = letter ~= '' and state ~= 'done' and known_run <= tonumber(ARGV[14])
if state and not ended and not buried then
  return -3
end
if letter ~= '' then
  redis.call('XDEL', KEYS[1], letter)
end
if not state then
  redis.call('HSET', KEYS[3], 'owner', owner, 'batch', batch, 'created', ARGV[12])
  redis.call('ZADD', KEYS[5], ARGV[12], job)
  redis.call('SADD', KEYS[6], owner)
end
if batch ~= '' then
  redis.call('HSETNX', KEYS[7], 'owner', owner)
  redis.call('HSETNX', KEYS[7], 'created', ARGV[12])
  if redis.call('ZADD', KEYS[8], 'NX', ARGV[12], job) == 1 then
    redis.call('HINCRBY', KEYS[7], 'total', 1)
  elseif ended or not state then
    redis.call('HINCRBY', KEYS[7], 'terminal', -1)
  end
  redis.call('EXPIRE', KEYS[7], ARGV[11])
  redis.call('EXPIRE', KEYS[8], ARGV[11])
end
-- What the run before was is kept as lines, see shared/records.py; those of long ago go.
local lines = past and {past} or {}
local function note(number, attempt, name, at, why)
  local cause = (why or '') == '' and '-' or string.gsub(why, '%s', '_')
  lines[#lines + 1] = table.concat({number, attempt, name, at, cause, (trace or '') == '' and '-' or trace}, ' ')
end
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local tried = math.max(tonumber(attempts or 0), tonumber(ARGV[15]))
if started then
  note(known_run, 1, 'processing', started)
end
if ended then
  note(known_run, tried, state, finished or now, code)
elseif buried and state then
  note(known_run, tried, 'failed', string.match(letter, '^%d+'), 'gave_up')
end
trace = ARGV[9]
note(run, 0, 'queued', now)
past = table.concat(lines, '\n')
if #past > 2000 then
  past = string.gsub(string.sub(past, -2000), '^[^\n]*\n', '', 1)
end
local version = redis.call('INCR', KEYS[4])
redis.call('HDEL', KEYS[3], 'started', 'finished', 'code')
redis.call('HSET', KEYS[3], 'state', 'queued', 'run', run, 'version', version, 'attempts', '0', 'trace', ARGV[9],
  'event', ARGV[6], 'past', past)
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[3], 'bulk', '1')
end
redis.call('EXPIRE', KEYS[3], ARGV[11])
local fields = {'data', ARGV[16] == '' and ARGV[6] or ARGV[16]}
if ARGV[7] ~= '' then
  fields[3], fields[4] = 'traceparent', ARGV[7]
  if ARGV[8] ~= '' then
    fields[5], fields[6] = 'tracestate', ARGV[8]
  end
end
redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('PUBLISH', ARGV[10], '[{"v":' .. string.format('%.0f', version) .. ',"job":"' .. job .. '","batch":"' .. batch ..
  '","owner":"' .. owner .. '","state":"queued"}]')
return 1
