/** Requests as clients send them. Some are simple, others are good and not simple. */
const whole = [
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a/b?c=d&e[]=%20f HTTP/1.1\r\nhost: a.example:80\r\nAccept: */*\r\nUser-Agent: x/1 (y; z)\r\n\r\n",
	"HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	"POST /p HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n[12]",
	`POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: 87\r\n\r\n${"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3)}123456`,
	`POST /too-long HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n${"[".repeat(101)}`,
	"POST /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n[12]",
	"PUT /p HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 0\r\n\r\n",
	"PATCH /p HTTP/1.1\r\nContent-Length: 12\r\nHost: a\r\n\r\nGET / HTTP/1",
	"DELETE /d?x HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Tab:\tb\r\n\r\n",
	"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	"OPTIONS /o HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d\r\n\r\n",
	"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"GET /old HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	"GET http://a/absolute HTTP/1.1\r\nHost: a\r\n\r\n",
	"REPORT /r HTTP/1.1\r\nHost: a\r\n\r\n",
];

/** What is put into a request, or in place of a part of it. */
const noise = [
	...'\r\n \t\0:;,/?#%\\"<>[]{}|^`@_-+=0159aAzZGP'.split(""),
	...["\x01", "\x0b", "\x0c", "\x1b", "\x7f", "\x80", "\xa0", "\xc3\xa9"],
	...["\xff", "\r\n", "\n\n", "\r\n\r\n", "\r\r\n", "\n\r", " \r\n", "\t\r\n"],
	...["\r\n ", "\r\n\t", "  ", "//", "/../", "://", "%00", "%0d%0a"],
	"Host: b\r\n",
	"Host : a\r\n",
	"hOsT: a\r\n",
	"Content-Length: 3\r\n",
	"Content-Length: +4\r\n",
	"Content-Length: 04\r\n",
	"Content-Length: 4, 4\r\n",
	"Content-Length : 4\r\n",
	"Content-Length:\r\n",
	"Content-Length: 0x4\r\n",
	"Content-Length: 8707199254740993\r\n",
	"Content_Length: 4\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Transfer-Encoding: identity\r\n",
	"Transfer-Encoding : chunked\r\n",
	"Transfer-Encoding:\x0bchunked\r\n",
	"Connection: close\r\n",
	"Connection: keep-alive\r\n",
	"Connection: Upgrade\r\n",
	"Connection: close, x\r\n",
	"Proxy-Connection: close\r\n",
	"Upgrade: h2c\r\n",
	"Expect: 100-continue\r\n",
	"Expect: x\r\n",
	"TE: trailers\r\n",
	"X: y\r\n",
	": y\r\n",
	"X y\r\n",
	"X\x00: y\r\n",
	"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
	"0\r\n\r\n",
	`X-Long: ${"y".repeat(900)}\r\n`,
	"A: b\r\n".repeat(12),
	" HTTP/1.0",
	" HTTP/1.1",
	"HTTP/1.2",
	"#fragment",
];

type Random = () => number;

function oneOf<T>(list: readonly T[], random: Random): T {
	return list[Math.floor(random() * list.length)] as T;
}

/** One to three requests, with up to three faults. Each character is a byte. */
function spoiledRequests(random: Random): string {
	const count = 1 + Math.floor(random() * 3);
	let text = "";
	for (let each = 0; each < count; each++) text += oneOf(whole, random);
	const faults = Math.floor(random() * 4);
	for (let each = 0; each < faults; each++) {
		const at = placeIn(text, random);
		const removed = random() < 0.5 ? 0 : Math.floor(random() * 4);
		const added = random() < 0.15 ? "" : oneOf(noise, random);
		text = text.slice(0, at) + added + text.slice(at + removed);
	}
	return text;
}

/**
 * Spoiled requests with the places where they are cut. Every fourth comes whole, and the cut moves on by a byte from one to the
 * next. Every fourth is cut at three places more.
 */
export function spoiledAndCut(count: number, random: Random) {
	return Array.from({ length: count }, (_, at) => {
		const text = spoiledRequests(random);
		const most = Math.max(1, text.length - 1);
		const cuts = at % 4 === 0 ? [] : [1 + (at % most)];
		if (at % 4 === 1) {
			const more = Array.from({ length: 3 }, () => random() * most);
			cuts.push(...more.map((one) => 1 + Math.floor(one)));
		}
		return [text, cuts.toSorted((a, b) => a - b)] as const;
	});
}

/** Half of the faults stand where a line begins, because whole lines are among the noise. */
function placeIn(text: string, random: Random): number {
	const anywhere = Math.floor(random() * (text.length + 1));
	if (random() < 0.5) return anywhere;
	const line = text.indexOf("\r\n", anywhere);
	return line < 0 ? anywhere : line + 2;
}

/** Requests that have made two parties disagree somewhere. */
export const smuggled: Readonly<Record<string, string>> = {
	"CL.TE":
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
	"TE.CL":
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n",
	"TE.TE":
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
	"CL.0": `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n`,
	"GET with a body that is a request":
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
	"two lengths":
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\nabcd",
	"two equal lengths":
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
	...fieldCases("a length", [
		...["Content-Length: +5", "Content-Length: -5", "Content-Length: 5 "],
		...["Content-Length:5", "Content-Length:\t5", "Content-Length : 5"],
		...["Content-Length: 05", "Content-Length: 5,5", "Content-Length: 5;5"],
		...["Content-Length: 0x5", "Content-Length: 5e0", "Content-Length:"],
		...["Content-Length: \xb2", "content-length: 5", "CONTENT-LENGTH: 5"],
		...["Content-Length\x00: 5", "Content_Length: 5", "Content-Length: 5\n"],
		"Content-Length: 99999999999999999999",
	]),
	...fieldCases("a coding", [
		...["Transfer-Encoding: chunked", "Transfer-Encoding : chunked"],
		...["Transfer-Encoding:chunked", "transfer-encoding: CHUNKED"],
		...["Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\x0b"],
		...["Transfer_Encoding: chunked", "X: y\r\n Transfer-Encoding: chunked"],
		...["Transfer-Encoding\t: chunked", "X: y\nTransfer-Encoding: chunked"],
	]),
	...fieldCases("a field", [
		...["X: a\rb", "X: a\nb", "X: a\0b", "X: a\x7fb", "X: \x80", "X: \xff"],
		...["X: a\r\n b", "X: a\r\n\tb", " X: a", "X", ":", "X:", "X: ", "X:\t\t"],
		...["X : a", "X\t: a", "X@: a", "X(: a", "\x80: a", "X: a ", "X: a\t"],
		...["Connection: close", "Connection: Close", "Connection: x"],
		...["Connection: close, keep-alive", "Connection:", "Connection: ,close"],
		...["Connection: keep-alive\r\nConnection: close", "Upgrade: websocket"],
		...["Proxy-Connection: close", "Proxy-Connection: keep-alive", "TE: a"],
		...["Expect: 100-continue", "Expect: 200-ok", "Keep-Alive: timeout=1"],
		...["Host: a", "Host: b", "host:", `X: ${"y".repeat(2000)}`],
		...["Trailer: x", "HTTP2-Settings: x", "Transfer-Encoding:"],
		"X: y\r\n".repeat(20).slice(0, -2),
	]),
	...lineCases([
		...["GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1"],
		...["GET / HTTP/1.1 ", " GET / HTTP/1.1", "get / HTTP/1.1"],
		...["GET / http/1.1", "GET / HTTP/1.01", "GET / HTTP/1.0", "GET /"],
		...["GET / HTTP/2.0", "GET / HTTP/1.2", "GET / HTTP/1", "GET / HTTP/1.1x"],
		...["GET //b/ HTTP/1.1", "GET /\\b HTTP/1.1", "GET /a#b HTTP/1.1"],
		...["GET * HTTP/1.1", "OPTIONS * HTTP/1.1", "GET b HTTP/1.1"],
		...["GET ?a HTTP/1.1", "GET http://b/ HTTP/1.1", "GET https: HTTP/1.1"],
		...["CONNECT b:1 HTTP/1.1", "BREW / HTTP/1.1", "PRI * HTTP/2.0"],
		...["GET /\x80 HTTP/1.1", "GET /\0 HTTP/1.1", "GET /%00 HTTP/1.1"],
		...["GET /{a} HTTP/1.1", 'GET /"a" HTTP/1.1', "GET /a|b HTTP/1.1"],
		...["GET /../.. HTTP/1.1", "GET /a;b HTTP/1.1", "TRACE / HTTP/1.1"],
		...["\r\nGET / HTTP/1.1", "\nGET / HTTP/1.1", "GET / HTTP/1.1\r"],
		`GET /${"a".repeat(2000)} HTTP/1.1`,
	]),
	"LF alone": "GET / HTTP/1.1\nHost: a\n\n",
	"LF at the end": "GET / HTTP/1.1\r\nHost: a\r\n\n",
	"CR alone": "GET / HTTP/1.1\rHost: a\r\r",
	"no Host": "GET / HTTP/1.1\r\n\r\n",
	"a request behind one that ends the connection":
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
	"17 requests": "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(17),
	"18 requests, of which the 10th is not simple":
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(9) +
		"LOCK / HTTP/1.1\r\nHost: a\r\n\r\n" +
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(8),
};

/** A request with this field, a body and another request behind it. */
function fieldCases(what: string, fields: readonly string[]) {
	return Object.fromEntries(
		fields.map((field) => [
			`${what} ${JSON.stringify(field)}`,
			`POST / HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n12345GET /x HTTP/1.1\r\nHost: a\r\n\r\n`,
		]),
	);
}

function lineCases(lines: readonly string[]) {
	return Object.fromEntries(
		lines.map((line) => [
			`the line ${JSON.stringify(line)}`,
			`${line}\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n`,
		]),
	);
}
