import crypto from "node:crypto";

/** A script of Lua on the hash of one job, `KEYS[1]`. */
export interface JobScript {
	readonly text: string;
	readonly sha1: string;
}

function script(text: string): JobScript {
	return { text, sha1: crypto.hash("sha1", text, "hex") };
}

/**
 * A job is a hash: what was asked for in `new`, the request in `request`, and how it is in `state`, `run`, `begun`, `started`,
 * `ended`, `steps`, `status`, `code`. While it has `sureBy`, nobody was told that it is taken on. `silent` is when its run was
 * found without a lock. Its answer is in `headers` and `body`. `KEYS[2]` and a state name the ended jobs that are kept, by the
 * instant at which that ends. `KEYS[3]` says for a day more that the job was there. `KEYS[4]` are the jobs whose end is to be
 * told, by the instant of the next attempt.
 */
const ending = `
local function finish(state, code, now, kept, remembered)
	redis.call('HSET', KEYS[1], 'state', state, 'code', code, 'ended', now)
	redis.call('HDEL', KEYS[1], 'run', 'silent', 'request', 'request_body')
	redis.call('PEXPIRE', KEYS[1], math.max(kept, 1))
	redis.call('ZADD', KEYS[2] .. state, now + kept, KEYS[1])
	redis.call('SET', KEYS[3], '1', 'PX', kept + remembered)
	if redis.call('HGET', KEYS[1], 'hook') == '1' then redis.call('ZADD', KEYS[4], 0, KEYS[1]) end
end
`;

/** The store's milliseconds since 1970. */
const clock = `
local function clock()
	local now = redis.call('TIME')
	return now[1] * 1000 + math.floor(now[2] / 1000)
end
`;

/** Gives what stands at a key, and puts `ARGV[1]` there for `ARGV[2]` ms if that is nothing. */
export const keyScript = script(`
local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
`);

/**
 * Makes a job, unless it is there. Until it is `surely` one, `sureBy` says by which instant of the store's clock it has to be.
 * ARGV: how long it may wait and is kept then, remembered, new, request, body, hook, how long until it has to be sure.
 */
export const createScript = script(`${clock}
local sureBy = clock() + tonumber(ARGV[7])
if redis.call('EXISTS', KEYS[1]) == 1 then
	if redis.call('HEXISTS', KEYS[1], 'sureBy') == 1 then redis.call('HSET', KEYS[1], 'sureBy', sureBy) end
	return 0
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'begun', 0, 'steps', '[]', 'new', ARGV[3], 'request', ARGV[4], 'request_body', ARGV[5], 'hook', ARGV[6], 'sureBy', sureBy)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[1] + ARGV[2])
return 1
`);

/** Says that a job is in the queue, in time. Gives 0 if it is too late, or the job is not there. */
export const surelyScript = script(`${clock}
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local sureBy = redis.call('HGET', KEYS[1], 'sureBy')
if sureBy and tonumber(sureBy) < clock() then return 0 end
redis.call('HDEL', KEYS[1], 'sureBy')
return 1
`);

/**
 * Begins a run, if it may. A job of which nobody is sure waits, and when it is too late for that, it was none. One that another run
 * has waits until that run has been `silent` for long enough.
 * ARGV: run, now, kept, remembered, attempts, expires, code if it may not, code if it is too late, how long is long enough.
 */
export const beginScript = script(`${ending}${clock}
local sureBy = redis.call('HGET', KEYS[1], 'sureBy')
if sureBy then
	if tonumber(sureBy) >= clock() then return 'unsure' end
	redis.call('DEL', KEYS[1], KEYS[3])
	return 'ended'
end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 'ended' end
if state == 'running' and redis.call('HEXISTS', KEYS[1], 'run') == 1 then
	local at = clock()
	local silent = tonumber(redis.call('HGET', KEYS[1], 'silent') or at)
	redis.call('HSET', KEYS[1], 'silent', silent)
	if at - silent < tonumber(ARGV[9]) then return 'silent' end
end
local now, kept, remembered = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local begun = tonumber(redis.call('HGET', KEYS[1], 'begun') or '0')
if state == 'queued' and begun == 0 and tonumber(ARGV[6]) < now then
	finish('expired', ARGV[8], now, kept, remembered)
	return 'ended'
end
if begun >= tonumber(ARGV[5]) then
	finish('interrupted', ARGV[7], now, kept, remembered)
	return 'ended'
end
redis.call('HSET', KEYS[1], 'state', 'running', 'run', ARGV[1], 'begun', begun + 1, 'started', now, 'steps', '[]')
redis.call('HDEL', KEYS[1], 'silent')
redis.call('PERSIST', KEYS[1])
return 'begun'
`);

/** Ends a run, if it has the job. ARGV: run, now, kept, remembered, state, code, status, headers, body, steps. */
export const endScript = script(`${ending}
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[7], 'headers', ARGV[8], 'steps', ARGV[10])
if ARGV[9] ~= 'none' then redis.call('HSET', KEYS[1], 'body', string.sub(ARGV[9], 2)) end
finish(ARGV[5], ARGV[6], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
return 1
`);

/** Cancels what has not ended, and forgets what has. ARGV: now, kept, remembered, code. */
export const cancelScript = script(`${ending}
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'queued' or state == 'running' then
	finish('cancelled', ARGV[4], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
	return 1
end
redis.call('DEL', KEYS[1])
if state then redis.call('ZREM', KEYS[2] .. state, KEYS[1]) end
return 0
`);

/** A run that has written nothing was as good as never begun. ARGV: run, whether it wrote. */
export const leaveScript = script(`
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
	redis.call('HINCRBY', KEYS[1], 'begun', -1)
	redis.call('HSET', KEYS[1], 'state', 'queued')
end
redis.call('HDEL', KEYS[1], 'run')
return 1
`);

/** Takes an end that is to be told. `KEYS[1]` are those. ARGV: now, until when nobody else gets it. */
export const takeHookScript = script(`
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 16)) do
	if redis.call('EXISTS', key) == 1 then
		redis.call('ZADD', KEYS[1], ARGV[2], key)
		return { key, redis.call('HINCRBY', key, 'hook_tries', 1) }
	end
	redis.call('ZREM', KEYS[1], key)
end
return false
`);

/** Notes how a run goes, if it has the job. ARGV: run, steps. */
export const progressScript = script(`
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'steps', ARGV[2])
redis.call('HDEL', KEYS[1], 'silent')
return 1
`);
