import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { headerOf } from "../../../src/core/http/headers.ts";
import {
	createMessageSignature,
	hmacSha256,
	signatureBase,
} from "../../../src/policy/auth/message-signature.ts";
import { createSigV4 } from "../../../src/policy/auth/sigv4.ts";

/** What AWS and RFC 9421 publish, as facts: the request, the instant, and the signature that must come of them. */

interface Vector {
	readonly name: string;
	readonly method?: string;
	readonly target: string;
	readonly headers?: readonly string[];
	readonly body?: string;
	readonly signature: string;
}

function signedBy(
	service: string,
	secret: string,
	{ method = "GET", target, headers = [], body }: Vector,
): string {
	const isS3 = service === "s3";
	const signer = createSigV4(
		{
			kind: "sigv4",
			...{ region: "us-east-1", service, secret },
			key: isS3 ? "AKIAIOSFODNN7EXAMPLE" : "AKIDEXAMPLE",
			session: null,
		},
		isS3 ? "examplebucket.s3.amazonaws.com" : "example.amazonaws.com",
		() => Date.parse(isS3 ? "2013-05-24T00:00:00Z" : "2015-08-30T12:36:00Z"),
	);
	const bytes = body === undefined ? null : Buffer.from(body);
	const added = signer.sign({ method, target, headers, body: bytes });
	return headerOf(added, "authorization") ?? "";
}

/** The Signature Version 4 test suite: https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html */
const suite: readonly Vector[] = [
	{
		name: "get-vanilla",
		target: "/",
		signature:
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
	},
	{
		name: "post-vanilla",
		method: "POST",
		target: "/",
		signature:
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
	},
	{
		name: "get-vanilla-query-order-key-case",
		target: "/?Param2=value2&Param1=value1",
		signature:
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
	},
	{
		name: "post-x-www-form-urlencoded",
		method: "POST",
		target: "/",
		headers: ["Content-Type", "application/x-www-form-urlencoded"],
		body: "Param1=value1",
		signature:
			"ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
	},
];

/** The examples of the S3 API reference: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
const s3: readonly Vector[] = [
	{
		name: "GET Object",
		target: "/test.txt",
		headers: ["Range", "bytes=0-9"],
		signature:
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
	},
	{
		name: "PUT Object",
		method: "PUT",
		target: "/test$file.text",
		headers: [
			...["Date", "Fri, 24 May 2013 00:00:00 GMT"],
			...["x-amz-storage-class", "REDUCED_REDUNDANCY"],
		],
		body: "Welcome to Amazon S3.",
		signature:
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
	},
	{
		name: "GET Bucket Lifecycle",
		target: "/?lifecycle",
		signature:
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
	},
	{
		name: "GET Bucket (List Objects)",
		target: "/?prefix=J&max-keys=2",
		signature:
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	},
];

describe("AWS Signature Version 4", () => {
	for (const vector of suite) {
		test(`signs ${vector.name} as AWS's suite says`, () => {
			const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
			assert.ok(
				signedBy("service", secret, vector).endsWith(
					`Signature=${vector.signature}`,
				),
			);
		});
	}
	for (const vector of s3) {
		test(`signs ${vector.name} as the S3 reference says`, () => {
			const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
			assert.ok(
				signedBy("s3", secret, vector).endsWith(
					`Signature=${vector.signature}`,
				),
			);
		});
	}

	test("names the key, the day, what is signed, and sends what it has signed", () => {
		const signer = createSigV4(
			{
				kind: "sigv4",
				...{ region: "eu-west-1", service: "s3" },
				...{ key: "AKID", secret: "secret", session: "of an hour" },
			},
			"b.s3.test",
			() => Date.UTC(2026, 0, 2, 3, 4, 5, 6),
		);
		const added = signer.sign({
			...{ method: "GET", target: "/a%20b/c?x=1", body: null },
			headers: ["accept", "*/*", "x-amz-meta-a", " 1  2 "],
		});
		assert.equal(headerOf(added, "x-amz-date"), "20260102T030405Z");
		assert.equal(headerOf(added, "x-amz-security-token"), "of an hour");
		assert.match(
			headerOf(added, "x-amz-content-sha256") ?? "",
			/^e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855$/,
		);
		assert.match(
			headerOf(added, "authorization") ?? "",
			/^AWS4-HMAC-SHA256 Credential=AKID\/20260102\/eu-west-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token, Signature=[0-9a-f]{64}$/,
		);
	});

	test("takes a path of S3 for what it means, and any other for its letters", () => {
		const secret = "secret";
		const of = (service: string, target: string) =>
			signedBy(service, secret, { name: "", target, signature: "" });
		assert.equal(of("s3", "/a%20b/%7Ec"), of("s3", "/a%20b/~c"));
		assert.notEqual(of("execute-api", "/%7Ec"), of("execute-api", "/~c"));
		assert.equal(of("execute-api", "/a//b"), of("execute-api", "/a/b"));
		assert.notEqual(of("s3", "/a//b"), of("s3", "/a/b"));
		// A repeated parameter counts each time.
		assert.notEqual(of("s3", "/?a=1&a=2"), of("s3", "/?a=1"));
		assert.equal(of("s3", "/?a=2&a=1"), of("s3", "/?a=1&a=2"));
		// What is no encoding is a text.
		assert.match(of("s3", "/%zz?%zz=%"), /Signature=[0-9a-f]{64}$/);
	});

	test("makes a new key when the day has changed", () => {
		let nowMs = Date.UTC(2026, 0, 1, 23, 59, 59);
		const options = {
			...({ kind: "sigv4" } as const),
			...{ region: "r", service: "s", key: "AKID" },
			...{ secret: "secret", session: null },
		} as const;
		const signer = createSigV4(options, "a.test", () => nowMs);
		const sign = (one: typeof signer) =>
			one.sign({ method: "GET", target: "/", headers: [], body: null });
		sign(signer);
		nowMs += 2000;
		const fresh = createSigV4(options, "a.test", () => nowMs);
		assert.deepEqual(sign(signer), sign(fresh));
	});
});

