import { z } from "zod";
import { adminKeys } from "./keys/admin.ts";
import { authKeys } from "./keys/auth.ts";
import { channelKeys } from "./keys/channel.ts";
import type { KeyMeta } from "./keys/key.ts";
import { overloadKeys } from "./keys/overload.ts";
import { fieldSchemas, fileSchema } from "./keys/parameter.ts";
import { proxyKeys } from "./keys/proxy.ts";
import { requestKeys } from "./keys/request.ts";
import { routeKeys } from "./keys/route.ts";
import { configKeys } from "./keys/top.ts";
import { upstreamKeys } from "./keys/upstream.ts";
import { routeMethods } from "./route-key.ts";
import { stepKeyNames, stepKeys } from "./steps/kinds.ts";
import { yaml } from "./yaml.ts";

type JsonSchema = z.core.JSONSchema.JSONSchema;
type Properties = Record<string, JsonSchema>;

const scalarTypes = ["string", "integer", "number", "boolean"] as const;

/**
 * The whole config as one JSON Schema (2020-12), for editors. `check` judges in stages, each branch with its own words.
 * Here the stages are put together. The schema knows the keys and their kinds of values, but not the meaning of
 * templates and names.
 */
export function configJsonSchema(): JsonSchema {
	const steps = mapOf(ref("step"), "^[a-z][A-Za-z0-9_]*$");
	const fields = mapOf(ref("parameter"));
	const formFields = mapOf(ref("form-field"));
	return {
		$schema: "https://json-schema.org/draft/2020-12/schema",
		$id: "urn:sluice:schema:config",
		title: "Sluice config",
		...withProperties(printed(configKeys.schema), {
			upstreams: mapOf(ref("upstream"), "^[A-Za-z][A-Za-z0-9_-]*$"),
			routes: mapOf(ref("route"), `^(${routeMethods.join("|")}) /\\S*$`),
			channels: mapOf(ref("channel"), "^[A-Za-z][A-Za-z0-9_-]*$"),
			auth: mapOf(ref("auth"), "^[A-Za-z][A-Za-z0-9_-]*$"),
			overload: { anyOf: [{ const: false }, ref("overload")] },
			admin: { anyOf: [{ const: false }, ref("admin")] },
		}),
		patternProperties: { "^x-": true },
		$defs: {
			upstream: {
				...printed(upstreamKeys.schema),
				oneOf: [required("url"), required("urls")],
			},
			route: withProperties(printed(routeKeys.schema), {
				request: ref("request"),
				proxy: { anyOf: [{ type: "string" }, ref("proxy")] },
				steps,
			}),
			channel: printed(channelKeys.schema),
			auth: {
				...printed(authKeys.schema),
				oneOf: ["jwt", "keys", "basic", "mtls"].map((kind) => required(kind)),
			},
			overload: printed(overloadKeys.schema),
			admin: printed(adminKeys.schema),
			proxy: printed(proxyKeys.schema),
			request: withProperties(printed(requestKeys.schema), {
				params: fields,
				query: fields,
				cookies: fields,
				headers: fields,
				form: formFields,
				"form?": formFields,
			}),
			file: printed(fileSchema),
			"form-field": {
				anyOf: [
					...scalarTypes.map((type) => ref(nameOfParameter(type))),
					ref("file"),
					withProperties(printed(fieldSchemas.array), {
						items: { anyOf: [ref("scalar"), ref("file")] },
					}),
				],
			},
			parameter: oneOfDefs([...scalarTypes, "array"].map(nameOfParameter)),
			scalar: oneOfDefs(scalarTypes.map(nameOfParameter)),
			...Object.fromEntries(
				Object.entries(fieldSchemas).map(([type, schema]) => [
					nameOfParameter(type),
					type === "array"
						? withProperties(printed(schema), { items: ref("scalar") })
						: printed(schema),
				]),
			),
			step: oneOfDefs(stepKeyNames.map(nameOfStep)),
			...Object.fromEntries(
				stepKeyNames.map((kind) => [
					nameOfStep(kind),
					kind === "steps"
						? withProperties(printed(stepKeys[kind].schema), { steps })
						: printed(stepKeys[kind].schema),
				]),
			),
		},
	};
}

function required(key: string): JsonSchema {
	return { properties: { [key]: true }, required: [key] };
}

function nameOfStep(kind: string): string {
	return `step-${kind}`;
}

function nameOfParameter(type: string): string {
	return `parameter-${type}`;
}

function ref(name: string): JsonSchema {
	return { $ref: `#/$defs/${name}` };
}

function oneOfDefs(names: readonly string[]): JsonSchema {
	return { anyOf: names.map(ref) };
}

function mapOf(value: JsonSchema, names?: string): JsonSchema {
	return {
		type: "object",
		...(names ? { propertyNames: { pattern: names } } : {}),
		additionalProperties: value,
	};
}

/** Fills in the part that a stage leaves open. The description stays. */
function withProperties(
	schema: JsonSchema,
	properties: Properties,
): JsonSchema {
	const known = schema.properties as Properties;
	const joined = Object.entries(properties).map(([key, value]) => {
		const { description } = known[key] ?? {};
		return [key, description ? { ...value, description } : value] as const;
	});
	return {
		...schema,
		properties: { ...known, ...Object.fromEntries(joined) },
	};
}

function printed(schema: z.ZodType): JsonSchema {
	const { $schema: _, ...rest } = z.toJSONSchema(schema, {
		io: "input",
		override: ({ jsonSchema }) => editKey(jsonSchema),
	});
	return rest;
}

/** The reference of a key, as an editor shows it: the default as a value, the example in the description. */
function editKey(schema: JsonSchema): void {
	const meta = schema as { -readonly [key in keyof KeyMeta]?: KeyMeta[key] };
	const { example, default: written, description } = meta;
	if (example === undefined) return;
	delete meta.example;
	schema.description = `${description}\n\n${example}`;
	if (written !== undefined) schema.default = yaml().parse(written);
}
