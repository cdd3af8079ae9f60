import { Command, CommanderError } from "commander";
import { GatewayError } from "../core/errors.ts";
import { packageVersion } from "../core/version.ts";
import type { CallOptions } from "./call.ts";
import type { CheckOptions } from "./check.ts";
import { usualColumns } from "./columns.ts";
import { exitCodes } from "./exit-codes.ts";
import type { ExplainOptions } from "./explain.ts";
import type { HistoryOptions } from "./history.ts";
import type { KeyOptions } from "./key.ts";
import type { ServeFlags, ServeHooks } from "./serve.ts";
import { guardProcess, print, printError } from "./terminal.ts";
import type { WorkFlags } from "./work.ts";

const help = `
Examples:
  sluice check                        say everything that is wrong
  sluice check --connect              ask each upstream once, too
  sluice explain                      say what waits for what, and how long
  sluice call '/weather?city=Oslo'    try a route without a server
  sluice serve                        serve ./sluice.yaml
  sluice serve shop.yaml --port 80    serve another file on another port
  sluice work                         run jobs beside it, in another process
  sluice history --since 1h           show the requests of the last hour
  sluice key acme                     make an API key
  sluice schema > sluice.schema.json  let the editor complete the config

Without a config, a command takes the first that exists of ./sluice.yaml, .yml,
.json, .ts and .js. A config in its smallest form:

  routes:
    GET /hello/{name}:
      respond: Hello, \${params.name}!

Exit codes:
  0  done
  1  the command was misused, or could not do its work
  2  the config has problems

The commands are in docs/cli.md, the language in docs/language.md, and every key
with an example in docs/config.md.`;

const serveHelp = `
Examples:
  sluice serve                             ./sluice.yaml, where it says
  sluice serve shop.yaml --port 0          on any free port
  PORT=9000 sluice serve                   with \`port: \${env.PORT ?? 8080}\`
  sluice serve --workers auto              a process for each core, on one port

It prints the address and the routes to stdout, and the log to stderr.

Signals:
  SIGTERM, SIGINT (Ctrl-C), SIGHUP, SIGQUIT
                    finish the running requests, and end
  a second one      end at once
  SIGUSR2           with several workers: start each anew, one after another,
                    without a lost request; the config is read again
  SIGUSR1           does nothing, and neither does SIGUSR2 without workers

Exit codes:
  0  a signal ended it, and all requests were finished
  1  it could not listen, or requests were cut when it ended
  2  the config has problems`;

const workHelp = `
It takes jobs that gateways of the same config have taken on: from their store, or
from their database on this machine. It opens no port but that of the admin server.
Beside \`serve\` on one machine that is taken: then it has none, or another by
--admin-port.

Signals are those of \`serve\`: the first one takes no more jobs and gives those that
run the time of \`server.drain\`. What is left of them then is run by others.

Exit codes:
  0  a signal ended it
  1  there are no jobs in the config, or the admin server could not listen
  2  the config has problems`;

const checkHelp = `
It prints each problem with its line, its column and what to write instead. It
asks no upstream, unless \`--connect\` is given.

Exit codes:
  0  the config is valid; there may be warnings
  1  an upstream did not answer, or the command was misused
  2  the config has problems`;

const explainHelp = `
Examples:
  sluice explain                               every route of ./sluice.yaml
  sluice explain 'GET /weather'                one of them
  sluice explain shop.yaml /users/{id} --json  for scripts
  sluice explain --mermaid > routes.mmd        as a flowchart

The times are the worst case: every attempt takes its whole timeout, and every
list is as long as its \`max\`. Waiting for a free connection is not counted.

Exit codes:
  0  done
  1  there is no such route
  2  the config has problems`;

