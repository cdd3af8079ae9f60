/** A bare server: `bare.ts <answer>`, a file of JSON with the header fields and the body to answer to everything. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { listen } from "./listen.ts";

const { headers, body } = JSON.parse(
	readFileSync(process.argv[2] ?? "", "utf8"),
) as { headers: string[]; body: string };

listen(
	createServer((_request, response) => {
		response.writeHead(200, headers);
		response.end(body);
	}),
);
