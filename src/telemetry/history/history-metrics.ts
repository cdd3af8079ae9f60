import { labels, type MetricsOut } from "../metrics/exposition.ts";
import { metrics } from "../metrics/families.ts";
import { dropReasons, type WriterState } from "./writer.ts";

/** How writing to the history goes. */
export function writeHistory(
	{ written, dropped, recordFaults, waiting, fileBytes }: WriterState,
	out: MetricsOut,
): void {
	out.metric(metrics.historyDropped);
	for (const reason of dropReasons) {
		const text = labels({ reason });
		out.sample(metrics.historyDropped.name, text, dropped[reason]);
	}
	for (const [metric, value] of [
		[metrics.historyWritten, written],
		[metrics.historyRecordFaults, recordFaults],
		[metrics.historyWaiting, waiting],
		[metrics.historyBytes, fileBytes],
	] as const) {
		out.metric(metric);
		out.sample(metric.name, "", value);
	}
}
