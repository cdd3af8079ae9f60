import crypto from "node:crypto";
import type { Script } from "./store.ts";

function scriptOf(text: string): Script {
	return { text, sha1: crypto.hash("sha1", text) };
}

/**
 * Two marks say which change of its address an answer was asked after: one of the address, one of the whole upstream. An answer with other marks is old.
 * They are random, so a mark that was forgotten and made anew is another one.
 */
const marks = `
local function text(name)
	local kept = redis.pcall('GET', name)
	return type(kept) == 'string' and kept or ''
end
local marks = text(KEYS[3]) .. ':' .. text(KEYS[4])
`;

/** What was found: `kept` with the answer and its time left, or whether to `ask`, to `wait` for another, or to ask `alone`. */
export const findScript = scriptOf(`${marks}
local kept = text(KEYS[1])
if kept ~= '' then
	local length = string.byte(kept, 1)
	if string.sub(kept, 2, length + 1) == marks then
		return { 'kept', marks, string.sub(kept, length + 2), redis.call('PTTL', KEYS[1]) }
	end
end
local holder = text(KEYS[2])
if holder == 'alone' then return { 'alone', marks } end
if holder ~= '' then return { 'wait', marks } end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return { 'ask', marks }
`);

/** Keeps an answer, unless its address was changed since it was asked for, and gives the lease back. */
export const keepScript = scriptOf(`${marks}
if marks == ARGV[2] then
	redis.call('SET', KEYS[1], string.char(#marks) .. marks .. ARGV[4], 'PX', ARGV[3])
end
if text(KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
`);

/** Gives the lease back. With a time, nobody waits for a like answer for so long. */
export const releaseScript = scriptOf(`
local kept = redis.pcall('GET', KEYS[1])
if kept ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], 'alone', 'PX', ARGV[2]) end
return 1
`);

/** Makes answers old, by a new mark for each key, and tells everybody. */
export const changeScript = `
for _, name in ipairs(KEYS) do redis.call('SET', name, ARGV[1], 'PX', ARGV[2]) end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
`;
