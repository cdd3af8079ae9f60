import assert from "node:assert/strict";
import { test } from "node:test";
import { checkText } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { computing } from "../kit/blocked.ts";

/** What `check` says about a text in the body of a call, in a route with the steps `user` and `sent`. */
function saidOf(text: string): string[] {
	const config = {
		upstreams: { users: { url: "http://127.0.0.1:1" } },
		routes: {
			"POST /x/{id}": {
				request: { query: { "page?": { type: "integer" } } },
				steps: {
					user: { get: "users/user" },
					sent: { post: "users/sent", body: { text } },
				},
				respond: "${[user, sent]}",
			},
		},
	};
	const { config: checked, problems } = checkText(
		JSON.stringify(config),
		"x.json",
		{},
	);
	assert.ok(checked, "a warning keeps no config from starting");
	return problems.map(printProblem);
}

test("a text that is honest is not warned of", () => {
	const honest = [
		...["", " ", "name", "users", "User", "sent", "sent.at", "{sent.at}"],
		...["user name", "user.", ".user", "user/7", "user-name", "user@a.test"],
		...["report.pdf", "query.per", "params.name", "page.id", "users.name"],
		...["{name}", "{{ name }}", "<b>", "<name>", ":name", "$name", "$.name"],
		...["{ user { id } }", "query { user { id name } }", "{user{id}}"],
		...["mutation($id: ID!) { user(id: $id) { id } }", '{"user": {"id": 7}}'],
		...["$user costs", "$USER", "100%", "a:id", "12:30", "<user>Ada</user>"],
		...["$${user.name}", "${'user.name'}", "${'{user.name}'} ${user.name}"],
		...["${'{{user.name}}'}", "a{id}b", "user.name.", "user[name]", "${user}{"],
	];
	for (const text of honest) assert.deepEqual(saidOf(text), [], text);
});

test("a text that looks like a read is told, with the read that was meant", () => {
	const meant = {
		user: "user",
		" user ": "user",
		"user.name": "user.name",
		"user?.name": "user?.name",
		"user.list[0].id": "user.list[0].id",
		"query.page": "query.page",
		"{user}": "user",
		"{user.name}": "user.name",
		"{{user.name}}": "user.name",
		"{{ user.name }}": "user.name",
		"%{user.name}": "user.name",
		"#{user.name}": "user.name",
		"$(user.name)": "user.name",
		"$.user.name": "user.name",
		"$user.name": "user.name",
		":id": "params.id",
		"<id>": "params.id",
		"{id}": "params.id",
		"{page}": "query.page",
		"Hello {user.name}!": "user.name",
		"Hello {{ user.name }}!": "user.name",
		"${user.id}: {user.name}": "user.name",
		"${'{user.id}'} {user.name}": "user.name",
	};
	for (const [text, read] of Object.entries(meant)) {
		const [said = "", ...more] = saidOf(text);
		assert.ok(said.includes(`write \`\${${read}}\``), `${text}: ${said}`);
		assert.deepEqual(more, [], text);
	}
});

test("what a warning says to write for the text is that text, and is not warned of", () => {
	for (const text of ["user.name", "{{ user.name }}", ":id", "user"]) {
		const [said = ""] = saidOf(text);
		const cure = /for the text `(.+)`$/.exec(said)?.[1];
		assert.equal(cure, `\${'${text}'}`);
		assert.deepEqual(saidOf(cure ?? ""), []);
	}
});

test("a long text of braces is judged in a time that grows with its length alone", () => {
	for (const piece of ["{", "{a", "{a.b", "{{ ", "}", "$", "#{a[0]"]) {
		const computed = computing();
		saidOf(piece.repeat(200_000 / piece.length));
		const took = computed();
		assert.ok(took < 2000, `${piece} took ${took} ms`);
	}
});
