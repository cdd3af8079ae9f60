import { orFromEnvironment } from "./from-environment.ts";
import { key } from "./key.ts";
import { days, fileSize, oneOf, text } from "./kinds.ts";
import { section } from "./section.ts";

export const historyKeys = section({
	file: key(orFromEnvironment(text, "a path"), {
		description:
			"The database, relative to the config's folder. Its folder must be there. It may come from the environment.",
		example: "file: /tmp/sluice.db",
		default: "./sluice.db",
	}),
	for: key(days, {
		field: "keptMs",
		description: "How long requests are kept.",
		example: "for: 30d",
		default: "7d",
	}),
	maxBytes: key(fileSize, {
		field: "fileBytesMax",
		description:
			"The most that the database takes on the disk, with its journal. Beyond it the oldest requests go.",
		example: "maxBytes: 256MiB",
		default: "1GiB",
	}),
	requests: key(oneOf(["failed", "partial", "all"]), {
		description:
			"Which requests are kept: those that `failed` with 500 and above, besides them those with a `partial` answer, or `all`.",
		example: "requests: partial",
		default: "all",
	}),
});
