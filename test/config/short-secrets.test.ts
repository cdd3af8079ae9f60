import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Secrets } from "../../src/core/secrets.ts";
import { problemsOf } from "../kit/problems.ts";

/** What is said of an upstream with these settings. */
function said(settings: string, env: Record<string, string>): string[] {
	return problemsOf(
		`
upstreams:
  api: { url: "http://api.test", ${settings} }
  other: { url: "http://other.test", ${settings} }
routes:
  GET /x: { steps: { a: { get: api/a }, b: { get: other/b } }, respond: ["\${a}", "\${b}"] }
`,
		env,
	);
}

const words = (name: string) =>
	`what \`${name}\` holds is not hidden where an upstream repeats it, because it could be any word or number: take a longer secret`;

describe("a secret that no output can be searched for", () => {
	for (const [settings, name] of [
		['auth: { bearer: "${env.BEARER}" }', "BEARER"],
		['auth: { basic: { user: shop, password: "${env.SHOP}" } }', "SHOP"],
		['headers: { x-any: "${env.TOKEN}" }', "TOKEN"],
		['query: { appid: "${env.API_KEY}" }', "API_KEY"],
	] as const) {
		test(`is warned of once, without its value: ${name}`, () => {
			const notHidden = ["sh0rt", "horse", "12345", "opensesames"];
			for (const value of [...notHidden, "open.sesame", "123456789012345"]) {
				const secrets = new Secrets();
				secrets.add(value);
				assert.ok(!secrets.has(value), "it is not looked for");
				const [only = "", ...more] = said(settings, { [name]: value });
				assert.deepEqual(more, []);
				assert.match(only, /^test\.yaml:3:\d+: warning: /);
				assert.ok(only.endsWith(words(name)), only);
				assert.ok(!only.includes(value));
			}
			for (const value of ["sh0rts", "opensesame.open", "1234567890123456"]) {
				const secrets = new Secrets();
				secrets.add(value);
				assert.ok(secrets.has(value), "it is looked for");
				assert.deepEqual(said(settings, { [name]: value }), []);
			}
		});
	}

	test("is not suspected where nothing says that it is one", () => {
		const settings = 'headers: { x-tenant: "${env.TENANT}" }';
		assert.deepEqual(said(settings, { TENANT: "7" }), []);
	});
});