const callHelp = `
Examples:
  sluice call 'GET /weather?city=Москва'
  sluice call shop.yaml /users/7 --header 'accept-language: de'
  sluice call 'POST /orders' --data '{"item": 7}'
  sluice call 'POST /orders' --data @order.json | jq .id
  sluice call '/board/7' --parts

What a URL cannot hold is encoded. Without a method it is GET, with --data POST.
The body goes to stdout, indented on a terminal; status and header go to stderr.
On a terminal the calls that were made follow, as bars on one time axis.
With --parts each part goes to stdout as it comes, a line of JSON each, and its
time to stderr.
Ctrl-C aborts the request.

Exit codes:
  0  the answer's status is below 400
  1  it is not, or the command was misused
  2  the config has problems`;

const historyHelp = `
Examples:
  sluice history                               the last 20 of ./sluice.yaml
  sluice history --since 1h --slow 500ms       the slow ones of the last hour
  sluice history --route 'GET /weather' --failed
  sluice history --id 3f2a91c0                 one of them, with its calls
  sluice history --since 7d --limit 100000 --csv > week.csv

It reads the database that \`history\` in the config names, also while the gateway
writes it. \`--json\` prints one object a line, as docs/operating.md has it. What
stands in the database, and how to read it with SQL, is there, too.

Exit codes:
  0  done
  1  there is nothing to read, or the command was misused
  2  the config has problems`;

const keyHelp = `
Examples:
  sluice key acme --expires 90d --scope orders:read
  sluice key ada --password
  sluice key acme 2>> keys.yaml > acme.key

The key goes to stdout, and what the gateway has to know of it to stderr: an
entry for the file or the list of \`keys\` or \`basic\`. Nobody can find out the
key from that. docs/auth.md explains both.`;

const schemaHelp = `
  sluice schema > sluice.schema.json

and, as the config's first line, for editors with the YAML language server:

  # yaml-language-server: $schema=./sluice.schema.json`;

const configArgument =
	"the config (default: ./sluice.yaml, .yml, .json, .ts or .js)";

