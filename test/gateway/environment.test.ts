import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Config } from "../../src/config/config.ts";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import type { ResolvedUpstream } from "../../src/config/resolve-upstream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { createUpstream } from "../../src/upstream/upstream.ts";

const pem = readFileSync(
	new URL("../upstream/tls/cert.pem", import.meta.url),
	"utf8",
);

const broken = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n";

const yaml = `
upstreams:
  weather:
    url: \${env.WEATHER_URL}
    query: { appid: "\${env.KEY}" }
    headers: { authorization: "Bearer \${env.KEY}", x-plain: here }
    timeout: \${env.WAIT ?? '3s'}
  users: { url: "http://users.test", tls: {} }
  safe: { url: "\${env.SAFE_URL ?? 'https://safe.test'}", tls: { ca: "\${env.CA ?? '${pem.replaceAll("\n", "\\\\n")}'}" } }
routes:
  GET /x:
    steps: { sky: { get: weather/now }, user: { get: users/7 }, safe: { get: safe/x } }
    respond: [ "\${sky}", "\${user}", "\${safe}" ]
`;

const env = { WEATHER_URL: "http://weather.test/v1", KEY: "planted-secret" };

function load(): Config {
	return configOrThrow(checkText(yaml, "sluice.yaml", env));
}

/** What a gateway of the config opens. */
function opened(
	config: Config,
	other?: Record<string, string>,
): Map<string, ResolvedUpstream> {
	const found = new Map<string, ResolvedUpstream>();
	const gateway = createGateway(config, {
		...(other && { env: other }),
		openUpstream: (settings, context) => {
			found.set(settings.name, settings);
			return createUpstream(settings, context);
		},
	});
	void gateway.close();
	return found;
}

test("a config that was loaded in one environment is refused in another that lacks its variables", () => {
	assert.throws(
		() => createGateway(load(), { env: { WAIT: "soon", CA: "./ca.pem" } }),
		(error) => {
			assert.ok(error instanceof GatewayError);
			assert.equal(error.code, "config_invalid");
			const unset = (name: string) =>
				`the environment variable ${name} is not set: set it, or write \`?? 'a default'\``;
			assert.deepEqual(error.message.split("\n"), [
				`config: upstreams.weather.url: ${unset("WEATHER_URL")}`,
				`config: upstreams.weather.query.appid: ${unset("KEY")}`,
				`config: upstreams.weather.headers.authorization: ${unset("KEY")}`,
				"config: upstreams.weather.timeout: what WAIT holds is not a duration",
				"config: upstreams.safe.tls.ca: what CA holds is no PEM text itself, and as a file it was not read: load the config by its file",
			]);
			return true;
		},
	);
});

test("another environment whose key cannot be used is refused", () => {
	assert.throws(
		() => createGateway(load(), { env: { ...env, CA: broken } }),
		new GatewayError(
			"config_invalid",
			"config: upstreams.safe.tls: `ca` holds no certificate that can be read",
		),
	);
});

test("another environment that has the variables is the one that counts", () => {
	const weather = opened(load(), { ...env, KEY: "other", WAIT: "4s" }).get(
		"weather",
	);
	assert.deepEqual(weather?.headers, [
		["authorization", "Bearer other"],
		["x-plain", "here"],
	]);
	assert.equal(weather?.timeoutMs, 4000);
});

test("without another environment a loaded config keeps the one it was loaded in", () => {
	const weather = opened(load()).get("weather");
	assert.deepEqual(weather?.query, [["appid", "planted-secret"]]);
	assert.equal(weather?.timeoutMs, 3000);
	assert.equal(weather?.basePath, "/v1");
});

test("what the environment held is shown by no print of a config", () => {
	const config = load();
	const shown = inspect(config, { depth: null, showHidden: true });
	assert.doesNotMatch(shown, /planted-secret/);
	assert.doesNotMatch(JSON.stringify(config), /planted-secret/);
});

test("the port and the host of a server may come from the environment", () => {
	const source = (port: string, host = "localhost") =>
		`server: { port: "${port}", host: "${host}" }\nroutes: { GET /x: { respond: 1 } }`;
	const variables = { PORT: "3000", HOST: "0.0.0.0", WORD: "planted-secret" };
	const loaded = (text: string) => checkText(text, "sluice.yaml", variables);
	const read = (text: string) => {
		const { port, host } = configOrThrow(loaded(text)).server;
		return { port, host };
	};
	assert.deepEqual(read(source("${env.PORT}", "${env.HOST}")), {
		port: 3000,
		host: "0.0.0.0",
	});
	assert.deepEqual(read(source("${env.NONE ?? 9000}", "${env.NO ?? '::1'}")), {
		port: 9000,
		host: "::1",
	});
	const said = (text: string) =>
		loaded(text).problems.map(({ message }) => message);
	assert.deepEqual(said(source("${env.WORD}")), [
		"what WORD holds is not a whole number from 0 to 65535",
	]);
	assert.deepEqual(said(source("${env.PORT}00")), [
		"what PORT holds is not a whole number from 0 to 65535",
	]);
	assert.deepEqual(said(source("${env.NONE}")), [
		"the environment variable NONE is not set: set it, or write `?? 'a default'`",
	]);
	assert.equal(said(source("${query.port}")).length, 1);
	assert.deepEqual(said(source("3000")), [
		"`port` takes a whole number from 0 to 65535, or an expression of `env`: write it without quotes",
	]);
});
