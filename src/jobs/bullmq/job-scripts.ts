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
 * `ended`, `steps`, `status`, `code`. Its answer is in `headers` and `body`. `KEYS[2]` and a state name the ended jobs that are
 * kept, by the instant at which that ends. `KEYS[3]` says for a day more that the job was there. `KEYS[4]` are the jobs whose
 * end is to be told, by the instant of the next attempt.
 */
const ending = `
local function finish(state, code, now, kept, remembered)
	redis.call('HSET', KEYS[1], 'state', state, 'code', code, 'ended', now)
	redis.call('HDEL', KEYS[1], 'run', 'request', 'request_body')
	redis.call('PEXPIRE', KEYS[1], math.max(kept, 1))
	redis.call('ZADD', KEYS[2] .. state, now + kept, KEYS[1])
	redis.call('SET', KEYS[3], '1', 'PX', kept + remembered)
	if redis.call('HGET', KEYS[1], 'hook') == '1' then redis.call('ZADD', KEYS[4], 0, KEYS[1]) end
end
`;

/** Gives what stands at a key, and puts `ARGV[1]` there for `ARGV[2]` ms if that is nothing. */
export const keyScript = script(`
local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
`);

/** Makes a job, unless it is there. ARGV: how long it may wait and is kept then, remembered, new, request, body, hook. */
export const createScript = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'state', 'queued', 'begun', 0, 'steps', '[]', 'new', ARGV[3], 'request', ARGV[4], 'request_body', ARGV[5], 'hook', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[1] + ARGV[2])
return 1
`);

/** Begins a run, if it may. ARGV: run, now, kept, remembered, attempts, expires, code if it may not, code if it is too late. */
export const beginScript = script(`${ending}
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 'ended' end
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
return 1
`);
