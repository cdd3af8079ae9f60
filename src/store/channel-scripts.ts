import crypto from "node:crypto";
import type { Script } from "./store.ts";

function scriptOf(text: string): Script {
	return { text, sha1: crypto.hash("sha1", text) };
}

/**
 * Of one instance of a channel there are three keys. The head has the epochs, the offset of the last message, and for each gateway with listeners how many.
 * The log is a stream whose ids are the offsets. Of each member there is in which gateways it is. `tell` reaches every gateway of the instance at its inbox.
 */
const common = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local inbox = ARGV[1]
local head, log, members = KEYS[1], KEYS[2], KEYS[3]
local topic, fresh, self = ARGV[2], ARGV[3], ARGV[4]
local lastMax, forMs, ttlMs = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]

local function tell(text)
	local fields = redis.call('HGETALL', head)
	local listeners = 0
	for at = 1, #fields, 2 do
		local gateway = string.match(fields[at], '^at:(.+)$')
		if gateway and redis.call('PUBLISH', inbox .. gateway, text) == 0 then
			redis.call('HDEL', head, fields[at])
		elseif gateway then
			listeners = listeners + tonumber(fields[at + 1])
		end
	end
	return listeners
end

local function tellOf(what, member)
	local change = redis.call('HINCRBY', head, 'changes', 1)
	tell(what .. ' ' .. topic .. ' ' .. change .. ' ' .. member)
end

local function enter(member)
	local holders = redis.call('HGET', members, member)
	if not holders then
		redis.call('HSET', members, member, ' ' .. self .. ' ')
		tellOf('joined', member)
	elseif not string.find(holders, ' ' .. self .. ' ', 1, true) then
		redis.call('HSET', members, member, holders .. self .. ' ')
	end
end

local function quit(member, holders)
	local at, to = string.find(holders, ' ' .. self .. ' ', 1, true)
	if not at then return end
	local rest = string.sub(holders, 1, at) .. string.sub(holders, to + 1)
	if rest ~= ' ' then
		redis.call('HSET', members, member, rest)
	else
		redis.call('HDEL', members, member)
		tellOf('left', member)
	end
end

local function quitAllBut(wanted)
	local all = redis.call('HGETALL', members)
	for at = 1, #all, 2 do
		if not wanted[all[at]] then quit(all[at], all[at + 1]) end
	end
end
`;

/**
 * `begin` gives the epochs and the last offset. A head that is not there, or not any more, begins with a new epoch. So does one that was written before the server
 * was started: what it wrote last may be lost. And so does one after messages that the store does not have. Messages that are kept keep the epoch of their own. No
 * message is kept whose epoch is not listed, so one who comes with an epoch that is not listed has heard none of them.
 */
const beginning = `
local function begin(apart)
	local info = redis.pcall('INFO', 'server')
	local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
	local epochs, last, ran = unpack(redis.call('HMGET', head, 'epochs', 'last', 'run'))
	if not epochs then
		redis.call('HSET', head, 'epochs', fresh .. ':1', 'last', 0, 'run', run)
		redis.call('DEL', log)
		return fresh .. ':1', 0
	end
	last = tonumber(last)
	if ran == run and not apart then return epochs, last end
	epochs = epochs .. string.format(' %s:%.0f', fresh, last + 1)
	local _, count = string.gsub(epochs, ':', '')
	if count > 16 then epochs = string.match(epochs, '^%S+ (.*)$') end
	redis.call('HSET', head, 'epochs', epochs, 'run', run)
	redis.call('XTRIM', log, 'MINID', string.match(epochs, '^%w+:(%d+)') .. '-0')
	tell('changed ' .. topic)
	return epochs, last
end

local function trim()
	for _ = 1, 200 do
		local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
		if not oldest or tonumber(oldest[2][2]) > now - forMs then return end
		redis.call('XDEL', log, oldest[1])
	end
end

local function newest(epochs) return string.match(epochs, '(%w+):%d+$') end
`;

/** Appends a message, and tells everybody. Gives its epoch, its offset, and how many listen. */
export const publishScript = scriptOf(`${common}${beginning}
local json = ARGV[8]
local epochs = begin(false)
local last = redis.call('HINCRBY', head, 'last', 1)
local offset = string.format('%.0f', last)
if lastMax > 0 then
	redis.call('XADD', log, 'MAXLEN', '=', lastMax, offset .. '-0', 't', now, 'm', json)
