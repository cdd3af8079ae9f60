/** The page of the chat. What others have written becomes text of the document, and never HTML. */
import { enter } from "./connection.js";

/** The page holds no more messages than this. The oldest go first. */
const shownMax = 500;

const $ = (id) => document.getElementById(id);
/** Where the visitor is; null before the door. */
let visit = null;

$("enter").addEventListener("submit", (event) => {
	event.preventDefault();
	const name = $("name").value.trim();
	const room = $("room").value.trim();
	if (name === "" || room === "") return refuse("Write a name and a room.");
	if (room === "." || room === "..") return refuse("No room has that name.");
	sessionStorage.setItem("name", name);
	if (roomOfAddress() === room) open();
	else location.hash = encodeURIComponent(room);
});
$("leave").addEventListener("click", () => {
	sessionStorage.removeItem("name");
	open();
	$("name").focus();
});
$("say").addEventListener("submit", (event) => {
	event.preventDefault();
	const text = $("text").value.trim();
	$("text").value = "";
	$("text").focus();
	if (text !== "") visit.say(text);
});
$("text").addEventListener("keydown", (event) => {
	if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
	event.preventDefault();
	$("say").requestSubmit();
});
$("scroll").addEventListener("scroll", () => {
	if (isAtEnd()) $("newer").hidden = true;
});
$("newer").addEventListener("click", () => scrollToEnd());
addEventListener("hashchange", open);
open();

function roomOfAddress() {
	try {
		return decodeURIComponent(location.hash.slice(1));
	} catch {
		return location.hash.slice(1);
	}
}

/** Shows the room that the address names, or the door if nobody has said who enters. */
function open() {
	visit?.leave();
	visit = null;
	const room = roomOfAddress();
	const name = sessionStorage.getItem("name") ?? "";
	const isInside = room !== "" && name !== "";
	$("door").hidden = isInside;
	$("inside").hidden = !isInside;
	document.title = isInside ? `${room} · Chat` : "Chat";
	refuse("");
	if (isInside) visit = visitOf(room, name);
	else {
		$("room").value = room || "kitchen";
		if (name !== "") $("name").value = name;
	}
}

function refuse(text) {
	$("refused").textContent = text;
}

