/** A module that tells when it begins to load, and goes on when it is told to. */
import { BroadcastChannel } from "node:worker_threads";

const channel = new BroadcastChannel("loads-when-told");
const told = new Promise((resolve) => {
	channel.onmessage = resolve;
});
channel.postMessage("loading");
await told;
channel.close();

let calls = 0;
export const count = (context?: { begun?: () => void }): number => {
	context?.begun?.();
	return ++calls;
};
