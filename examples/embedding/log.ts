import { attachLog, serve } from "../../src/index.ts";
import { gateway } from "./gateway.ts";

export async function startLogged(port: number) {
	const log = attachLog(gateway);
	const { onInternal, onRefused } = log;
	const server = await serve(gateway, { port, onInternal, onRefused });
	return {
		url: server.url,
		async stop() {
			await server.drain();
			await log.close(); // what it has told is written then
		},
	};
}
