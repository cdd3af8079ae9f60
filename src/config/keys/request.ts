import { key, part } from "./key.ts";
import { asSource, named } from "./kind.ts";
import { bytesSchema, textSchema } from "./parameter.ts";
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
	form: key(named<object>(), {
		description:
			"The fields of a form, as `form.name`: urlencoded or multipart, declared like `query`. `type: file` takes a file. With `form?` the body may be absent.",
		example:
			"form:\n  name: { type: string, maxLength: 80 }\n  photo?: { type: file, maxSize: 256KiB, types: [image/png] }",
	}),
	"form?": part(named<object>(), {}),
	text: key(asSource(textSchema), {
		description:
			"The body as a text, as it came: `minLength`, `maxLength`, `pattern` and `types`, the media types that are taken. It may stand beside `body` or `form`, whose text it then is. With `text?` it may be absent.",
		example: "text: { maxLength: 10000, types: [text/csv] }",
	}),
	"text?": part(asSource(textSchema), {}),
	bytes: key(asSource(bytesSchema), {
		description:
			"The body as bytes, as it came: `maxSize`, and `types`, the media types that are taken. It may stand beside the others. With `bytes?` it may be absent.",
		example: "bytes: { maxSize: 1MiB, types: [image/*] }",
	}),
	"bytes?": part(asSource(bytesSchema), {}),
});