/** Runs the command line. Resolves with the exit code when the command has ended. Never calls process.exit. */
export async function main(
	args: readonly string[],
	hooks: ServeHooks = {},
): Promise<number> {
	guardProcess();
	let exitCode: number = exitCodes.ok;
	// Each command loads what it needs: `check` needs no gateway, and should answer at once.
	const program = new Command("sluice")
		.description(
			"An API gateway that composes: one request in, several APIs asked, one answer out.",
		)
		.version(packageVersion(), "-V, --version", "print the version")
		.helpOption("-h, --help", "print this help")
		.helpCommand("help [command]", "print the help of a command")
		.configureHelp({
			helpWidth: usualColumns,
			subcommandTerm: (one) => one.name(),
		})
		.addHelpText("after", help)
		.showSuggestionAfterError()
		.exitOverride()
		.configureOutput({
			writeOut: (text) => print(text.replace(/\n$/, "")),
			writeErr: (text) => printError(text.replace(/\n$/, "")),
		});
	program
		.command("serve")
		.description("start the gateway; SIGTERM lets running requests finish")
		.addHelpText("after", serveHelp)
		.argument("[config]", configArgument)
		.option("--port <number>", "listen on this port instead of the config's")
		.option(
			"--host <address>",
			"listen on this address instead of the config's",
		)
		.option("--workers <number>", "so many processes, or `auto`: one a core")
		.action(async (config: string | undefined, options: ServeFlags) => {
			const { serveCommand } = await import("./serve.ts");
			exitCode = await serveCommand(config, options, hooks);
		});
	program
		.command("work")
		.description("run the jobs of a config, and take no requests")
		.addHelpText("after", workHelp)
		.argument("[config]", configArgument)
		.option(
			"--admin-port <number>",
			"the admin server's, instead of the config's",
		)
		.action(async (config: string | undefined, options: WorkFlags) => {
			const { workCommand } = await import("./work.ts");
			exitCode = await workCommand(config, options);
		});
	program
		.command("check")
		.description("say everything that is wrong with a config, and where")
		.addHelpText("after", checkHelp)
		.argument("[config]", configArgument)
		.option(
			"--connect",
			"ask every upstream once, too, and say what it answers",
		)
		.action(async (config: string | undefined, options: CheckOptions) => {
			const { checkCommand } = await import("./check.ts");
			exitCode = await checkCommand(config, options);
		});
	program
		.command("explain")
		.description("say what waits for what, and how long a route can take")
		.usage("[options] [config] [route]")
		.argument("[config]", configArgument)
		.argument("[route...]", "one route: its key, or its path alone")
		.option("--json", "as JSON, for scripts: docs/cli.md has its shape")
		.option("--mermaid", "as a Mermaid flowchart")
		.addHelpText("after", explainHelp)
		.action(
			async (
				config: string | undefined,
				route: readonly string[],
				options: ExplainOptions,
			) => {
				const { explainCommand } = await import("./explain.ts");
				const words = config === undefined ? route : [config, ...route];
				exitCode = await explainCommand(words, options);
			},
		);
	program
		.command("call")
		.description("make one request to a route, without a server")
		.usage("[options] [config] <request>")
		.argument(
			"<request...>",
			`the request, 'GET /path?query'; before it ${configArgument}`,
		)
		.option(
			"-H, --header <field>",
			"a header field, `name: value`; may be repeated",
			(field: string, before: readonly string[] = []) => [...before, field],
		)
		.option("-d, --data <text>", "the body: a text, `@file`, or `@-` for stdin")
		.option("-i, --include", "status and header to stdout, before the body")
		.option("--parts", "ask for the answer in parts; show each as it comes")
		.addHelpText("after", callHelp)
		.action(async (words: readonly string[], options: CallOptions) => {
			const { callCommand } = await import("./call.ts");
			exitCode = await callCommand(words, options);
		});
	program
		.command("history")
		.description("show the requests that the gateway has kept")
		.argument("[config]", configArgument)
		.option("--since <time>", "how long ago, `1h`, or an instant")
		.option("--route <key>", "as the config names it")
		.option("--upstream <name>", "those that have called it")
		.option("--failed", "those that failed")
		.option("--partial", "those whose answer lacked a part")
		.option("--status <status>", "503, or `5xx`")
		.option("--slow <duration>", "those that took so long, or longer")
		.option("--error <code>", "failed or incomplete because of it")
		.option("--step <name>", "failed in this step, or lacking its part")
		.option("--limit <number>", "at most so many (default: 20)")
		.option("--id <id>", "one request in full, by the beginning of its id")
		.option("--file <path>", "another database than the config's")
		.option("--json", "as JSON, one request a line")
		.option("--csv", "as CSV, for spreadsheets")
		.addHelpText("after", historyHelp)
		.action(async (config: string | undefined, options: HistoryOptions) => {
			const { historyCommand } = await import("./history.ts");
			exitCode = await historyCommand(config, options);
		});
	program
		.command("key")
		.description("make an API key, or a password, for `auth`")
		.addHelpText("after", keyHelp)
		.argument("<name>", "whose it is, as `auth.key` or `auth.sub` says it")
		.option("--password", "a password, for `basic`")
		.option("--expires <time>", "the day on which it ends, or `90d`")
		.option("--scope <scope>", "what it is for: `auth.scope`")
		.action(async (name: string, options: KeyOptions) => {
			const { keyCommand } = await import("./key.ts");
			exitCode = keyCommand(name, options);
		});
	program
		.command("schema")
		.description("print the config's JSON Schema, for editors")
		.addHelpText("after", schemaHelp)
		.action(async () => {
			const { schemaCommand } = await import("./schema.ts");
			exitCode = schemaCommand();
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
	if (!(error instanceof GatewayError)) {
		// A bug of ours. Node would print its words as they are.
		printError(error instanceof Error ? String(error.stack) : String(error));
		return exitCodes.failed;
	}
	printError(error.message);
	return error.code === "config_invalid"
		? exitCodes.configInvalid
		: exitCodes.failed;
}
