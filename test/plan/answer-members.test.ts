import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import type { MemberPath } from "../../src/plan/answer-members.ts";
import { compile } from "../../src/plan/compile.ts";
import type { StepPlan } from "../../src/plan/plan.ts";

/** What is read of the answer of the call `a`, as `main.temp`; null for the whole. */
function membersOf(step: object, route: object = { respond: "${a}" }) {
	return ofRoute({ steps: { a: { get: "users/a", ...step } }, ...route });
}

function ofRoute(route: object): readonly string[] | null {
	const source = {
		upstreams: { users: { url: "http://users.test" } },
		routes: {
			"POST /x": { request: { query: { q: { type: "string" } } }, ...route },
		},
	};
	const [planned] = compile(
		configOrThrow(checkValue(source, "test", {})),
	).routes;
	const found = callIn(planned?.steps ?? []);
	assert.notEqual(found, undefined);
	return found?.map((path) => path.join(".")) ?? null;
}

function callIn(
	steps: readonly StepPlan[],
): readonly MemberPath[] | null | undefined {
	for (const step of steps) {
		if (step.kind === "call" && step.name === "a") return step.answerMembers;
		const inner = step.kind === "group" ? callIn(step.steps) : undefined;
		if (inner !== undefined) return inner;
	}
	return undefined;
}

describe("of an answer are read", () => {
	const cases: readonly [
		what: string,
		step: object,
		members: readonly string[] | null,
	][] = [
		[
			"the members that `pick` names",
			{ pick: { n: "${answer.name}", t: "${answer.main.temp + 1}" } },
			["name", "main.temp"],
		],
		[
			"each member once, and none inside another",
			{ pick: "${[answer.a.b, answer.a, answer.a, answer['a'].c, answer.b]}" },
			["a", "b"],
		],
		["the list of which one item is read", { pick: "${answer.a[0].b}" }, ["a"]],
		[
			"the list or text of which the length or an index is read",
			{ pick: "${answer.a.length + answer.b['0'].c}" },
			["a", "b"],
		],
		["the whole of which an index is read", { pick: "${answer[0]}" }, null],
		[
			"the whole of which the length is read",
			{ pick: "${answer.length}" },
			null,
		],
		[
			"the whole of which a computed member is read",
			{ pick: "${answer[query.q]}" },
			null,
		],
		["the whole, if it is read", { pick: "${[answer.a, answer]}" }, null],
		[
			"what an arrow function names like it is another",
			{ pick: "${answer.list.map(answer => answer)}" },
			["list"],
		],
		[
			"members that `expect` and `answers` name, and what GraphQL says",
			{
				expect: "${answer.ok}",
				answers: { 404: "${answer.why}" },
				pick: "${answer.name}",
			},
			["ok", "name", "why", "errors"],
		],
		["nothing, if `pick` reads nothing", { pick: "${response.status}" }, []],
		[
			"the whole for a `fallback` that reads the body",
			{ pick: "${answer.a}", keepBody: true, fallback: "${failure.body}" },
			null,
		],
		["the whole of a text", { decode: "text", pick: "${answer.length}" }, null],
		[
			"members that the condition of a `repeat` names",
			{
				pick: "${answer.items}",
				repeat: { while: "${answer.next}", max: 2 },
			},
			["items", "next"],
		],
		[
			"the whole of a write that can be undone",
			{
				get: undefined,
				post: "users/a",
				body: 1,
				pick: "${answer.id}",
				undo: { delete: "users/a/${answer.id}" },
			},
			null,
		],
	];
	for (const [what, step, members] of cases) {
		it(what, () => {
			const defined = Object.entries({ get: "users/a", ...step }).filter(
				([, value]) => value !== undefined,
			);
			const steps = { a: Object.fromEntries(defined) };
			assert.deepEqual(ofRoute({ steps, respond: "${a}" }), members);
		});
	}
});

describe("of an answer without `pick` are read", () => {
	it("the members that others name, wherever they stand", () => {
		const steps = {
			a: { get: "users/a", expect: "${answer.ok}" },
			b: { get: "users/${a.id}", when: "${a.more.there}", pick: "${a.x}" },
			c: { steps: { d: { value: "${a.d}" } }, value: "${[d, a.e]}" },
		};
		assert.deepEqual(
			ofRoute({
				steps,
				respond: { b: "${b}", c: "${c}", n: "${a.name}" },
				status: "${a.status ?? 200}",
				headers: { "x-a": "${a.header}" },
				record: { r: "${a.record}" },
			})?.toSorted(),
			[
				...["d", "e", "errors", "header", "id", "more.there", "name", "ok"],
				...["record", "status", "x"],
			],
		);
	});

	it("nothing, if only its end is waited for", () => {
		const steps = {
			a: { post: "users/a", body: 1 },
			b: { get: "users/b", after: ["a"], pick: "${answer.x}" },
		};
		assert.deepEqual(ofRoute({ steps, respond: "${b}" }), []);
		const named = { ...steps, b: { value: "${missing.a}" } };
		assert.deepEqual(ofRoute({ steps: named, respond: "${b}" }), []);
	});

	it("the whole, if anything takes it", () => {
		for (const respond of [
			"${a}",
			"${[a.b, a]}",
			{ x: "${Object.keys(a)}" },
			"${a ? 1 : 2}",
			"${a[query.q]}",
		]) {
			assert.equal(membersOf({}, { respond }), null);
		}
		assert.equal(
			membersOf({}, { respond: "${a.b}", record: { r: "${a}" } }),
			null,
		);
		assert.equal(membersOf({}, {}), null);
	});

	it("the whole, if it is one of many, or a member of a group's value", () => {
		assert.equal(
			membersOf({ each: "${[1, 2]}" }, { respond: "${a.length}" }),
			null,
		);
		const repeat = { while: "${answer.next}", max: 2 };
		assert.equal(membersOf({ repeat }, { respond: "${a.length}" }), null);
		const group = (value: object) => ({
			steps: { g: { steps: { a: { get: "users/a" } }, ...value } },
			respond: "${g.a.b}",
		});
		assert.equal(ofRoute(group({})), null);
		assert.deepEqual(ofRoute(group({ value: "${{ a: a.c }}" })), ["c"]);
	});
});
