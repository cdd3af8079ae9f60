import { serve } from "../../src/index.ts";
import { gateway } from "./gateway.ts";

export async function start(port: number) {
	const server = await serve(gateway, { port });
	return {
		url: server.url,
		async stop() {
			await server.drain(); // what runs may finish; then all connections are closed
			await gateway.close();
		},
	};
}
