import { isLocal } from "../../core/ip.ts";
import { Secret } from "../secret.ts";
import { listFromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Hole } from "./input.ts";
import { key } from "./key.ts";
import type { Kind } from "./kind.ts";
import { hole, text } from "./kinds.ts";
import { section } from "./section.ts";
import { hosts, port } from "./server.ts";

/** As RFC 6750, 2.1 has it. A shorter one can be guessed. */
const tokenPattern = /^[\w.~+/-]{16,1024}=*$/;
const tokenWords =
	"a token of at least 16 letters, digits and any of `-._~+/`, with `=` only at its end";

const fromVariable = orFromEnvironment(text, tokenWords, (written) =>
	tokenPattern.test(written) ? written : null,
);

/** It must come from the environment, because a config is read by more people than may use the admin server. */
const token: Kind<Hole, Secret, Parameters<typeof fromVariable.take>[2]> = {
	schema: hole,
	take(source, judged, context) {
		if (source.kind !== "scalar" || !hole.safeParse(source.value).success) {
			judged.problems.push({
				at: source.at,
				message: `${judged.what} comes from the environment: write \`\${env.ADMIN_TOKEN}\``,
			});
			return undefined;
		}
		const read = fromVariable.take(source, judged, context);
		if (read === undefined) return undefined;
		context.secrets.add(read);
		return new Secret(read);
	},
};

export const adminKeys = section(
	{
		port: key(port, {
			description:
				"The port of the admin server. 0 takes any free one. Without this key it is 8081, and if that is taken the gateway runs without. It may come from the environment.",
			example: "port: 9090",
		}),
		host: key(orFromEnvironment(text, "an address"), {
			description:
				"The address of the admin server. The default is for this machine alone. Any other needs a `token`. It may come from the environment.",
			example: "host: 0.0.0.0\ntoken: ${env.ADMIN_TOKEN}",
			default: "127.0.0.1",
		}),
		hosts: key(listFromEnvironment(hosts), {
			description:
				"The hosts for which the admin server answers, as in `server.hosts`. Without this key: those that mean this machine if `host` is one of them, else any.",
			example: "hosts: [admin.internal]",
		}),
		token: key(token, {
			description:
				"The token that requests bring as `Authorization: Bearer …`. With it every request needs it. It comes from the environment and has at least 16 characters.",
			example: "token: ${env.ADMIN_TOKEN}",
		}),
	},
	{
		finish(read, say) {
			if (!isLocal(read.host) && read.token === null) {
				say(
					"host",
					"other machines can reach this `host`: add `token: ${env.ADMIN_TOKEN}`",
				);
			}
			return read;
		},
	},
);
