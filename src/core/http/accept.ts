import { allHeadersOf, type HeaderList, membersOf } from "./headers.ts";
import { withParametersOf } from "./parameters.ts";

/**
 * The one of `types` that a client wants more than `usual` (RFC 9110, 12.5.1); null if there is none. A range such as
 * `text/*` speaks of `usual` alone, because a client that means another type names it. What is malformed says nothing.
 */
export function preferredType<Type extends string>(
	headers: HeaderList,
	usual: string,
	types: readonly Type[],
): Type | null {
	const weights = weightsIn(headers, "accept");
	const ranges = [usual, usual.replace(/\/.*/, "/*"), "*/*"];
	let most = ranges.map((one) => weights.get(one)).find(isGiven) ?? 0;
	let preferred: Type | null = null;
	for (const type of types) {
		const weight = weights.get(type) ?? 0;
		if (weight <= most) continue;
		most = weight;
		preferred = type;
	}
	return preferred;
}

function isGiven(weight: number | undefined): weight is number {
	return weight !== undefined;
}

/**
 * What a field such as `Accept` or `Accept-Encoding` lists, in lower case, with its weights (RFC 9110, 12.4.2). Of what
 * stands twice the greater weight counts.
 */
export function weightsIn(
	headers: HeaderList,
	field: string,
): ReadonlyMap<string, number> {
	const weights = new Map<string, number>();
	for (const member of allHeadersOf(headers, field).flatMap(membersOf)) {
		const { value, parameters } = withParametersOf(member) ?? nothing;
		const written = parameters.get("q") ?? "1";
		if (!/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(written)) continue;
		weights.set(value, Math.max(weights.get(value) ?? 0, Number(written)));
	}
	return weights;
}

const nothing = { value: "", parameters: new Map<string, string>() };
