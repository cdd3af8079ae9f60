import type { ServerResponse } from "node:http";
import { json, type SeenRequest } from "../../kit/upstream.ts";
import { keySet } from "./credentials.ts";

/** What a recipe's services answer: to a call, `METHOD /upstream/path?query body`, with JSON or by a function. */
export type Canned = Readonly<Record<string, unknown>>;

/** Answers a call; `others` resolves when all the other calls of the recipe have been made. */
export type Answer = (
	request: SeenRequest,
	response: ServerResponse,
	others: Promise<void>,
) => void | Promise<void>;

/** Another status than 200, with a body where one is given. */
function status(code: number, body: unknown = {}): Answer {
	return (_, response) => json(response, body, code);
}

/** A 404 that ends a run: only when its other calls, which it drops, have arrived. */
const lastOf404: Answer = async (_, response, others) => {
	await others;
	json(response, {}, 404);
};

/** JSON that is enough: only when the recipe's other calls, which it ends, have arrived. */
function afterOthers(body: unknown): Answer {
	return async (_, response, others) => {
		await others;
		json(response, body);
	};
}

/** One body after the other, the last for all that follow. */
function inTurn(...bodies: readonly unknown[]): Answer {
	let at = 0;
	return (_, response) => {
		json(response, bodies[Math.min(at++, bodies.length - 1)]);
	};
}

/** No answer: whoever waits for it has to end the call. */
const never: Answer = () => {};

/** JSON for whoever holds the token, 401 for others. */
function withToken(body: unknown): Answer {
	return ({ rawHeaders }, response) => {
		if (rawHeaders.includes("Bearer t/1=")) json(response, body);
		else json(response, {}, 401);
	};
}

function soap(reference: string): Answer {
	return ({ rawHeaders }, response) => {
		if (!rawHeaders.includes("text/xml; charset=utf-8")) {
			return json(response, {}, 415);
		}
		response.writeHead(200, { "content-type": "text/xml" });
		response.end(`<Envelope><Reference>${reference}</Reference></Envelope>`);
	};
}

const oslo = {
	alfa: [
		{ id: "h1", name: "Grand", price: 120 },
		{ id: "h2", name: "Bristol", price: 90 },
	],
	bravo: { hotels: [{ id: "h1", name: "Grand", price: 110 }] },
	carlo: { results: [{ hotelId: "h3", name: "Opera", cost: 200, rank: 1 }] },
};

const graphql = (id: string) =>
	JSON.stringify({
		query:
			"query ($id: ID!) {\n  person(id: $id) { name friends { name } }\n}\n",
		variables: { id },
	});

const envelope = (
	to: string,
) => `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
  <Transfer xmlns="urn:bank"><To>${to}</To><Amount>5.00</Amount></Transfer>
</s:Body></s:Envelope>
`;

const quotesOf = (...symbols: readonly string[]) =>
	`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetQuotes xmlns="urn:market">${symbols.map((one) => `<Symbol>${one}</Symbol>`).join("")}</GetQuotes></s:Body></s:Envelope>`;

function quotes(inside: string): Answer {
	return envelopeWith(
		200,
		`<GetQuotesResponse xmlns="urn:market">${inside}</GetQuotesResponse>`,
	);
}

function envelopeWith(code: number, inside: string): Answer {
	return (_, response) => {
		response.writeHead(code, { "content-type": "text/xml; charset=utf-8" });
		response.end(
			`<?xml version="1.0" encoding="utf-8"?>\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">\n  <s:Body>${inside}</s:Body>\n</s:Envelope>\n`,
		);
	};
}

/** A file of eleven bytes, whole or the range that was asked for. */
const download: Answer = ({ rawHeaders }, response) => {
	const isPart = rawHeaders.includes("bytes=0-4");
	const text = isPart ? "id,to" : "id,total\n1,";
	response.writeHead(isPart ? 206 : 200, {
		"content-type": "text/csv",
		"content-length": text.length,
		etag: '"s7"',
		...(isPart ? { "content-range": "bytes 0-4/11" } : {}),
	});
	response.end(text);
};

/** Only Ada may have the file. */
const whoseFile: Answer = ({ rawHeaders }, response) => {
	if (rawHeaders.includes("Ada")) json(response, { file: "sales-7.csv" });
	else json(response, {}, 403);
};

/**
 * By the number of the recipe. Each call must be made, by one of the recipe's requests, and no other: so the tests see
 * also what is not asked.
 */