/** RFC 9421, B.1.5: the shared secret of its examples. */
const shared = Buffer.from(
	"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
	"base64",
);

describe("an HTTP message signature", () => {
	test("is the one of RFC 9421, B.2.5", () => {
		const { input, base } = signatureBase(
			[
				["date", "Tue, 20 Apr 2021 02:07:55 GMT"],
				["@authority", "example.com"],
				["content-type", "application/json"],
			],
			'created=1618884473;keyid="test-shared-secret"',
		);
		assert.equal(
			input,
			'("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
		);
		assert.equal(
			hmacSha256(shared, base),
			"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
		);
	});

	const signer = createMessageSignature(
		{ kind: "hmac", key: "k1", secret: "a secret of sixteen" },
		"API.test:8443",
		() => 1_700_000_000_999,
	);

	test("covers method, host, path, query, type and digest, and says when it is good", () => {
		const body = Buffer.from('{"hello": "world"}');
		const added = signer.sign({
			...{ method: "POST", target: "/a%2Fb/c?x=1&y=%20", body },
			headers: ["content-type", "application/json", "accept", "*/*"],
		});
		const input =
			'("@method" "@authority" "@path" "@query" "content-type" "content-digest");created=1700000000;expires=1700000300;keyid="k1";alg="hmac-sha256"';
		assert.equal(headerOf(added, "signature-input"), `sluice=${input}`);
		// RFC 9530, B.1 has this body and its digest.
		const digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
		assert.equal(headerOf(added, "content-digest"), digest);
		const text = [
			'"@method": POST',
			'"@authority": api.test:8443',
			'"@path": /a%2Fb/c',
			'"@query": ?x=1&y=%20',
			'"content-type": application/json',
			`"content-digest": ${digest}`,
			`"@signature-params": ${input}`,
		].join("\n");
		assert.equal(
			headerOf(added, "signature"),
			`sluice=:${hmacSha256("a secret of sixteen", text)}:`,
		);
	});

	test("of a call without a query and a body says so", () => {
		const added = signer.sign({
			...{ method: "GET", target: "/", headers: [], body: null },
		});
		assert.equal(
			headerOf(added, "signature-input"),
			'sluice=("@method" "@authority" "@path" "@query");created=1700000000;expires=1700000300;keyid="k1";alg="hmac-sha256"',
		);
		assert.equal(headerOf(added, "content-digest"), null);
		const other = signer.sign({
			...{ method: "GET", target: "/?", headers: [], body: null },
		});
		// RFC 9421, 2.2.7: an absent query is one of a question mark alone.
		assert.deepEqual(other, added);
	});
});