end
trim()
redis.call('PEXPIRE', head, ttlMs)
redis.call('PEXPIRE', log, ttlMs)
local epoch = newest(epochs)
local listeners = tell('message ' .. topic .. ' ' .. epoch .. ' ' .. offset .. ' ' .. json)
return { epoch, last, listeners }
`);

/** What comes after a place: its epoch and its offset. If the epoch is not known, or ended before the offset, as much as is not known to be the same. */
const reading = `
local function read(epochs, last, epoch, offset, bytesMax)
	local from, isOver = 1, false
	for name, start in string.gmatch(epochs, '(%w+):(%d+)') do
		if isOver then
			from = math.min(from, tonumber(start))
			isOver = false
		end
		if name == epoch then
			from = offset + 1
			isOver = true
		end
	end
	from = math.min(from, last + 1)
	local entries, bytes, isAll = {}, 0, 1
	repeat
		local some = redis.call('XRANGE', log, string.format('%.0f-0', from), '+', 'COUNT', 16)
		for _, entry in ipairs(some) do
			if bytes >= bytesMax then isAll = 0 break end
			local at = tonumber(string.match(entry[1], '^%d+'))
			local json = entry[2][4]
			entries[#entries + 1] = at
			entries[#entries + 1] = now - tonumber(entry[2][2])
			entries[#entries + 1] = json
			bytes = bytes + #json
			from = at + 1
		end
	until #some < 16 or isAll == 0
	return { epochs, last, isAll, entries }
end
`;

/** Joins a gateway to an instance, or joins it again: who is there in it, and who not any more. Gives what it lacks, and who is there in all. */
export const joinScript = scriptOf(`${common}${beginning}${reading}
local epochs, last = begin(ARGV[9] == '1')
redis.call('HSET', head, 'at:' .. self, ARGV[8])
redis.call('SADD', KEYS[5], topic)
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[10]), self)
local wanted = {}
for at = 14, #ARGV do
	wanted[ARGV[at]] = true
	enter(ARGV[at])
end
quitAllBut(wanted)
redis.call('PEXPIRE', head, ttlMs)
redis.call('PEXPIRE', members, ttlMs)
trim()
local found = read(epochs, last, ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13]))
local all, bytes = {}, 0
for _, member in ipairs(redis.call('HKEYS', members)) do
	bytes = bytes + #member
	if bytes > 524288 then break end
	all[#all + 1] = member
end
found[5] = redis.call('HLEN', members)
found[6] = tonumber(redis.call('HGET', head, 'changes') or 0)
found[7] = all
return found
`);

/** Gives what comes after a place. */
export const readScript = scriptOf(`${common}${beginning}${reading}
local epochs, last = begin(false)
return read(epochs, last, ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]))
`);

/** Says how many listen in a gateway, and which members are there now and which not. Gives the newest epoch and the last offset. */
export const countScript = scriptOf(`${common}${beginning}
local epochs, last = begin(false)
redis.call('HSET', head, 'at:' .. self, ARGV[8])
for at = 9, #ARGV do
	local member = string.sub(ARGV[at], 2)
	if string.sub(ARGV[at], 1, 1) == '+' then
		enter(member)
	else
		local holders = redis.call('HGET', members, member)
		if holders then quit(member, holders) end
	end
end
redis.call('PEXPIRE', head, ttlMs)
redis.call('PEXPIRE', members, ttlMs)
return { newest(epochs), last }
`);

/** A gateway has no listeners in an instance any more. */
export const leaveScript = scriptOf(`${common}
redis.call('HDEL', head, 'at:' .. self)
redis.call('SREM', KEYS[5], topic)
quitAllBut({})
return 1
`);

/** A gateway is alive. Gives whether it was thought so, and then gateways that are not. */
export const renewScript = scriptOf(`
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local until_ = redis.call('ZSCORE', KEYS[1], ARGV[1])
local wasAlive = until_ and tonumber(until_) > now
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 8)
return { wasAlive and 1 or 0, dead }
`);

/** A gateway leaves all its instances, because it ends. */
export const byeScript = scriptOf(`
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
`);

/** Takes a gateway that is not alive out of some of its instances. Gives how many, and zero if there are no more. */
export const sweepScript = scriptOf(`${common}
local score = redis.call('ZSCORE', KEYS[1], self)
if score and tonumber(score) > now then return 0 end
local some = redis.call('SPOP', KEYS[2], 16)
for _, one in ipairs(some) do
	topic = one
	head = ARGV[8] .. one
	members = head .. ':members'
	redis.call('HDEL', head, 'at:' .. self)
	quitAllBut({})
end
if #some == 0 then redis.call('ZREM', KEYS[1], self) end
return #some
`);

/** Where instances are, and that they are still wanted. Gives for each the newest epoch and the last offset; nothing if the gateway is not known there. */
export const auditScript = scriptOf(`
local all = {}
for at = 1, #KEYS, 2 do
	local epochs, last, here = unpack(redis.call('HMGET', KEYS[at], 'epochs', 'last', 'at:' .. ARGV[1]))
	local ttlMs, hasMembers = ARGV[at + 1], ARGV[at + 2]
	if not epochs or not here or (hasMembers == '1' and redis.call('EXISTS', KEYS[at + 1]) == 0) then
		all[#all + 1] = ''
	else
		redis.call('PEXPIRE', KEYS[at], ttlMs)
		redis.call('PEXPIRE', KEYS[at + 1], ttlMs)
		all[#all + 1] = string.match(epochs, '(%w+):%d+$') .. '-' .. last
	end
end
return all
`);
