import { type Expression, type Program, type Property, parse } from "acorn";
import { withoutTypes } from "./functions.ts";
import { type LinePosition, lineStartsOf, positionIn } from "./source.ts";

/**
 * Finds where a value of a module's config is written. Of a value that the module computes, it finds the innermost
 * value around it that is written out. Null if the config itself is not written out in the module.
 */
export function positionsInModule(
	text: string,
	file: string,
): (path: string) => LinePosition | null {
	const program = programOf(text, file);
	const root = program && configIn(program);
	const lines = lineStartsOf(text);
	return (path) => {
		if (root === null) return null;
		let inner: Expression = root;
		let at = root.start;
		for (const key of keysOf(path)) {
			const next = memberOf(inner, key);
			if (next === null) break;
			at = next.at;
			inner = next.value;
		}
		return positionIn(lines, at);
	};
}

function programOf(text: string, file: string): Program | null {
	try {
		const plain = /\.[cm]?ts$/.test(file) ? withoutTypes(text) : text;
		return parse(plain, { ecmaVersion: "latest", sourceType: "module" });
	} catch {
		return null;
	}
}

/** The object that is exported, also through `defineGateway(…)` and a variable. */
function configIn(program: Program): Expression | null {
	const exported = program.body.find(
		(node) => node.type === "ExportDefaultDeclaration",
	);
	let found: Expression | null =
		(exported?.declaration as Expression | undefined) ?? null;
	for (let step = 0; step < 8 && found !== null; step++) {
		if (found.type === "ObjectExpression") return found;
		if (found.type === "CallExpression") {
			const [first] = found.arguments;
			found = first && first.type !== "SpreadElement" ? first : null;
		} else if (found.type === "Identifier") {
			found = valueOf(found.name, program);
		} else return null;
	}
	return null;
}

function valueOf(name: string, { body }: Program): Expression | null {
	const declared = body.flatMap((node) => {
		const own =
			node.type === "ExportNamedDeclaration" ? node.declaration : node;
		return own?.type === "VariableDeclaration" ? own.declarations : [];
	});
	const found = declared.find(
		({ id }) => id.type === "Identifier" && id.name === name,
	);
	return found?.init ?? null;
}

/** `routes["GET /x"].steps.a.list[0]` as its keys. */
function keysOf(path: string): string[] {
	const parts = path.matchAll(/\[("(?:[^"\\]|\\.)*"|\d+)\]|([\w$]+)/g);
	return [...parts].map(([, inBrackets, plain]) =>
		String(inBrackets === undefined ? plain : JSON.parse(inBrackets)),
	);
}

function memberOf(
	holder: Expression,
	key: string,
): { at: number; value: Expression } | null {
	if (holder.type === "ArrayExpression") {
		const spread = holder.elements.some((one) => one?.type === "SpreadElement");
		const item = holder.elements[Number(key)];
		return item && item.type !== "SpreadElement" && !spread
			? { at: item.start, value: item }
			: null;
	}
	if (holder.type !== "ObjectExpression") return null;
	const found = holder.properties.findLast(
		(one): one is Property =>
			one.type === "Property" && !one.computed && nameOf(one) === key,
	);
	return found ? { at: found.start, value: found.value } : null;
}

function nameOf({ key }: Property): string {
	if (key.type === "Identifier") return key.name;
	return key.type === "Literal" ? String(key.value) : "";
}
