import { useRef, useState } from "preact/hooks";
import { counted, shownMs } from "../format.ts";
import { wordOf } from "../sentences.ts";
import type { Piece, Row } from "../waterfall.ts";

export interface WaterfallProps {
	readonly rows: readonly Row[];
	readonly durationMs: number;
	/** The row whose calls are shown below. */
	readonly chosen: number;
	onChoose(row: number): void;
}

/** More rows would slow the browser down, and nobody reads them. */
const rowsAtOnce = 200;

/** Which bar has the keyboard: its row, and its piece. Piece 0 is the row's name. */
interface Spot {
	readonly row: number;
	readonly cell: number;
}

/** A request's steps as bars on one time axis. Arrows of the keyboard lead from bar to bar. */
export function Waterfall({
	rows,
	durationMs,
	chosen,
	onChoose,
}: WaterfallProps) {
	const [count, setCount] = useState(rowsAtOnce);
	const [spot, setSpot] = useState<Spot>({ row: 0, cell: 0 });
	const [sentence, setSentence] = useState("");
	const table = useRef<HTMLTableElement>(null);
	const shown = rows.slice(0, count);
	// A row of steps that ended after the answer must not leave the axis.
	const endMs = Math.max(durationMs, ...shown.map(({ toMs }) => toMs), 0.01);
	const onKeyDown = (event: KeyboardEvent) => {
		const next = moved(spot, event.key, shown);
		if (next === null) return;
		event.preventDefault();
		setSpot(next);
		const name = `[data-spot="${next.row} ${next.cell}"]`;
		table.current?.querySelector<HTMLElement>(name)?.focus();
	};
	const left = rows.length - shown.length;
	return (
		<div class="waterfall">
			<table ref={table} onKeyDown={onKeyDown}>
				<caption class="hidden">Steps on a time axis</caption>
				<thead>
					<tr>
						<th scope="col" class="name">
							Step
						</th>
						<th scope="col" class="track">
							<Axis endMs={endMs} />
						</th>
						<th scope="col" class="times">
							From–to
						</th>
						<th scope="col" class="end">
							Ended
						</th>
					</tr>
				</thead>
				<tbody>
					{shown.map((row, at) => (
						<WaterfallRow
							key={at}
							row={row}
							at={at}
							endMs={endMs}
							isChosen={at === chosen}
							spot={spot}
							onSpot={(cell, said) => {
								setSpot({ row: at, cell });
								setSentence(said);
							}}
							onHover={setSentence}
							onChoose={() => onChoose(at)}
						/>
					))}
				</tbody>
			</table>
			{left > 0 && (
				<button type="button" onClick={() => setCount(count + rowsAtOnce)}>
					Show {counted(Math.min(left, rowsAtOnce), "more row")} of{" "}
					{counted(left, "row")} left
				</button>
			)}
			<p class={sentence === "" ? "sentence quiet" : "sentence"}>
				{sentence ||
					"Point at a bar, or go to it with the arrow keys: this line says what it is."}
			</p>
			<BarLegend rows={shown} />
		</div>
	);
}

/** Where a key leads; null if it leads nowhere. */
function moved(spot: Spot, key: string, rows: readonly Row[]): Spot | null {
	const lastCell = (row: number) => rows[row]?.pieces.length ?? 0;
	const toRow = (row: number): Spot | null =>
		row < 0 || row >= rows.length
			? null
			: { row, cell: Math.min(spot.cell, lastCell(row)) };
	const toCell = (cell: number): Spot | null =>
		cell < 0 || cell > lastCell(spot.row) ? null : { row: spot.row, cell };
	switch (key) {
		case "ArrowDown":
			return toRow(spot.row + 1);
		case "ArrowUp":
			return toRow(spot.row - 1);
		case "ArrowRight":
			return toCell(spot.cell + 1);
		case "ArrowLeft":
			return toCell(spot.cell - 1);
		case "Home":
			return toRow(0);
		case "End":
			return toRow(rows.length - 1);
		default:
			return null;
	}
}

interface WaterfallRowProps {
	readonly row: Row;
	readonly at: number;
	readonly endMs: number;
	readonly isChosen: boolean;
	readonly spot: Spot;
	onSpot(cell: number, sentence: string): void;
	onHover(sentence: string): void;
	onChoose(): void;
}

