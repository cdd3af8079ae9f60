/** A module whose top level waits for ever, and tells that it does. */
import { BroadcastChannel } from "node:worker_threads";

new BroadcastChannel("never-loads").postMessage("waiting");
await new Promise(() => {});

export const never = 1;
