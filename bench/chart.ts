import type { Quartiles } from "./statistics.ts";

/** Bars of one scale, from zero on. */
export interface BarPanel {
	readonly title: string;
	readonly bars: readonly {
		readonly label: string;
		readonly value: Quartiles;
		/** What the chart is about. */
		readonly strong: boolean;
	}[];
}

/** Lines over one quantity whose steps are factors; the value's axis is linear and begins at zero. */
export interface LinePanel {
	readonly title: string;
	readonly axis: string;
	readonly lines: readonly {
		readonly label: string;
		readonly points: readonly {
			readonly x: number;
			readonly value: Quartiles;
		}[];
		readonly strong: boolean;
	}[];
}

interface Words {
	readonly title: string;
	/** What was measured, where and when: a chart travels without its page. */
	readonly note: string;
}

const width = 960;
const margin = 24;
const gap = 40;
const panelWidth = (width - 2 * margin - gap) / 2;
const headHeight = 84;

const colours = {
	strong: "#1d4ed8",
	weak: "#94a3b8",
	ink: "#1f2937",
	quiet: "#4b5563",
	grid: "#e5e7eb",
};

/** Panels of bars, two beside each other, as an SVG with a background of its own: readable on light and dark pages. */
export function barChart(words: Words, panels: readonly BarPanel[]): string {
	const barHeight = 22;
	const heights = rowsOf(panels).map(
		(row) => Math.max(...row.map(({ bars }) => bars.length)) * barHeight + 78,
	);
	return place(words, panels, heights, (panel) => {
		const labelWidth = 190;
		const valueWidth = 52;
		const height = panel.bars.length * barHeight;
		const scale = scaleTo(
			Math.max(...panel.bars.map(({ value }) => value[2])),
			panelWidth - labelWidth - valueWidth,
			4,
		);
		const grid = scale.ticks.map((tick) => {
			const x = labelWidth + scale.at(tick);
			return (
				line(x, 0, x, height, colours.grid) +
				text(x, height + 16, plain(tick), { anchor: "middle", quiet: true })
			);
		});
		const bars = panel.bars.map(({ label, value, strong }, index) => {
			const y = index * barHeight;
			const [first, median, third] = value;
			const colour = strong ? colours.strong : colours.weak;
			return [
				text(labelWidth - 8, y + 15, label, { anchor: "end", bold: strong }),
				`<rect x="${labelWidth}" y="${y + 4}" width="${round(scale.at(median))}" height="14" fill="${colour}"/>`,
				line(
					labelWidth + scale.at(first),
					y + 11,
					labelWidth + scale.at(third),
					y + 11,
					colours.ink,
				),
				text(labelWidth + scale.at(third) + 6, y + 15, plain(median), {
					bold: strong,
				}),
			].join("");
		});
		return [...grid, ...bars].join("\n");
	});
}

