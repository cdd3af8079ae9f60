import { key, part } from "./key.ts";
import { named } from "./kind.ts";
import { section } from "./section.ts";

export const requestKeys = section({
	params: key(named<object>(), {
		description:
			"Path parameters. Without a declaration they are read as texts. A schema here coerces and bounds them.",
		example: "params:\n  id: { type: integer, minimum: 1 }",
	}),
	query: key(named<object>(), {
		description:
			"Query parameters: name → JSON Schema of a scalar or a list. Required unless the name ends in `?` or there is a `default`.",
		example:
			"query:\n  city: { type: string, maxLength: 80 }\n  page?: { type: integer, minimum: 1 }",
	}),
	cookies: key(named<object>(), {
		description: "Cookies that may be read, as `cookies.session`.",
		example: "cookies:\n  session?: { type: string, maxLength: 200 }",
	}),
	headers: key(named<object>(), {
		description:
			"Header fields that may be read, as `headers.accept_language`.",
		example: "headers:\n  accept-language?: { type: string, maxLength: 200 }",
	}),
	body: key(named<object>("a JSON Schema"), {
		description:
			"The JSON Schema (2020-12) of a JSON body. With `body?` it may be absent and is then null.",
		example:
			"body:\n  type: object\n  required: [name]\n  properties:\n    name: { type: string, maxLength: 80 }",
	}),
	"body?": part(named<object>(), {}),
});