function visitOf(room, name) {
	/** The messages that are on their way, by the key that this page has given them. */
	const onTheirWay = new Map();
	/** Whose message with which key is shown already: one may come twice if it was sent again. */
	const shown = new Set();
	/** Messages go one after the other, so that they come in the order in which they were written. */
	let lastSent = Promise.resolve();
	const members = new Map();

	$("title").textContent = room;
	$("messages").replaceChildren();
	$("outbox").replaceChildren();
	$("newer").hidden = true;
	$("nothing").hidden = false;
	$("text").focus();
	showMembers([]);
	showConnection("Entering …");

	const { say, leave } = enter(room, name, {
		tell(told) {
			if (told.event === "message") return hear(told.message);
			if (told.event === "gap") return note(gapOf(told));
			if (told.event === "start" || told.event === "members") {
				showMembers(told.members, told.more);
			}
			const { member } = told;
			if (told.event === "joined") members.set(member.name, member);
			if (told.event === "left") members.delete(member.name);
			if (member !== undefined) showMembers([...members.values()]);
		},
		show({ state, way, pauseMs, problem }) {
			if (state === "listening") return showConnection(`Connected ${way}`);
			if (state === "lost") {
				const seconds = Math.ceil(pauseMs / 1000);
				const words = `No connection. Trying again in ${seconds} s.`;
				$("here").textContent = `Here before: ${members.size}`;
				return showConnection(words, "lost");
			}
			sessionStorage.removeItem("name");
			open();
			refuse(wordsOf(problem));
		},
	});
	return { say: write, leave };

	function showMembers(list, more = 0) {
		members.clear();
		for (const member of list) members.set(member.name, member);
		const names = [...members.keys()].toSorted((one, other) =>
			one.localeCompare(other),
		);
		const items = names.map((one) => {
			const item = element("li", { dir: "auto" }, one);
			if (one === name) item.append(element("span", {}, " (you)"));
			return item;
		});
		if (more > 0) items.push(element("li", {}, `and ${more} more`));
		$("members").replaceChildren(...items);
		$("here").textContent = `Here now: ${names.length + more}`;
	}

	function hear({ key, from, text, at }) {
		const whose = JSON.stringify([from, key]);
		if (shown.has(whose)) return;
		shown.add(whose);
		if (from === name) {
			onTheirWay.get(key)?.forget();
		}
		const item = element("li", { "data-whose": whose });
		item.classList.toggle("own", from === name);
		const time = new Date(at);
		item.append(
			element("b", { dir: "auto" }, from),
			element("time", { datetime: time.toISOString() }, clockOf(time)),
			element("p", { dir: "auto" }, text),
		);
		add(item);
	}

	function note(text) {
		// What was sent and not yet heard is among what is lost.
		for (const { wasTaken, fail } of onTheirWay.values()) {
			if (wasTaken) fail("It was sent, and is lost.");
		}
		add(element("li", { class: "gap" }, text));
	}

	function add(item) {
		const wasAtEnd = isAtEnd();
		$("nothing").hidden = true;
		$("messages").append(item);
		while ($("messages").childElementCount > shownMax) {
			const oldest = $("messages").firstElementChild;
			shown.delete(oldest.dataset.whose);
			oldest.remove();
		}
		if (wasAtEnd) scrollToEnd();
		else $("newer").hidden = false;
	}

	/** Shows a message as on its way until the room has told it. */
	function write(text) {
		const key = crypto.randomUUID();
		const item = element("li");
		const state = element("p", { class: "state" });
		const again = element("button", { type: "button" }, "Send again");
		const drop = element("button", { type: "button" }, "Drop");
		item.append(element("p", { dir: "auto" }, text), state, again, drop);
		const sent = { wasTaken: false, fail, forget };
		onTheirWay.set(key, sent);
		again.addEventListener("click", send);
		drop.addEventListener("click", () => {
			forget();
			$("text").focus();
		});
		$("outbox").append(item);
		$("nothing").hidden = true;
		scrollToEnd();
		send();

		function send() {
			sent.wasTaken = false;
			showSending("Sending …", false);
			lastSent = lastSent.then(async () => {
				if (!onTheirWay.has(key)) return;
				try {
					const { status, body } = await say({ key, text });
					if (status === 201) sent.wasTaken = true;
					else fail(`Not sent. ${wordsOf(body)}`);
				} catch {
					fail("Not sent: the gateway did not answer.");
				}
			});
		}

		function fail(words) {
			showSending(words, true);
		}

		function forget() {
			item.remove();
			onTheirWay.delete(key);
		}

		function showSending(words, hasFailed) {
			const hadFocus = item.contains(document.activeElement);
			item.classList.toggle("fault", hasFailed);
			state.textContent = words;
			again.hidden = !hasFailed;
			drop.hidden = !hasFailed;
			if (hadFocus && !hasFailed) $("text").focus();
		}
	}
}

function gapOf({ lost }) {
	if (lost === null) {
		return "The gateway or its store was away, or this room was empty for long. Earlier messages that are not shown above are gone.";
	}
	const [number, are] =
		lost === 1 ? ["1 message", "is"] : [`${lost} messages`, "are"];
	return `${number} that came while you had no connection ${are} not kept any more.`;
}

/** A problem document of the gateway, in words. */
function wordsOf({ title = "The gateway refused it", errors = [] } = {}) {
	const faults = errors.map(({ at, message }) => `${at} ${message}`);
	return [title, ...faults].join(": ").concat(".");
}

function showConnection(text, kind = "") {
	$("state").textContent = text;
	$("state").className = kind;
}

function isAtEnd() {
	const { scrollHeight, scrollTop, clientHeight } = $("scroll");
	return scrollHeight - scrollTop - clientHeight < 40;
}

function scrollToEnd() {
	$("scroll").scrollTop = $("scroll").scrollHeight;
	$("newer").hidden = true;
}

const clockOf = (time) =>
	time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** Only ever with text: a message is no HTML. */
function element(name, attributes = {}, text = "") {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		made.setAttribute(key, value);
	}
	made.textContent = text;
	return made;
}
