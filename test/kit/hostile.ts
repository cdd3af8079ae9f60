/**
 * Texts that have led somebody astray, somewhere: each has to arrive as the data it is, or be refused. `canaryPort` is a
 * port to which none of them may lead.
 */
export function hostileStrings(canaryPort: number): readonly string[] {
	const canary = `127.0.0.1:${canaryPort}`;
	return [
		...traversals,
		...separators,
		...lineBreaks,
		...unusualCharacters,
		...keysAndCode,
		...fieldNames,
		...lengths,
		...ledTo(canary),
		...suiteCanary().flatMap(ledTo),
		`x\r\nHost: ${canary}`,
		`x\r\n\r\nGET http://${canary}/ HTTP/1.1\r\nHost: ${canary}\r\n\r\n`,
	];
}

const traversals = [
	".",
	"..",
	"...",
	"",
	"/",
	"//",
	"../",
	"/..",
	"../../../etc/passwd",
	"..\\..\\windows",
	"..%2f",
	"%2e",
	"%2e%2e",
	"%2E%2e/",
	".%2e",
	"%2e%2e%2f",
	"%252e%252e%252f",
	"%c0%ae%c0%ae%c0%af",
	"%u002e%u002e",
	"..;/",
	"..;",
	"..%00",
	"..%5c",
	"..\u0000",
	" ..",
	".. ",
	"\t..",
	"\u2024\u2024/",
	"\uff0e\uff0e\uff0f",
	"\u2215..\u2216",
	"\u2044",
	"%ef%bc%8f",
];

const separators = [
	"?",
	"#",
	";",
	"&",
	"=",
	"@",
	":",
	"+",
	"%",
	"%%",
	"%2",
	"%zz",
	"a b",
	"a?admin=true",
	"a#fragment",
	"a&admin=true",
	"a;admin=true",
	"&fixed=no&v=",
	"v[]=1&v[admin]=1",
	"%26key%3Dtheirs",
	"key=theirs",
	"a,b",
	'"',
	"'; drop table users; --",
	'"}, "admin": true, {"',
	"<script>alert(1)</script>",
];

const lineBreaks = [
	"\r",
	"\n",
	"\r\n",
	"\0",
	"x\r\nx-admin: 1",
	"x\nx-admin: 1",
	"x\rx-admin: 1",
	"x\r\n x-folded: 1",
	"x\r\n\tx-folded: 1",
	"x\r\nTransfer-Encoding: chunked",
	"x\r\nContent-Length: 0\r\n\r\n",
	"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
	"x HTTP/1.1\r\nHost: x\r\n\r\n",
	"%0d%0ax-admin:%201",
	"%0a",
	"%00",
	"%250d%250a",
	"x\u2028x-admin: 1",
	"x\u2029x-admin: 1",
	"x\u0085x-admin: 1",
	"x\u010d\u010ax-admin: 1",
	"\u560d\u560ax-admin: 1",
	"x\u000bx\u000cx",
	"set-cookie: a=1; path=/",
];

const unusualCharacters = [
	"\ud800",
	"\udc00x",
	"x\udfff\ud800",
	"🦊",
	"👩‍👩‍👧",
	"é",
	"e\u0301",
	"\u202eexe.txt",
	"\u200f",
	"\u200b",
	"\ufeffx",
	"\ufffd",
	"\uffff",
	"\u007f",
	"\u0080",
	"\u00a0",
	"\u001b[31m",
	"ÿ",
];

const keysAndCode = [
	"__proto__",
	"constructor",
	"prototype",
	"toString",
	"hasOwnProperty",
	"__defineGetter__",
	"__proto__[polluted]",
	'{"__proto__":{"polluted":true}}',
	"${process.env}",
	"${env.PATH}",
	"${'$'}{",
	"$${",
	"{{7*7}}",
	"#{7*7}",
	"<%= 7 %>",
	"{v}",
	"{rest*}",
	"null",
	"undefined",
	"NaN",
	"[object Object]",
	"-1",
	"1e400",
];

/** What frames or routes a message, where a name can be chosen. */
const fieldNames = [
	"Host",
	"Content-Length",
	"Transfer-Encoding",
	"Connection",
	"Keep-Alive",
	"Upgrade",
	"Expect",
	"TE",
	"Trailer",
	"X-Key",
];

const lengths = ["x".repeat(2000), "../".repeat(500), "🦊".repeat(200)];

/** The same place, as URLs, paths and half of either. */
function ledTo(host: string): string[] {
	return [
		`//${host}/`,
		`/\\${host}/`,
		`\\\\${host}\\`,
		`///${host}`,
		`http://${host}/`,
		`http:${host}`,
		`http:\\\\${host}/`,
		`HTTP://user:password@${host}/`,
		`@${host}/`,
		`:80@${host}/#`,
		`x@${host}`,
		`.${host}`,
		`${host}`,
		`http%3A%2F%2F${host}/`,
		`%2f%2f${host}/`,
		`http://[::ffff:127.0.0.1]:${host.split(":")[1]}/`,
		`http://2130706433:${host.split(":")[1]}/`,
		`http://0x7f.1:${host.split(":")[1]}/`,
		`http://localhost:${host.split(":")[1]}/`,
		`\thttp://${host}/`,
	];
}

/** The canary of the whole run, where the run has one: see test/setup.ts. */
function suiteCanary(): string[] {
	const port = process.env["SUITE_CANARY_PORT"];
	return port ? [`127.0.0.1:${port}`] : [];
}
