import assert from "node:assert/strict";
import { test } from "node:test";
import { type Options, readOptions } from "../../bench/options.ts";
import { routeNames } from "../../bench/routes.ts";

function options(...args: string[]): Options {
	const read = readOptions(args, "results");
	if (typeof read === "string") throw new Error(read);
	return read;
}

test("a whole run has all routes, nine rounds, the curves, and is written", () => {
	assert.deepEqual(options(), {
		routes: routeNames,
		rounds: 9,
		latency: true,
		growth: true,
		profile: null,
		out: "results",
	});
	assert.equal(options("--full").rounds, 21);
	assert.equal(options("--full").out, "results");
});

test("part of a run is written only where one says where", () => {
	assert.equal(options("--quick").out, null);
	assert.equal(options("--only", "three").out, null);
	assert.equal(options("--rounds", "8").out, null);
	assert.equal(options("--rounds", "9").out, "results");
	assert.equal(options("--quick", "--out", "here").out, "here");
});

test("routes come in their own order, the curves only where they are named", () => {
	const { routes, growth } = options("--only", "chain,pass");
	assert.deepEqual([routes, growth], [["pass", "chain"], false]);
	assert.equal(options("--only", "growth").growth, true);
	assert.deepEqual(options("--only", "growth").routes, []);
	assert.equal(options("--quick").growth, false);
	assert.equal(options("--only", "latency").latency, true);
	assert.deepEqual(options("--only", "latency").routes, []);
	assert.equal(options("--quick").latency, false);
});

test("what is no option, route or number is told", () => {
	for (const [args, words] of [
		[["--only", "four"], "there is no route four"],
		[["--profile", "growth"], "--profile takes a route"],
		[["--profile", "latency"], "--profile takes a route"],
		[["--profile", "four"], "there is no route four"],
		[["--rounds", "0"], "--rounds takes a whole number from 1, not 0"],
		[["--rounds", "2.5"], "--rounds takes a whole number from 1, not 2.5"],
	] as const) {
		assert.equal(readOptions(args, "results"), words);
	}
	assert.match(String(readOptions(["--fast"], "results")), /--fast/);
});
