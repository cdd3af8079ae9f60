/**
 * Listens to a room: over a WebSocket, by events if no WebSocket comes through, and by polling if no events come through
 * either. When a connection is lost it opens another, which begins with what was missed. Browsers bring all that it needs.
 */

/** The best first. Each tells what it hears, and resolves when it has ended: with a `problem`, or with when to come back. */
const ways = [
	{ name: "over a WebSocket", listen: overWebSocket },
	{ name: "by events", listen: byEvents },
	{ name: "by polling", listen: byPolling },
];

/** A way is given up if nothing has come for so long: some proxies hold events back. */
const patienceMs = 5_000;

/** So long a poll waits for news, and a message for its answer. */
const pollSeconds = 25;
const answerMs = 10_000;

/**
 * Enters a room. `tell` hears what the channel tells, as docs/live.md lists it, and `{ event: "members" }` of polls. `show`
 * hears how it goes: `{ state: "listening", way }`, `{ state: "lost", pauseMs }`, `{ state: "refused", problem }`.
 */
export function enter(room, name, { tell, show, origin = location.origin }) {
	const address = new URL(`/rooms/${encodeURIComponent(room)}`, origin);
	address.searchParams.set("name", name);
	const leaving = new AbortController();
	const visit = {
		address,
		leaving: leaving.signal,
		/** The id of the last message that was heard: what follows it is still to come. */
		after: null,
		/** Sends a frame over the WebSocket that is open; null if none is. */
		sendFrame: null,
		hear(told) {
			if (told.event === "message") {
				// None is shown twice, whatever happens between two connections.
				if (isKnown(told.id, visit.after)) return;
				visit.after = told.id;
			}
			if (told.event === "start") visit.after = told.id;
			if (told.event === "gap") visit.after = told.to ?? visit.after;
			tell(told);
		},
	};
	void stay(visit, show);
	return {
		/** Resolves with `{ status, body }` when the gateway has answered. Rejects if nobody knows what became of it. */
		say: (body) => (visit.sendFrame ?? post)(body, visit),
		leave: () => leaving.abort(),
	};
}

/** Ids are an epoch and a number. What polls give has an ending behind it. */
function isKnown(id, after) {
	if (after === null) return false;
	const [epoch, offset] = id.split("-");
	const [lastEpoch, lastOffset] = after.split("-");
	return (
		epoch === lastEpoch &&
		Number.parseInt(offset) <= Number.parseInt(lastOffset)
	);
}

/** Listens until the room is left. */
async function stay(visit, show) {
	// The best way that has worked. A worse one may do if that one fails.
	let best = null;
	let failures = 0;
	while (!visit.leaving.aborted) {
		let end = {};
		for (const way of ways.slice(best ?? 0)) {
			let hasBegun = false;
			end = await way.listen(visit, () => {
				if (hasBegun) return;
				hasBegun = true;
				failures = 0;
				best = Math.min(best ?? ways.length, ways.indexOf(way));
				show({ state: "listening", way: way.name });
			});
			if (hasBegun || visit.leaving.aborted) break;
		}
		if (visit.leaving.aborted) return;
		if (end.problem) return show({ state: "refused", problem: end.problem });
		const pauseMs = end.retry ?? spread(500 * 2 ** Math.min(failures++, 4));
		show({ state: "lost", pauseMs });
		await pause(pauseMs, visit.leaving);
	}
}

/** So that not all who were cut off come back at once. */
const spread = (ms) => Math.round(ms * (1 + Math.random()));

/** Ends early when the room is left, or when the machine has a network again. */
function pause(ms, signal) {
	return new Promise((resolve) => {
		const end = () => {
			clearTimeout(timer);
			signal.removeEventListener("abort", end);
			globalThis.removeEventListener?.("online", end);
			resolve();
		};
		const timer = setTimeout(end, ms);
		signal.addEventListener("abort", end);
		globalThis.addEventListener?.("online", end);
	});
}

