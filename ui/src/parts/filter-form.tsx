import { useEffect, useState } from "preact/hooks";
import { counted } from "../format.ts";

type Filter = Readonly<Record<string, string>>;

export interface FilterFormProps {
	readonly filter: Filter;
	readonly routes: readonly string[];
	readonly upstreams: readonly string[];
	readonly faults: readonly string[];
	/** Further fields, of the history alone. */
	readonly more?: readonly Field[];
	onFilter(filter: Filter): void;
}

interface Field {
	readonly name: string;
	readonly label: string;
	/** What may be chosen. Without it anything may be written. */
	readonly choices?: readonly string[];
	readonly example?: string;
}

/** Chooses requests by the parameters that the server knows. A choice holds at once, a text when it is left. */
export function FilterForm({
	filter,
	routes,
	upstreams,
	faults,
	more = [],
	onFilter,
}: FilterFormProps) {
	const fields: readonly Field[] = [
		{ name: "route", label: "Route", choices: routes },
		{ name: "upstream", label: "Upstream", choices: upstreams },
		{
			name: "completeness",
			label: "Answer",
			choices: ["whole", "partial", "failed", "left"],
		},
		{ name: "status", label: "Status", example: "5xx" },
		{ name: "slow", label: "At least", example: "500ms" },
		{ name: "error", label: "Error", example: "upstream_timeout" },
		{ name: "step", label: "Failed step", example: "weather" },
		...more,
	];
	const given = fields.filter(({ name }) => filter[name]).length;
	const set = (name: string, value: string) => {
		if ((filter[name] ?? "") !== value) onFilter({ ...filter, [name]: value });
	};
	return (
		<details class="filter" open={given > 0 || undefined}>
			<summary>
				Filter{given > 0 && ` (${counted(given, "condition")})`}
			</summary>
			<form onSubmit={(event) => event.preventDefault()}>
				{fields.map((field) => (
					<FieldInput
						key={field.name}
						field={field}
						value={filter[field.name] ?? ""}
						onValue={(value) => set(field.name, value)}
					/>
				))}
				<button type="button" onClick={() => onFilter({})}>
					Show all
				</button>
			</form>
			{faults.length > 0 && (
				<p role="alert" class="tone bad">
					The gateway does not understand this filter: {faults.join("; ")}
				</p>
			)}
		</details>
	);
}

function FieldInput({
	field: { name, label, choices, example },
	value,
	onValue,
}: {
	field: Field;
	value: string;
	onValue(value: string): void;
}) {
	const [text, setText] = useState(value);
	useEffect(() => setText(value), [value]);
	const id = `filter-${name}`;
	return (
		<div class="field">
			<label for={id}>{label}</label>
			{choices ? (
				<select
					id={id}
					value={value}
					onChange={({ currentTarget }) => onValue(currentTarget.value)}
				>
					<option value="">any</option>
					{choices.map((choice) => (
						<option key={choice} value={choice}>
							{choice}
						</option>
					))}
				</select>
			) : (
				<input
					id={id}
					value={text}
					placeholder={example}
					autocomplete="off"
					spellcheck={false}
					onInput={({ currentTarget }) => setText(currentTarget.value)}
					onChange={({ currentTarget }) => onValue(currentTarget.value.trim())}
				/>
			)}
		</div>
	);
}
