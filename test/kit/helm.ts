import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where Debian puts the packages of Go. */
const packages = "/usr/share/gocode";

/** The reason to skip a test that renders a chart; false if all is there. Where all must be there, none is skipped. */
export function withoutHelm(): string | false {
	try {
		execFileSync("go", ["version"], { stdio: "ignore" });
		if (existsSync(join(packages, "src/github.com/Masterminds/sprig"))) {
			return false;
		}
	} catch {
		// No Go.
	}
	const reason = "Go and its sprig are not installed";
	assert.ok(!process.env.SLUICE_TEST_ALL, reason);
	return reason;
}

/** One installation of a chart. */
export interface Release {
	readonly name?: string;
	readonly namespace?: string;
	readonly values: object;
}

export interface Rendered {
	/** The chart's own values with the release's. */
	readonly values: Record<string, unknown>;
	/** What each template became, by its file's name. */
	readonly files: Readonly<Record<string, string>>;
	/** Empty if all could be rendered. */
	readonly error: string;
}

/** Renders charts by the packages that Helm stands on. Go compiles it once. */
export class ChartRenderer implements Disposable {
	readonly #folder = mkdtempSync(join(tmpdir(), "sluice-helm-"));
	readonly #program = join(this.#folder, "render");

	constructor() {
		const source = new URL("helm/render.go", import.meta.url).pathname;
		execFileSync("go", ["build", "-o", this.#program, source], {
			env: {
				...process.env,
				GO111MODULE: "off",
				GOPATH: packages,
				GOFLAGS: "",
				GOCACHE: process.env.GOCACHE ?? join(tmpdir(), "sluice-go-cache"),
			},
		});
	}

	render(chart: string, releases: readonly Release[]): Rendered[] {
		const input = {
			chart,
			releases: releases.map(
				({ name = "shop", namespace = "web", values }) => ({
					...{ name, namespace, values },
				}),
			),
		};
		return JSON.parse(
			execFileSync(this.#program, {
				input: JSON.stringify(input),
				encoding: "utf8",
			}),
		);
	}

	[Symbol.dispose](): void {
		rmSync(this.#folder, { recursive: true });
	}
}