function addressOf({ address, after }) {
	const whole = new URL(address);
	if (after !== null) whole.searchParams.set("after", after);
	return whole;
}

/** Opens a source, which closes when the room is left, the network is gone or nothing comes. Resolves when it has closed. */
function untilClosed({ leaving }, open) {
	return new Promise((resolve) => {
		const close = (end = {}) => {
			clearTimeout(patience);
			leaving.removeEventListener("abort", onLeave);
			globalThis.removeEventListener?.("offline", onLeave);
			source.close();
			resolve(end);
		};
		const onLeave = () => close();
		const patience = setTimeout(onLeave, patienceMs);
		leaving.addEventListener("abort", onLeave);
		globalThis.addEventListener?.("offline", onLeave);
		const source = open(close, () => clearTimeout(patience));
	});
}

async function overWebSocket(visit, begin) {
	const address = addressOf(visit);
	address.protocol = address.protocol.replace("http", "ws");
	const waiting = new Map();
	let frames = 0;
	const end = await untilClosed(visit, (close, hasCome) => {
		const socket = new WebSocket(address);
		let last = {};
		socket.onmessage = ({ data }) => {
			const told = JSON.parse(data);
			if (told.event === "start") {
				hasCome();
				begin();
				visit.sendFrame = send;
			}
			if (told.event === "reply") return waiting.get(told.id)?.(told);
			if (told.event === "end") last = told;
			visit.hear(told);
		};
		socket.onclose = () => close(last);
		const send = (body) =>
			new Promise((resolve, reject) => {
				const id = ++frames;
				const settle = (reply) => {
					clearTimeout(timer);
					waiting.delete(id);
					if (reply) resolve(reply);
					else reject(new Error("no answer came"));
				};
				// A connection may be dead long before anybody tells the browser. This closes it, and settles all that wait.
				const timer = setTimeout(close, answerMs);
				waiting.set(id, settle);
				socket.send(JSON.stringify({ id, body }));
			});
		return socket;
	});
	visit.sendFrame = null;
	for (const settle of [...waiting.values()]) settle();
	return end;
}

function byEvents(visit, begin) {
	return untilClosed(visit, (close, hasCome) => {
		const source = new EventSource(addressOf(visit));
		const hear = ({ data }) => {
			const told = JSON.parse(data);
			if (told.event === "start") {
				hasCome();
				begin();
			}
			visit.hear(told);
			if (told.event === "end") close(told);
		};
		for (const event of ["start", "message", "gap", "joined", "left", "end"]) {
			source.addEventListener(event, hear);
		}
		source.onerror = () => close();
		return source;
	});
}

async function byPolling(visit, begin) {
	// The first one asks who is there, and does not wait.
	let seconds = 0;
	while (!visit.leaving.aborted) {
		const timeout = AbortSignal.timeout(seconds * 1000 + answerMs);
		let response;
		let answer;
		try {
			response = await fetch(addressOf(visit), {
				headers: { prefer: `wait=${seconds}` },
				signal: AbortSignal.any([visit.leaving, timeout]),
			});
			answer = await response.json();
		} catch {
			return {};
		}
		if (!response.ok) return endOf(response, answer);
		begin();
		for (const told of answer.events) visit.hear(told);
		// Also if what was last is not kept any more, or is a gap.
		visit.after = answer.after;
		const { members, more } = answer;
		visit.hear({ event: "members", members, more });
		seconds = pollSeconds;
	}
	return {};
}

/** A request that is wrong stays wrong. Anything else may pass. */
function endOf({ status, headers }, problem) {
	const seconds = Number(headers.get("retry-after"));
	if (seconds > 0) return { retry: spread(seconds * 1000) };
	return status < 500 && status !== 429 ? { problem } : {};
}

async function post(body, { address }) {
	const response = await fetch(address, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(answerMs),
	});
	return { status: response.status, body: await response.json() };
}