function WaterfallRow({
	row,
	at,
	endMs,
	isChosen,
	spot,
	onSpot,
	onHover,
	onChoose,
}: WaterfallRowProps) {
	const { name, depth, pieces, critical, isCritical, end, marks, tone } = row;
	const tabIndex = (cell: number) =>
		spot.row === at && spot.cell === cell ? 0 : -1;
	const whole = `${name}: ${[end, ...marks].join(", ")}${isCritical ? ". The answer waited for it" : ""}`;
	return (
		<tr class={isChosen ? "chosen" : undefined}>
			<th scope="row" class="name">
				<button
					type="button"
					class="plain"
					data-spot={`${at} 0`}
					tabIndex={tabIndex(0)}
					aria-pressed={isChosen}
					style={{ paddingInlineStart: `${4 + 12 * Math.min(depth, 8)}px` }}
					onFocus={() => onSpot(0, whole)}
					onMouseEnter={() => onHover(whole)}
					onClick={onChoose}
				>
					{isCritical && (
						<span class="star" title="on the critical path">
							★<span class="hidden"> on the critical path: </span>
						</span>
					)}
					{name}
				</button>
			</th>
			<td class="track">
				<div class="bars">
					{pieces.map((piece, position) => (
						<Bar
							key={position}
							piece={piece}
							name={name}
							endMs={endMs}
							spot={`${at} ${position + 1}`}
							tabIndex={tabIndex(position + 1)}
							onFocus={(said) => onSpot(position + 1, said)}
							onHover={onHover}
							onClick={onChoose}
						/>
					))}
					{critical.map(({ fromMs, toMs }) => (
						<span
							key={fromMs}
							class="critical"
							style={stretchOf(fromMs, toMs, endMs)}
						/>
					))}
				</div>
			</td>
			<td class="times">{timesOf(row)}</td>
			<td class="end">
				<span class={`tone ${tone}`}>{end}</span>
				{marks.map((mark) => (
					<span key={mark} class="mark">
						{mark}
					</span>
				))}
			</td>
		</tr>
	);
}

function timesOf({ fromMs, toMs, step }: Row): string {
	if (step?.end === "never_begun") return "";
	return `${shownMs(fromMs).replace(/ ms$/, "")}–${shownMs(toMs)}`;
}

function Bar({
	piece: { fromMs, toMs, spent, sentence },
	name,
	endMs,
	spot,
	tabIndex,
	onFocus,
	onHover,
	onClick,
}: {
	piece: Piece;
	name: string;
	endMs: number;
	spot: string;
	tabIndex: number;
	onFocus(sentence: string): void;
	onHover(sentence: string): void;
	onClick(): void;
}) {
	const said = `${name} ${sentence}`;
	const isWide = (toMs - fromMs) / endMs > 0.12;
	return (
		<button
			type="button"
			class={`bar spent-${spent}`}
			style={stretchOf(fromMs, toMs, endMs)}
			data-spot={spot}
			data-spent={spent}
			tabIndex={tabIndex}
			onFocus={() => onFocus(said)}
			onMouseEnter={() => onHover(said)}
			onClick={onClick}
		>
			{isWide && spent !== "before" && <span>{barWord(spent)}</span>}{" "}
			<span class="hidden">{said}</span>
		</button>
	);
}

function barWord(spent: Piece["spent"]): string {
	if (spent === "before") return "other steps first";
	return spent === "inside" ? "rows below" : wordOf[spent];
}

function stretchOf(fromMs: number, toMs: number, endMs: number) {
	return {
		left: `${(100 * fromMs) / endMs}%`,
		width: `${(100 * (toMs - fromMs)) / endMs}%`,
	};
}

/** Those at the ends stay inside; those between have no room on a phone. */
const axisClasses = new Map([
	[0, "first"],
	[0.25, "between"],
	[0.75, "between"],
	[1, "last"],
]);

function Axis({ endMs }: { endMs: number }) {
	const marks = [0, 0.25, 0.5, 0.75, 1];
	return (
		<div class="axis">
			<span class="hidden">Time</span>
			{marks.map((mark) => (
				<span
					key={mark}
					aria-hidden="true"
					class={axisClasses.get(mark)}
					style={{ left: `${100 * mark}%` }}
				>
					{shownMs(mark * endMs)}
				</span>
			))}
		</div>
	);
}

/** What looks alike: the gateway's own work, its own waits, and pauses between calls. */
const alike: readonly (readonly Piece["spent"][])[] = [
	["reading", "computing", "answer"],
	["queue", "turn", "parallel", "step"],
	["retry", "repeat"],
];

/** Only what these rows have, and each look once. */
function BarLegend({ rows }: { rows: readonly Row[] }) {
	const there = new Set(
		rows.flatMap(({ pieces }) => pieces.map(({ spent }) => spent)),
	);
	const looks = Map.groupBy(
		there,
		(spent) => alike.find((look) => look.includes(spent)) ?? spent,
	);
	return (
		<ul class="legend bar-legend" aria-label="What the bars mean">
			{Array.from(looks.values(), (kinds) => (
				<li key={kinds[0]}>
					<span class={`sample bar spent-${kinds[0]}`} />
					{[...new Set(kinds.map(barWord))].join(", ")}
				</li>
			))}
			<li>
				<span class="sample line" />
				critical path: shorter here, sooner the answer
			</li>
		</ul>
	);
}