/** Panels of lines, two beside each other; otherwise like `barChart`. */
export function lineChart(words: Words, panels: readonly LinePanel[]): string {
	const plotHeight = 150;
	const heights = rowsOf(panels).map(() => plotHeight + 96);
	return place(words, panels, heights, ({ axis, lines }) => {
		const left = 52;
		const right = 70;
		const points = lines.flatMap((each) => each.points);
		const xs = [...new Set(points.map(({ x }) => x))].toSorted((a, b) => a - b);
		const scale = scaleTo(
			Math.max(...points.map(({ value }) => value[2])),
			plotHeight,
			6,
		);
		const first = Math.log(xs[0] ?? 1);
		const span = Math.log(xs.at(-1) ?? 1) - first || 1;
		const xAt = (x: number) =>
			left + ((Math.log(x) - first) / span) * (panelWidth - left - right);
		const yAt = (value: number) => plotHeight - scale.at(value);
		const grid = scale.ticks.map(
			(tick) =>
				line(left, yAt(tick), panelWidth - right, yAt(tick), colours.grid) +
				text(left - 8, yAt(tick) + 4, plain(tick), {
					anchor: "end",
					quiet: true,
				}),
		);
		const marks = xs.map((x) =>
			text(xAt(x), plotHeight + 18, short(x), {
				anchor: "middle",
				quiet: true,
			}),
		);
		const name = text((left + panelWidth - right) / 2, plotHeight + 36, axis, {
			anchor: "middle",
			quiet: true,
		});
		const labelAt = apart(
			lines.map(({ points }) => yAt(points.at(-1)?.value[1] ?? 0)),
		);
		const drawn = lines.map(({ label, points, strong }, index) => {
			const colour = strong ? colours.strong : colours.weak;
			const path = points
				.map(({ x, value }) => `${round(xAt(x))},${round(yAt(value[1]))}`)
				.join(" ");
			const end = points.at(-1);
			return [
				`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
				...points.map(
					({ x, value }) =>
						`<circle cx="${round(xAt(x))}" cy="${round(yAt(value[1]))}" r="3" fill="${colour}"/>` +
						line(xAt(x), yAt(value[0]), xAt(x), yAt(value[2]), colours.ink),
				),
				end === undefined
					? ""
					: text(xAt(end.x) + 8, (labelAt[index] ?? 0) + 4, label, {
							bold: strong,
						}),
			].join("");
		});
		return [...grid, ...marks, name, ...drawn].join("\n");
	});
}

/** The heights again, the upper of two that are too near moved up so far that their labels can be read, none above the top. */
function apart(heights: readonly number[]): readonly number[] {
	const labelHeight = 14;
	const placed = [...heights];
	const order = heights
		.map((_, index) => index)
		.toSorted((a, b) => (heights[b] ?? 0) - (heights[a] ?? 0));
	for (const [rank, index] of order.entries()) {
		const below = order[rank - 1];
		if (below === undefined) continue;
		const highest = (placed[below] ?? 0) - labelHeight;
		placed[index] = Math.min(placed[index] ?? 0, highest);
	}
	const aboveTop = Math.max(0, -Math.min(...placed));
	return placed.map((height) => height + aboveTop);
}

/** Rows of two. */
function rowsOf<Panel>(
	panels: readonly Panel[],
): readonly (readonly Panel[])[] {
	return panels.flatMap((_, index) =>
		index % 2 === 0 ? [panels.slice(index, index + 2)] : [],
	);
}

function place<Panel extends { readonly title: string }>(
	{ title, note }: Words,
	panels: readonly Panel[],
	heights: readonly number[],
	draw: (panel: Panel) => string,
): string {
	let top = headHeight;
	const drawn = rowsOf(panels).flatMap((row, index) => {
		const y = top;
		top += heights[index] ?? 0;
		return row.map((panel, column) => {
			const x = margin + column * (panelWidth + gap);
			return `<g transform="translate(${x} ${y})">${text(0, 12, panel.title, { bold: true })}
<g transform="translate(0 26)">
${draw(panel)}
</g></g>`;
		});
	});
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12">
<title>${escape(title)}</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${top - 1}" rx="6" fill="#ffffff" stroke="#d1d5db"/>
<text x="${margin}" y="34" font-size="17" font-weight="600" fill="${colours.ink}">${escape(title)}</text>
<text x="${margin}" y="56" fill="${colours.quiet}">${escape(note)}</text>
${drawn.join("\n")}
</svg>
`;
}

interface Scale {
	readonly at: (value: number) => number;
	readonly ticks: readonly number[];
}

/** From zero to a round number that is not below the largest value. */
function scaleTo(largest: number, length: number, stepsMax: number): Scale {
	const step = stepOf(largest || 1, stepsMax);
	const count = Math.ceil((largest || 1) / step);
	const end = step * count;
	return {
		at: (value) => (value / end) * length,
		ticks: Array.from({ length: count + 1 }, (_, index) =>
			Number((index * step).toPrecision(6)),
		),
	};
}

/** 1, 2 or 5 with zeros: the least that needs no more steps. */
function stepOf(largest: number, stepsMax: number): number {
	const zeros = 10 ** Math.floor(Math.log10(largest / stepsMax));
	const factor = [1, 2, 5, 10].find(
		(each) => largest / (each * zeros) <= stepsMax,
	);
	return (factor ?? 10) * zeros;
}

interface TextStyle {
	readonly anchor?: "middle" | "end";
	readonly bold?: boolean;
	readonly quiet?: boolean;
}

function text(
	x: number,
	y: number,
	words: string,
	{ anchor, bold = false, quiet = false }: TextStyle = {},
): string {
	const place = anchor ? ` text-anchor="${anchor}"` : "";
	const weight = bold ? ' font-weight="600"' : "";
	const fill = quiet ? colours.quiet : colours.ink;
	return `<text x="${round(x)}" y="${round(y)}"${place}${weight} fill="${fill}">${escape(words)}</text>`;
}

function line(
	x1: number,
	y1: number,
	x2: number,
	y2: number,
	colour: string,
): string {
	return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}"/>`;
}

/** Three digits that count. */
function plain(value: number): string {
	return value >= 100 ? value.toFixed(0) : `${Number(value.toPrecision(3))}`;
}

/** 1024 as 1Ki where it is a power of two, 1000 as 1k. */
function short(x: number): string {
	if (x >= 2 ** 20 && x % 2 ** 20 === 0) return `${x / 2 ** 20}Mi`;
	if (x >= 1_024 && x % 1_024 === 0) return `${x / 1_024}Ki`;
	return x >= 1_000 && x % 1_000 === 0 ? `${x / 1_000}k` : `${x}`;
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

function escape(words: string): string {
	return words
		.replaceAll("&", "&amp;")
		.replaceAll("<", "&lt;")
		.replaceAll(">", "&gt;");
}