export const canned: Readonly<Record<number, Canned>> = {
	1: {
		"GET /catalog/products/7": { name: "Lamp", price: 19.5, cost: 4 },
		"GET /warehouse/stock/7": { available: 3 },
		"GET /opinions/reviews?product=7&limit=2": [
			{ stars: 5, text: "Bright.", author: "ada@mail.test" },
		],
		"GET /catalog/products/8": { name: "Chair", price: 80 },
		"GET /warehouse/stock/8": status(500),
		"GET /opinions/reviews?product=8&limit=2": status(503),
		"GET /catalog/products/9": lastOf404,
		"GET /warehouse/stock/9": { available: 0 },
		"GET /opinions/reviews?product=9&limit=2": [],
	},
	2: {
		"GET /users/users/7": { name: "Ada", orders: [1, 2] },
		"GET /orders/orders/1": {
			placed: "2026-01-05",
			items: [
				{ product: 11, count: 2 },
				{ product: 12, count: 1 },
			],
		},
		"GET /orders/orders/2": {
			placed: "2026-02-11",
			items: [{ product: 13, count: 4 }],
		},
		"GET /catalog/products/11": { name: "Lamp" },
		"GET /catalog/products/12": { name: "Chair" },
		"GET /catalog/products/13": status(500),
	},
	3: {
		"GET /orders/orders?user=7": [
			{
				id: 1,
				items: [
					{ product: 11, count: 2 },
					{ product: 12, count: 1 },
				],
			},
			{ id: 2, items: [{ product: 11, count: 4 }] },
		],
		"GET /catalog/products?id=11&id=12": [
			{ id: 12, name: "Chair" },
			{ id: 11, name: "Lamp" },
		],
		"GET /orders/orders?user=8": [],
	},
	4: {
		"POST /identity/token grant_type=password&username=ada&password=engine": {
			access_token: "t/1=",
		},
		"POST /identity/token grant_type=password&username=ada&password=guess":
			status(401, { error: "invalid_grant" }),
		"GET /users/me": withToken({ name: "Ada", email: "ada@mail.test" }),
		"GET /users/me/messages": withToken([{ read: true }, { read: false }]),
	},
	5: {
		"GET /github/orgs/acme/repos?per_page=100": [
			{ name: "spring", stargazers_count: 7 },
			{ name: "anvil", stargazers_count: 900 },
			{ name: "rocket", stargazers_count: 50 },
		],
		"GET /github/repos/acme/anvil/contributors?per_page=2": [
			{ login: "wile" },
			{ login: "ada" },
		],
		"GET /github/repos/acme/rocket/contributors?per_page=2": [
			{ login: "wile" },
		],
	},
	6: {
		"GET /alfa/search?city=Oslo": oslo.alfa,
		"GET /bravo/hotels?q=Oslo": oslo.bravo,
		"GET /carlo/search/Oslo": oslo.carlo,
		'POST /delta/query {"where":{"city":"Oslo"}}': [],
		"GET /echo/search?city=Oslo": status(502),
		"GET /alfa/search?city=Atlantis": status(500),
		"GET /bravo/hotels?q=Atlantis": status(500),
		"GET /carlo/search/Atlantis": status(500),
		'POST /delta/query {"where":{"city":"Atlantis"}}': status(500),
		"GET /echo/search?city=Atlantis": status(500),
	},
	7: {
		'POST /orders/orders {"item":"lamp","key":"request"}': {
			id: 1,
			total: 19.5,
		},
		'POST /payments/charges {"order":1,"amount":19.5,"card":"4242"}': {
			id: "p1",
		},
		'PUT /orders/orders/1/payment {"payment":"p1"}': {},
		'POST /mail/messages {"template":"thanks","order":1}': status(202),
		'POST /orders/orders {"item":"chair","key":"request"}': {
			id: 2,
			total: 80,
		},
		'POST /payments/charges {"order":2,"amount":80,"card":"0000"}': status(
			402,
			{ reason: "insufficient funds" },
		),
		"DELETE /orders/orders/2": status(204, null),
	},
	8: {
		"GET /flags/flags/new-search?user=ada": { on: true },
		"GET /flags/flags/new-search?user=bob": { on: false },
		"GET /flags/flags/new-search?user=eve": status(500),
		"GET /search_v2/search?query=lamp": { hits: [{ title: "Lamp, new" }] },
		"GET /search_v1/find?text=lamp": ["Lamp"],
	},
	9: {
		"GET /crm/api/v3/companies": {
			data: [
				{
					company_id: 1,
					attributes: {
						display_name: "Acme",
						address: { street: "Karl Johan 1", city: "Oslo" },
					},
					people: [
						{
							id: 5,
							ssn: "1",
							full_name: "Ada",
							emails: [
								{ address: "old@acme.test", primary: false },
								{ address: "ada@acme.test", primary: true },
							],
						},
						{ id: 6, ssn: "2", full_name: "Bob", emails: [] },
					],
				},
				{
					company_id: 2,
					attributes: { display_name: "Umbrella" },
					people: [],
				},
			],
		},
	},
	10: {
		[`POST /graph/graphql ${graphql("1")}`]: {
			data: {
				person: { name: "Ada", friends: [{ name: "Bob" }, { name: "Eve" }] },
			},
		},
		[`POST /graph/graphql ${graphql("2")}`]: { data: { person: null } },
		[`POST /graph/graphql ${graphql("3")}`]: {
			data: null,
			errors: [{ message: "database down" }],
		},
	},
	11: {
		[`POST /bank/TransferService ${envelope("Bob &amp; &lt;Sons&gt;")}`]:
			soap("R-77"),
		[`POST /bank/TransferService ${envelope("Eve")}`]: soap("R-78"),
		"POST /sms/messages to=%2B4712345678&text=Sent%205.00%20to%20Bob%20%26%20%3CSons%3E%2C%20reference%20R-77&tag=payment&tag=sent":
			status(201),
		"POST /sms/messages to=none&text=Sent%205.00%20to%20Eve%2C%20reference%20R-78&tag=payment&tag=sent&note=rent":
			status(400),
	},
	12: {
		"GET /events/events?limit=2": { events: ["a", "b"], next: "p2" },
		"GET /events/events?limit=2&cursor=p2": { events: ["c", "d"], next: "p3" },
		"GET /events/events?limit=2&cursor=p3": { events: ["e", "f"], next: "p4" },
		"GET /events/events?limit=2&cursor=p4": { events: ["g", "h"], next: "p5" },
		"GET /events/events?limit=2&cursor=p5": { events: ["i", "j"], next: "p6" },
		"GET /events/events?limit=2&cursor=p6": { events: ["k", "l"], next: "p7" },
		"GET /events/events?limit=2&cursor=p7": { events: ["m"], next: null },
	},
	13: {
		'PUT /documents/documents/7 {"title":"Plan"}': (
			_: SeenRequest,
			response: ServerResponse,
		) => {
			response.setHeader("etag", '"2"');
			response.setHeader("set-cookie", ["seen=7; Path=/", "last=7; Path=/"]);
			json(response, { id: 7, title: "Plan" });
		},
		'PUT /documents/documents/7 {"title":"Old"}': (
			_: SeenRequest,
			response: ServerResponse,
		) => {
			response.setHeader("etag", '"1"');
			json(response, { error: "changed meanwhile", by: "Bob" }, 409);
		},
		'PUT /documents/documents/9 {"title":"None"}': status(404, {
			error: "no such document",
		}),
	},
	14: {
		"GET /catalog/reports/7": { title: "Sales 2026", file: "sales-7.csv" },
		"HEAD /files/exports/sales-7.csv": download,
		"GET /files/exports/sales-7.csv": download,
	},
	15: {
		"GET /hotels/hotels/7": { zone: "Europe/Berlin", language: "de" },
		'POST /hotels/bookings {"hotel":"7","arrival":"2026-03-25","departure":"2026-04-01","key":"request"}':
			{ id: "b1", until: "2026-03-25T21:00:00Z" },
	},
	16: {
		"GET /alfa/rates/NOK": { rate: 11.5 },
		"GET /bravo/fx?code=NOK": afterOthers({ mid: 11.52 }),
		"GET /carlo/v2/NOK": never,
	},
	17: {
		'POST /exports/exports {"year":"2026"}': { id: "x1" },
		"GET /exports/exports/x1": inTurn(
			{ state: "waiting" },
			{ state: "running" },
			{ state: "ready", file: "/files/x1.csv" },
		),
	},
	18: {
		'PUT /orders/orders/17/payment {"event":"paid","amount":4200}': {
			state: "paid",
		},
	},
	19: {
		[`POST /market/QuoteService ${quotesOf("ACME", "R&amp;D")}`]: quotes(
			'<Quote symbol="ACME"><Price currency="EUR">12.50</Price></Quote><Quote symbol="R&amp;D"><Price currency="USD">7</Price></Quote>',
		),
		[`POST /market/QuoteService ${quotesOf("OLD")}`]: quotes(""),
		[`POST /market/QuoteService ${quotesOf("NONE")}`]: envelopeWith(
			500,
			"<s:Fault><faultcode>s:Client</faultcode><faultstring>nobody trades NONE</faultstring></s:Fault>",
		),
	},
	20: {
		'POST /flights/bookings {"to":"Rome","day":"2026-05-01"}': { id: "f1" },
		'POST /hotels/bookings {"city":"Rome","arrival":"2026-05-01"}': {
			id: "h1",
		},
		'POST /cars/rentals {"place":"Rome","from":"2026-05-01"}': status(409),
		"DELETE /flights/bookings/f1": status(204, null),
		"DELETE /hotels/bookings/h1": status(204, null),
		'POST /flights/bookings {"to":"Bern","day":"2026-05-01"}': { id: "f2" },
		'POST /hotels/bookings {"city":"Bern","arrival":"2026-05-01"}': status(422),
		'POST /cars/rentals {"place":"Bern","from":"2026-05-01"}': { id: "c2" },
		"DELETE /flights/bookings/f2": status(404),
		'POST /cars/cancellations {"rental":"c2"}': status(202),
		'POST /flights/bookings {"to":"Oslo","day":"2026-05-01"}': { id: "f3" },
		'POST /hotels/bookings {"city":"Oslo","arrival":"2026-05-01"}': {
			id: "h3",
		},
		'POST /cars/rentals {"place":"Oslo","from":"2026-05-01"}': { id: "c3" },
	},
	21: {
		"GET /rights/files/sales.csv": whoseFile,
		"GET /files/exports/sales-7.csv": download,
	},
	22: {
		'POST /tokens/tokens {"file":"cat.jpg"}': { value: "t/1=" },
		'PUT /storage/photos/cat.jpg {"photo":1}': (
			{ rawHeaders, body }: SeenRequest,
			response: ServerResponse,
		) => {
			const known = rawHeaders.includes("Bearer t/1=");
			json(response, { stored: body.length }, known ? 201 : 401);
		},
	},
	23: {
		"GET /directory/accounts/1": { region: "eu", key: "k1" },
		"GET /directory/accounts/2": { region: "us", key: "k2" },
		"GET /directory/accounts/3": status(404),
		"GET /europe/k1/documents": { from: "europe" },
		"DELETE /america/k2/documents/7": { from: "america" },
	},
	24: {
		"GET /accounts/accounts/7": { name: "Ada", customer: "c7" },
		"GET /shop/orders?customer=c7": [{ item: "lamp" }],
		"GET /advice/similar?item=lamp": status(503),
		"GET /accounts/accounts/8": { name: "Bob", customer: "c8" },
		"GET /shop/orders?customer=c8": status(500),
	},
	25: {
		'POST /shop/orders {"place":"7","dish":"soup"}': { id: "o1" },
	},
	26: {
		"GET /shop/items/7": { name: "lamp" },
		"GET /stores/stock/7": { count: 3 },
		'POST /shop/sales {"item":"7"}': { id: "s1" },
	},
	27: {
		"GET /shop/orders/today": { count: 12 },
		"GET /stock/items?below=5": [{ name: "lamp" }],
		"GET /support/tickets/open": status(503),
	},
	28: {
		"GET /users/sessions/s1": { name: "Ada" },
		"GET /users/sessions/s2": status(404),
	},
	29: {
		"GET /login/keys": keySet,
		"GET /orders/of/users/ada": ["lamp"],
		"GET /orders/of/partners/acme": ["desk", "chair"],
		"POST /login/token grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=mail&subject_token=…&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token":
			{
				access_token: "t/1=",
				issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
				token_type: "Bearer",
				expires_in: 300,
			},
		"GET /mail/inbox": withToken({ unread: 3 }),
	},
	30: {
		"GET /login/keys": keySet,
		"GET /users/ada/address": { city: "Oslo" },
		'PUT /users/ada/address {"city":"Bergen"}': { city: "Bergen" },
	},
};
