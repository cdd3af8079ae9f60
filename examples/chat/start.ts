/** What `npm run chat` runs: the gateway of the chat on port 8080 (or `PORT`), and the server of its page. */
import { join } from "node:path";
import { main } from "../../src/cli/main.ts";
import { startPageServer } from "./page-server.ts";

const page = await startPageServer();
try {
	process.env.PAGE_URL = page.url;
	const config = join(import.meta.dirname, "sluice.yaml");
	process.exitCode = await main(
		["serve", config, "--port", process.env.PORT || "8080"],
		{
			onListening: (url) => console.log(tryIt(url)),
			anotherPort: "with `PORT=9000 npm run chat`",
		},
	);
} finally {
	await page.close();
}

function tryIt(url: string): string {
	return `
Open ${url}/#kitchen in two tabs, with two names. In another terminal:

  curl -N -H 'Accept: text/event-stream' '${url}/rooms/kitchen?name=curl'
  curl --json '{"key":"1","text":"hello"}' '${url}/rooms/kitchen?name=curl'
`;
}
