import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Points } from "../series.ts";

export interface Line {
	readonly name: string;
	/** A custom property of the style sheet: `--line-1`. */
	readonly colour: string;
	/** Lines differ without colours, too. */
	readonly dash?: readonly number[];
}

export interface ChartProps {
	readonly title: string;
	readonly lines: readonly Line[];
	readonly points: Points;
	/** How a value is written at the axis and in the legend. */
	readonly shown: (value: number | null) => string;
}

const height = 150;

/** Lines over the last minutes, with the newest values as text below. */
export function Chart({ title, lines, points, shown }: ChartProps) {
	const place = useRef<HTMLDivElement>(null);
	const chart = useRef<uPlot | null>(null);
	const newest = useRef(points);
	newest.current = points;
	const names = lines.map(({ name }) => name).join();
	useEffect(() => {
		const around = place.current;
		if (around === null) return;
		const draw = () => {
			chart.current?.destroy();
			const options = optionsOf(lines, shown, around.clientWidth);
			chart.current = new uPlot(options, newest.current, around);
		};
		draw();
		const observer = new ResizeObserver(() => {
			chart.current?.setSize({ width: around.clientWidth, height });
		});
		observer.observe(around);
		// The canvas knows no style sheet, so its colours are read again.
		const dark = matchMedia("(prefers-color-scheme: dark)");
		dark.addEventListener("change", draw);
		return () => {
			observer.disconnect();
			dark.removeEventListener("change", draw);
			chart.current?.destroy();
			chart.current = null;
		};
	}, [names]);
	useEffect(() => chart.current?.setData(points), [points]);
	const values = lines.map(({ name }, at) => {
		const value = points[at + 1]?.at(-1) ?? null;
		return `${name} ${shown(value) || "–"}`;
	});
	return (
		<figure class="chart">
			<figcaption>{title}</figcaption>
			<div
				ref={place}
				class="plot"
				role="img"
				aria-label={`${title}, now: ${values.join(", ")}`}
			/>
			<Legend lines={lines} values={values} />
		</figure>
	);
}

function Legend({
	lines,
	values,
}: {
	lines: readonly Line[];
	values: readonly string[];
}) {
	return (
		<ul class="legend" aria-hidden="true">
			{lines.map(({ name, colour, dash }, at) => (
				<li key={name}>
					<svg width="22" height="8" class="sample">
						<line
							x1="0"
							x2="22"
							y1="4"
							y2="4"
							stroke={`var(${colour})`}
							stroke-width="2"
							stroke-dasharray={dash?.join(" ")}
						/>
					</svg>
					{values[at]}
				</li>
			))}
		</ul>
	);
}

function optionsOf(
	lines: readonly Line[],
	shown: ChartProps["shown"],
	width: number,
): uPlot.Options {
	const style = getComputedStyle(document.documentElement);
	const colour = (name: string) => style.getPropertyValue(name).trim();
	const axis = {
		stroke: colour("--quiet"),
		grid: { stroke: colour("--rule"), width: 1 },
		ticks: { stroke: colour("--rule"), width: 1, size: 4 },
		font: "11px system-ui, sans-serif",
	};
	return {
		width,
		height,
		legend: { show: false },
		cursor: { show: false },
		scales: {
			// A page that was just opened has a second or two: a minute shows them in proportion.
			x: { range: (_, min, max) => [Math.min(min, max - 60), max] },
			y: { range: (_, _min, max) => [0, max > 0 ? 1.1 * max : 1] },
		},
		axes: [
			{ ...axis, space: 70, size: 26 },
			{
				...axis,
				size: 58,
				space: 34,
				values: (_, values) => values.map((value) => shown(value)),
			},
		],
		series: [
			{},
			...lines.map(({ name, colour: property, dash }) => ({
				label: name,
				stroke: colour(property),
				width: 1.6,
				points: { show: false },
				...(dash ? { dash: [...dash] } : {}),
			})),
		],
	};
}
