import type { TlsSettings } from "../upstream/wire/wire.ts";
import { certificateOf, faultOfPair, isPem } from "./pem.ts";
import type { Problem } from "./problem.ts";
import type { ResolvedUpstream } from "./resolve-upstream.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

/** The problems of certificates and keys whose texts are known. What a file or a variable holds is not shown. */
export function tlsProblems(
	upstreams: readonly ResolvedUpstream[],
	root: Source | null,
): Problem[] {
	return upstreams.flatMap(({ name, tls }) => {
		const message = tls === null ? null : faultOfTls(tls);
		if (message === null) return [];
		const upstream = entryOf(entryOf(root, "upstreams"), name);
		return [{ at: entryOf(upstream, "tls")?.at ?? 0, message }];
	});
}

/** What is wrong with PEM texts; null if nothing is, or if one of them is not read yet. */
export function faultOfTls({ ca, cert, key }: TlsSettings): string | null {
	const texts = [ca, cert, key].filter((text) => text !== undefined);
	if (!texts.every(isPem)) return null;
	if (ca !== undefined && certificateOf(ca) === null) {
		return "`ca` holds no certificate that can be read";
	}
	return cert === undefined || key === undefined
		? null
		: faultOfPair(cert, key);
}
