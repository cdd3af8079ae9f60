import crypto from "node:crypto";
import type { Counted, LimitRule } from "./limit.ts";
import type { Script } from "./store.ts";

/** The limits of one holder in the store, with a key for each. */
export interface SharedGroup {
	readonly rules: readonly LimitRule[];
	readonly keys: readonly string[];
}

/**
 * The algorithm of `LocalLimits`, for many requests at once. Each has groups of limits, and is counted to a group only if the one before has let it
 * through. The time is the store's own, so the clocks of those who ask do not matter. A key holds what it owes, and since when: an instant would lock
 * clients out if the store's clock were set back. What is in a key and cannot be read counts as nothing.
 */
const text = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local place, key, answer = 0, 0, {}
local function take()
	place = place + 1
	return tonumber(ARGV[place])
end
local function owed(name, per)
	local kept = redis.pcall('GET', name)
	if type(kept) ~= 'string' then return 0 end
	local debt, since = string.match(kept, '^([%d.e+-]+) (%d+)$')
	debt, since = tonumber(debt), tonumber(since)
	if not debt or not since then return 0 end
	return math.min(per, math.max(0, debt - math.max(0, now - since) / 1000))
end
for _ = 1, take() do
	local passed = true
	for _ = 1, take() do
		local count = take()
		local early, rules = 0, {}
		for at = 1, count do
			local limit, per = take(), take()
			key = key + 1
			if passed then
				local worth = per / limit
				local debt = owed(KEYS[key], per)
				local over = debt + worth - per
				if over > math.min(worth / 1000, 0.01) and over > early then early = over end
				rules[at] = { KEYS[key], debt, worth }
			end
		end
		if passed then
			answer[#answer + 1] = math.ceil(early * 1000)
			for _, rule in ipairs(rules) do
				local debt = rule[2]
				if early == 0 then
					debt = debt + rule[3]
					redis.call('SET', rule[1], string.format('%.17g %.0f', debt, now), 'PX', math.ceil(debt) + 1)
				end
				answer[#answer + 1] = math.floor(debt * 1000 + 0.5)
			end
			passed = early == 0
		end
	end
end
return answer
`;

export const limitScript: Script = {
	text,
	sha1: crypto.hash("sha1", text),
};

/** The arguments for these requests, each with its groups. */
export function argumentsOf(
	requests: readonly (readonly SharedGroup[])[],
): string[] {
	const args = [String(requests.length)];
	for (const groups of requests) {
		args.push(String(groups.length));
		for (const { rules } of groups) {
			args.push(String(rules.length));
			for (const { limit, perMs } of rules) {
				args.push(String(limit), String(perMs));
			}
		}
	}
	return args;
}

/** For each request the groups up to the first that refuses it. Null if it is no answer to these requests. */
export function readCounted(
	reply: unknown,
	requests: readonly (readonly SharedGroup[])[],
): Counted[][] | null {
	if (!Array.isArray(reply)) return null;
	let at = 0;
	const next = (most: number) => {
		const value: unknown = reply[at++];
		const fits = typeof value === "number" && value >= 0 && value <= most;
		return fits ? value / 1000 : Number.NaN;
	};
	const all = requests.map((groups) => {
		const counted: Counted[] = [];
		for (const { rules } of groups) {
			const longestMs = Math.max(...rules.map(({ perMs }) => perMs));
			const earlyMs = next(1000 * longestMs + 1000);
			const debtsMs = rules.map(({ perMs }) => next(1000 * perMs + 1000));
			counted.push({ earlyMs, debtsMs });
			if (earlyMs > 0) break;
		}
		return counted;
	});
	const sound = all
		.flat()
		.every(({ earlyMs, debtsMs }) =>
			[earlyMs, ...debtsMs].every((ms) => !Number.isNaN(ms)),
		);
	return sound && at === reply.length ? all : null;
}
