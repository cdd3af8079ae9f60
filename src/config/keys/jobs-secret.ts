import { Secret } from "../secret.ts";
import { type FromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Hole } from "./input.ts";
import type { Kind } from "./kind.ts";
import { hole, text } from "./kinds.ts";

const words =
	"a key of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64";

const fromVariable = orFromEnvironment(text, words, (written) =>
	isKey(written) ? written : null,
);

/** The key by which webhooks are signed. It must come from the environment, because a config is read by more people than may sign. */
export const webhookSecret: Kind<Hole, Secret, FromEnvironment> = {
	schema: hole,
	take(source, judged, context) {
		if (source.kind !== "scalar" || !hole.safeParse(source.value).success) {
			judged.problems.push({
				at: source.at,
				message: `${judged.what} comes from the environment: write \`\${env.WEBHOOK_SECRET}\``,
			});
			return undefined;
		}
		const read = fromVariable.take(source, judged, context);
		if (read === undefined) return undefined;
		context.secrets.add(read);
		context.secrets.add(read.slice("whsec_".length));
		return new Secret(read);
	},
};

function isKey(written: string): boolean {
	if (!/^whsec_[A-Za-z0-9+/]+=*$/.test(written)) return false;
	const { length } = Buffer.from(written.slice(6), "base64");
	return length >= 24 && length <= 64;
}
