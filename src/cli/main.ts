import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { GatewayError } from "../core/errors.ts";
import { checkCommand } from "./check.ts";
import { exitCodes } from "./exit-codes.ts";
import { type ServeHooks, serveCommand } from "./serve.ts";

const help = `
Examples:
  sluice check                      say everything that is wrong with ./sluice.yaml
  sluice serve                      serve ./sluice.yaml (or .json) where it says
  sluice serve shop.yaml --port 80  serve another file on another port

A config in its smallest form:

  upstreams:
    users:
      url: http://127.0.0.1:3001
  routes:
    GET /hello/{id}:
      steps:
        user:
          get: users/users/\${params.id}
      respond:
        hello: \${user.name}

Exit codes: 0 done, 1 failed, 2 the config has problems.
The language is in docs/language.md, every key with an example in docs/config.md.`;

/** Runs the command line; resolves with the exit code when the command has ended. Never calls process.exit. */
export async function main(
	args: readonly string[],
	hooks: ServeHooks = {},
): Promise<number> {
	let exitCode: number = exitCodes.ok;
	const program = new Command("sluice")
		.description(
			"An API gateway that composes: one request in, several APIs asked, one answer out.",
		)
		.version(version())
		.addHelpText("after", help)
		.showSuggestionAfterError()
		.exitOverride();
	program
		.command("serve")
		.description("start the gateway; SIGTERM lets running requests finish")
		.argument(
			"[config]",
			"the config (default: ./sluice.yaml or ./sluice.json)",
		)
		.option("--port <number>", "listen on this port instead of the config's")
		.option(
			"--host <address>",
			"listen on this address instead of the config's",
		)
		.action(
			async (
				config: string | undefined,
				options: { port?: string; host?: string },
			) => {
				exitCode = await serveCommand(config, options, hooks);
			},
		);
	program
		.command("check")
		.description("say everything that is wrong with a config, and where")
		.argument(
			"[config]",
			"the config (default: ./sluice.yaml or ./sluice.json)",
		)
		.action((config: string | undefined) => {
			exitCode = checkCommand(config);
		});
	try {
		await program.parseAsync(args, { from: "user" });
		return exitCode;
	} catch (error) {
		return exitCodeOf(error);
	}
}

function exitCodeOf(error: unknown): number {
	// Commander has said what was wrong, or shown the help that was asked for.
	if (error instanceof CommanderError) return error.exitCode;
	if (!(error instanceof GatewayError)) throw error;
	console.error(error.message);
	return error.code === "config_invalid"
		? exitCodes.configInvalid
		: exitCodes.failed;
}

function version(): string {
	const file = new URL("../../package.json", import.meta.url);
	return (JSON.parse(readFileSync(file, "utf8")) as { version: string })
		.version;
}
