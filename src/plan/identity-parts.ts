import type { Read } from "../expression/parse.ts";

/** A part of who asks, as a path behind `auth`: `["sub"]`, `["claims", "tenant"]`; empty for all of it. */
export type IdentityPart = readonly string[];

/** The parts of who asks that are read. A claim is a part of its own, because each token has others. */
export function identityParts(reads: readonly Read[]): readonly IdentityPart[] {
	const parts = reads
		.filter(({ name }) => name === "auth")
		.map(({ path: [first, second] }) => {
			if (first === undefined) return [];
			return first === "claims" && second !== undefined
				? [first, second]
				: [first];
		});
	const whole = new Set(parts.map((part) => part.join(".")));
	return parts.filter((part, at) => {
		const isFirst = parts.findIndex((one) => isSame(one, part)) === at;
		const isInside = part.some((_, length) =>
			whole.has(part.slice(0, length).join(".")),
		);
		return isFirst && !isInside;
	});
}

function isSame(a: IdentityPart, b: IdentityPart): boolean {
	return a.length === b.length && a.every((name, at) => name === b[at]);
}

type Values = Readonly<Record<string, unknown>>;

/**
 * Who asks, with these parts alone. Whatever is made for several clients gets no more than this, and is shared by those
 * for whom it is equal.
 */
export function identityWith<Identity extends object>(
	identity: Identity,
	parts: readonly IdentityPart[],
): Partial<Identity> {
	const all = identity as Values;
	const left: Record<string, unknown> = Object.create(null);
	for (const [first, second] of parts) {
		if (first === undefined) return identity;
		const value = own(all, first);
		if (second === undefined) {
			left[first] = value;
			continue;
		}
		const members = (left[first] ??= Object.create(null)) as Values;
		Object.assign(members, { [second]: own(value as Values, second) });
	}
	return left as Partial<Identity>;
}

function own(of: Values, name: string): unknown {
	return Object.hasOwn(of, name) ? of[name] : null;
}
