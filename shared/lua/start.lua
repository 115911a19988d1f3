#!lua flags=allow-oom
-- Work on some entries of one stream starts: say so, unless an entry was lost or its job is over.
--
-- KEYS  1 upload stream   2 progress stream   then the job hash of each entry
-- ARGV  1 group   2 consumer   then six for each entry: entry id, run of the event, `started` event as JSON (empty to
--       publish none), traceparent, tracestate, number of this attempt
-- Returns two numbers for each entry: 1 started, 0 lost (another consumer owns it, or nobody does any more) or
--         -1 over (the job was cancelled or deleted, or runs anew: the entry is acknowledged, nothing is published);
--         and when the attempt before this one began in ms, 0 where that is not known or there was none.
--
-- A repeat after a lost reply may publish `started` twice, which the projection ignores.
local stream, progress, group, consumer = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local function say(event, traceparent, tracestate)
  if traceparent == '' then
    redis.call('XADD', progress, '*', 'data', event)
  elseif tracestate == '' then
    redis.call('XADD', progress, '*', 'data', event, 'traceparent', traceparent)
  else
    redis.call('XADD', progress, '*', 'data', event, 'traceparent', traceparent, 'tracestate', tracestate)
  end
end

-- The lines of what came before (see shared/records.py) with this attempt, and why the one before it left its entry, where
-- that was noted. The oldest lines go. Only for entries that were started before.
local function told(job, run, attempt, now)
  local past, fault = unpack(redis.call('HMGET', job, 'past', 'fault'))
  local begun = run .. ' ' .. attempt .. ' processing '
  past = past or ''
  if string.find(past, begun, 1, true) then
    return past
  end
  local read, known = pcall(cjson.decode, fault or '')
  local last = read and tostring(known.run) == run and tostring(known.attempt + 1) == attempt
  local line = begun .. now .. ' ' .. (last and string.gsub(known.error.code, '%s', '_') or '-') .. ' -'
  past = past == '' and line or past .. '\n' .. line
  return #past > 2000 and string.gsub(string.sub(past, -2000), '^[^\n]*\n', '', 1) or past
end

-- Note this attempt in the job.
local function again(job, run, attempt)
  local clock = redis.call('TIME')
  local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
  redis.call('HSET', job, 'tried', now, 'tried_by', consumer, 'past', told(job, run, attempt, now))
end

local answers = {}
for i = 3, #KEYS do
  local job, at = KEYS[i], 3 + 6 * (i - 3)
  local id, run, event, traceparent, tracestate, attempt = unpack(ARGV, at, at + 5)
  local answer, before = 0, 0
  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 1 then
    local state, latest, started, tried = unpack(redis.call('HMGET', job, 'state', 'run', 'started', 'tried'))
    local later = tonumber(attempt) > 1
    -- `tried` may be of an earlier run, which began before this one.
    before = later and math.max(tonumber(tried or 0), tonumber(started or 0)) or 0
    latest = tonumber(latest or 1)
    local over = state == 'cancelled' and latest >= tonumber(run)
    if over or state == 'deleted' or (state and latest > tonumber(run)) then
      redis.call('XACK', stream, group, id)
      answer = -1
    else
      if event ~= '' then
        say(event, traceparent, tracestate)
      end
      if later and state then
        again(job, run, attempt)
      end
      answer = 1
    end
  end
  answers[#answers + 1], answers[#answers + 2] = answer, before
end
return answers
