/**
 * Words of other gateways. A row holds for a map that knows the key `here`. Its cure says what to write; null if `here`
 * itself is the word. The first row that fits counts.
 */
interface Row {
	readonly words: string;
	readonly here: string;
	readonly cure: string | null;
}

const row = (words: string, here: string, cure: string | null = null): Row => ({
	words,
	here,
	cure,
});

const ofUpstream = "it belongs to the upstream";
const callHere = "write the call as `get: <upstream>/<path>`";

const rows: readonly Row[] = [
	// A call with its keys.
	row("if condition onlyif", "when"),
	row("unless skip skipif", "when", "write the contrary: `when: ${!…}`"),
	row("while", "repeat", "write `repeat: { while: ${…}, max: 20 }`"),
	row(
		"until dowhile poll polling pollinterval",
		"repeat",
		"write `repeat: { while: ${…}, max: 20, wait: 1s }`",
	),
	row(
		"paginate pagination paging pages nextpage cursor",
		"repeat",
		"write `repeat: { while: ${answer.next}, max: 20 }`, and read `last` in `query`",
	),
	row(
		"loop iterate",
		"repeat",
		"write `each: ${list}` for the items of a list, or `repeat: { while: ${…}, max: 20 }`",
	),
	row("until", "while", "write the contrary: `while: ${!…}`"),
	row("foreach for loop iterate withitems", "each"),
	row(
		"race any anyof quorum first firstof some atleast minsuccess",
		"enough",
		"write `enough: 1`, or how many must succeed, beside `each`",
	),
	row(
		"dependson depends needs requires waitfor",
		"after",
		"remove it, because a step waits for what it reads, or write `after: [step]`",
	),
	row("catch onerror onfailure rescue default otherwise else", "fallback"),
	row(
		"compensate compensation compensatewith rollback onrollback revert cancel saga",
		"undo",
		"write `undo: { delete: <upstream>/<path> }`",
	),
	row(
		"continueonerror ignoreerrors allowfailure ignore",
		"optional",
		"write `optional: true`",
	),
	row(
		"transform select extract jsonpath jq map mapping projection",
		"pick",
		"write `pick: ${answer.name}`",
	),
	row("validate assert check", "expect", "write `expect: ${answer.ok}`"),
	row(
		"retries retry retrypolicy maxretries attempts",
		"within",
		`${ofUpstream}: write \`retry: true\` there`,
	),
	row(
		"circuitbreaker breaker",
		"within",
		`${ofUpstream}: write \`breaker: true\` there`,
	),
	row(
		"cache ttl cachettl",
		"within",
		`${ofUpstream}: write \`cache: { for: 1m }\` there`,
	),
	row("coalesce hedge limiter budget", "within", ofUpstream),
	row("concurrency maxconcurrency", "parallel"),
	row(
		"params parameters qs querystring searchparams",
		"answers",
		"write `query`",
	),
	row("json data payload", "form", "write `body`"),
	row(
		"auth authorization bearer apikey token credentials",
		"answers",
		'write a header: `headers: { authorization: "Bearer …" }`',
	),
	row("url uri endpoint call request http fetch", "get", callHere),
	row("method verb", "get", `the method is the key: ${callHere}`),
	row("return respond", "reply"),
	row("function js script lambda", "run", "write `run: ./file.ts#name`"),
	row("parallel group concurrent", "reply", "write `steps`: they run at once"),
	row("set assign let var", "value"),
	// The rounds of a step.
	row(
		"limit times count rounds attempts maxrounds maxattempts pages",
		"wait",
		"write `max`",
	),
	row("delay interval every pause sleep backoff", "wait"),
	row("condition if when", "while"),
	// A route.
	row("response responds result results output return returns", "respond"),
	row("timeout", "deadline"),
	row(
		"backend",
		"proxy",
		"write the calls as `steps`, or `proxy: <upstream>/<path>`",
	),
	row(
		"concurrentcalls",
		"steps",
		"remove it, or write `hedge: true` at the upstream",
	),
	row(
		"inputquerystrings inputheaders",
		"request",
		"write `request: { query: { name: { type: string } } }`, or `headers` there",
	),
	row(
		"cors",
		"respond",
		"it holds for all routes: write `server: { cors: … }`",
	),
	row(
		"plugins plugin middleware middlewares extraconfig",
		"respond",
		"remove it, because what a route does is written in its keys",
	),
	row(
		"query params body cookies",
		"request",
		"what a client may send is declared under `request`",
	),
	row(
		"method methods path handler",
		"respond",
		"it stands in the route's key: `GET /path`",
	),
	row(
		"upstream backend target service url proxypass",
		"proxy",
		"write `proxy: <upstream>/<path>`",
	),
	row(
		"retry retries breaker circuitbreaker cache hedge coalesce limiter",
		"proxy",
		ofUpstream,
	),
	row(
		"ratelimits throttle",
		"rateLimit",
		"write `rateLimit: { limit: 100, per: 1m }`",
	),
	// A request's declared values.
	row("path pathparams parameters", "cookies", "write `params`"),
	row(
		"formdata multipart urlencoded fields formparams",
		"form?",
		"write `form`",
	),
	row(
		"file files upload uploads attachments",
		"form?",
		"write `form: { photo: { type: file } }`",
	),
	row(
		"rawbody raw rawtext plaintext",
		"text?",
		"write `text: {}`, or `bytes: {}`",
	),
	row("binary buffer blob", "bytes?", "write `bytes: {}`"),
	row("json data payload", "body?", "write `body`"),
	row("contenttype contenttypes accept mediatypes consumes", "types"),
	row("querystring qs search", "cookies", "write `query`"),
	row(
		"required optional nullable",
		"type",
		"a value is required unless its name ends in `?`, or it has a `default`",
	),
	row("regex regexp", "pattern"),
	row("format", "pattern", "write a `pattern` and a `maxLength`"),
	row("min", "minLength"),
	row("max", "maxLength"),
	row("min", "minimum"),
	row("max", "maximum"),
	row("min", "minItems"),
	row("max", "maxItems"),
	row("values oneof options", "enum"),
	row("title example examples comment", "type", "write a `description`"),
	// An upstream.
	row(
		"urlpattern",
		"url",
		"write the path where it is called: `get: <upstream>/<path>`",
	),
	row("host address baseurl base target endpoint uri server", "url"),
	row("hosts servers targets nodes endpoints backends", "urls"),
	row(
		"retries retrypolicy maxretries attempts",
		"retry",
		"write `retry: { attempts: 3 }`",
	),
	row("circuitbreaker", "breaker", "write `breaker: true`"),
	row("ttl cachettl caching", "cache", "write `cache: { for: 1m }`"),
	row("ttl maxage expires expiry", "for", "write `for: 1m`"),
	row("poolsize maxconnections maxsockets pool", "connections"),
	row("connecttimeout readtimeout requesttimeout", "timeout"),
	row(
		"ratelimit throttle",
		"limiter",
		"a client is limited by `rateLimit` at the top or in a route, an upstream by `limiter`",
	),
	row(
		"loadbalancer loadbalancing balance balancer strategy lb",
		"urls",
		"remove it, because of several `urls` the fastest one is asked",
	),
	row(
		"healthcheck healthchecks",
		"breaker",
		"write `breaker: true`, which judges by the calls themselves",
	),
	row(
		"authorization bearer apikey token credentials oauth oauth2 basic",
		"urls",
		'write `auth: { bearer: "${env.TOKEN}" }`, or a header: `headers: { x-api-key: "${env.TOKEN}" }`',
	),
	row(
		"keepalive",
		"urls",
		"remove it, because connections are kept as long as the upstream keeps them",
	),
	row(
		"insecure skipverify rejectunauthorized verify",
		"ca",
		"a certificate is always verified: name the file of its CA in `ca`",
	),
	// The policies.
	row("upgrade ws wss websockets", "websocket", "write `websocket: true`"),
	row("count times max retries maxattempts", "attempts"),
	row(
		"backoff delay interval wait",
		"attempts",
		"remove it, because the wait is random and grows",
	),
	row(
		"threshold failures errorthreshold failurethreshold",
		"errorRate",
		"write a share: `errorRate: 0.5`",
	),
	row(
		"timeout resettimeout cooldown pause sleepwindow opentimeout",
		"probeEvery",
	),
	row("minimumrequests volume volumethreshold requests minimum", "calls"),
	row("delay after", "percentile"),
	row("requests max count rate", "per", "write `limit`"),
	row("window period interval duration every", "per"),
	row("key keyby", "by"),
	row(
		"burst",
		"per",
		"make `rateLimit` a list, and add a limit with a short `per`",
	),
	row("upstream target url path", "to", "write `to: <upstream>/<path>`"),
	row(
		"striprefix stripprefix rewrite",
		"to",
		"write `to: <upstream>/{rest*}`, and end the route's path with `{rest*}`",
	),
	row("timeout", "idle", "write `idle`, or the upstream's `timeout`"),
	row("passheaders forwardheaders", "pass"),
	// The server, and the top.
	row(
		"timeout timeouts",
		"requestTimeout",
		"a client has `requestTimeout`, a route `deadline`, an upstream `timeout`",
	),
	row("keepalive keepalivetimeout", "idleTimeout"),
	row(
		"hsts stricttransportsecurity",
		"addressHeader",
		"write `headers: { strict-transport-security: max-age=31536000 }` beside `server`",
	),
	row(
		"logclienterrors",
		"idleTimeout",
		"write `log: { clientErrors: true }` beside `server`",
	),
	row(
		"log logs logging accesslog logger loglevel",
		"idleTimeout",
		"write `log: { requests: all }` beside `server`",
	),
	row("bodylimit maxbodysize clientmaxbodysize bodysize limit", "maxBody"),
	row("address listen bind", "addressHeader", "write `host` and `port`"),
	row("trustproxy trustedproxy trustedips", "trustedProxies"),
	row("ssl https", "tls"),
	row(
		"gzip brotli br zstd compression compress",
		"addressHeader",
		"remove it, because answers are compressed as clients ask, or write `compress: false` in a route",
	),
	row(
		"http2 h2 alpn",
		"addressHeader",
		"remove it, because with `tls` clients may use HTTP/2",
	),
	row("certificate certfile crt pem", "cert"),
	row("privatekey keyfile certkey", "key"),
	row("ca cafile", "clientCa"),
	// Who may ask.
	row("jwksuri jwksurl jwkset", "jwks"),
	row("iss issuers", "issuer"),
	row("aud audiences", "audience"),
	row("alg algs algorithm", "algorithms"),
	row("apikey apikeys keyauth", "mtls", "write `keys: { file: ./keys.yaml }`"),
	row(
		"token tokens bearer oidc openid oauth2",
		"mtls",
		"write `jwt: { issuer: …, audience: …, jwks: … }`",
	),
	row(
		"password passwords htpasswd",
		"mtls",
		"write `basic: { file: ./staff.yaml }`",
	),
	row("certificate certificates clientcert", "mtls"),
	// The top.
	row("timeout timeouts", "upstreams", "write `defaults: { timeout: 3s }`"),
	row(
		"cache cachettl caching",
		"upstreams",
		"write `cache: { for: 1m }` in an upstream",
	),
	row(
		"consumers users credentials authentication",
		"auth",
		"write who may ask under `auth`",
	),
	row(
		"plugins plugin middleware middlewares extraconfig",
		"upstreams",
		"remove it, because what a route does is written in its keys",
	),
	row(
		"tls ssl https",
		"upstreams",
		"write `server: { tls: { cert: …, key: … } }`",
	),
	row(
		"metrics prometheus",
		"upstreams",
		"remove it, because `admin` has them at `/metrics`",
	),
	row(
		"tracing telemetry otel opentelemetry",
		"upstreams",
		"set the variables `OTEL_…`, as docs/operating.md says",
	),
	row("redis valkey", "store"),
	row("workers", "upstreams", "it stands under `server`"),
	row("services backends apis clusters", "upstreams"),
	row("paths endpoints handlers", "routes"),
	row("listen port", "upstreams", "write `server: { port: 8080 }`"),
	row("host cors hosts", "upstreams", "it stands under `server`"),
	row(
		"accesslog logging logger requestlog",
		"upstreams",
		"write `log: { requests: all }`",
	),
	row("version apiversion kind metadata", "upstreams", "remove it"),
	row(
		"env environment variables",
		"upstreams",
		"write `${env.NAME}` where it is needed",
	),
	row("enabled enable", "", "remove it, because what is written is on"),
	row("disabled disable", "", "remove the section itself"),
];

/** The end of a message about a key that another gateway has. Empty if no row fits. */
export function insteadOfKey(key: string, known: readonly string[]): string {
	const word = key.toLowerCase().replaceAll(/[_-]/g, "");
	const fits = ({ words, here }: Row) =>
		(here === "" || known.includes(here)) && words.split(" ").includes(word);
	const found = rows.find(fits);
	if (found === undefined) return "";
	return found.cure === null
		? ` — did you mean \`${found.here}\`?`
		: `: ${found.cure}`;
}

/** Other languages' names of types, by what they are called here. */
const typeNames: ReadonlyMap<string, string> = new Map(
	[
		["int int32 int64 long", "integer"],
		["float double decimal num", "number"],
		["bool", "boolean"],
		["str text uuid date email", "string"],
		["upload attachment binary blob", "file"],
		["list string[] integer[] number[]", "array"],
	].flatMap(([words = "", name = ""]) =>
		words.split(" ").map((word): [string, string] => [word, name]),
	),
);

/** The type that is meant; null if none is known. */
export function typeMeant(written: unknown): string | null {
	return typeof written === "string"
		? (typeNames.get(written.toLowerCase()) ?? null)
		: null;
}
