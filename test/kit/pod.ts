import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
	chmodSync,
	chownSync,
	mkdirSync,
	mkdtempSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RunningCommand, sluice } from "./cli.ts";
import type { Manifest } from "./kubernetes.ts";

/** The reason to skip a test that starts a pod's process; false if there is none. Where all must be there, none is skipped. */
export function withoutMounts(): string | false {
	const reason = !isRunning("unshare", "--mount", "true")
		? "no file system of its own can be mounted"
		: !isRunning(...asOther, "test", "-r", fileURLToPath(import.meta.url))
			? "the project's folder can be read by its owner alone"
			: false;
	assert.ok(!reason || !process.env.SLUICE_TEST_ALL, String(reason));
	return reason;
}

/** As a user that owns nothing, as in the image. */
const asOther = [
	...["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"],
] as const;

function isRunning(...[program, ...words]: [string, ...string[]]): boolean {
	try {
		execFileSync(program, words, { stdio: "ignore" });
		return true;
	} catch {
		return false;
	}
}

/** The container of a pod, as a process. */
export interface Pod extends Disposable {
	/** What stands for the container's `/`. Its folders are those that the pod mounts. */
	readonly root: string;
	readonly command: RunningCommand;
}

interface PodOptions {
	/** By the names of Secrets: their keys and values. */
	readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
	/** Numbers that stand for those of the manifest, because others use this machine's ports, too. */
	readonly ports: Readonly<Record<string, string>>;
}

/**
 * Starts what a Deployment says: its arguments and environment, as its user, with its volumes below a folder and nothing else
 * that can be written. Files of ConfigMaps and Secrets are links to links, as the kubelet makes them.
 */
export function startPod(
	{ Deployment, ConfigMap }: Readonly<Record<string, Manifest>>,
	{ secrets, ports }: PodOptions,
): Pod {
	const { spec } = Deployment.spec.template;
	const [container] = spec.containers;
	const { runAsUser, runAsGroup } = spec.securityContext;
	const root = mkdtempSync(join(tmpdir(), "sluice-pod-"));
	chmodSync(root, 0o755);
	const here = (text: string) =>
		text.replace(/(^|\s)\/(config|secrets|data|tmp)\b/g, `$1${root}/$2`);
	const writable: string[] = [];
	for (const { name, mountPath } of container.volumeMounts) {
		const volume = spec.volumes.find((one: Manifest) => one.name === name);
		const folder = join(root, mountPath);
		mkdirSync(folder, { recursive: true });
		if (volume.emptyDir) {
			chownSync(folder, 0, spec.securityContext.fsGroup);
			chmodSync(folder, 0o2775);
			writable.push(folder);
		} else if (volume.configMap) {
			const texts = Object.entries<string>(ConfigMap.data);
			project(
				folder,
				texts.map(([file, text]) => [file, here(text)]),
			);
		} else {
			const { sources, defaultMode } = volume.projected;
			project(
				folder,
				sources.map(({ secret }: Manifest) => [
					secret.items[0].path,
					secrets[secret.name]?.[secret.items[0].key] ?? assert.fail(),
				]),
				{ mode: defaultMode, group: spec.securityContext.fsGroup },
			);
		}
	}
	const env: [string, string][] = (container.env ?? []).map(
		({ name, value }: Manifest) => [name, here(value)],
	);
	const command = sluice(
		container.args.map((word: string) => ports[word] ?? here(word)),
		{
			cwd: join(root, "config"),
			env: { TMPDIR: join(root, "tmp"), ...Object.fromEntries(env) },
			prefix: [
				...["unshare", "--mount", "sh", "-ec", readOnly, "sh", root],
				...[String(writable.length), ...writable],
				...["setpriv", `--reuid=${runAsUser}`, `--regid=${runAsGroup}`],
				...["--clear-groups", "--no-new-privs", "--bounding-set=-all"],
			],
		},
	);
	return {
		...{ root, command },
		[Symbol.dispose]() {
			command.process.kill("SIGKILL");
			rmSync(root, { recursive: true });
		},
	};
}

/** Everything can only be read, but for the folders that are named. */
const readOnly = `
root=$1; count=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
while [ $count -gt 0 ]; do mount --bind "$1" "$1"; mount -o remount,bind,rw "$1"; shift; count=$((count - 1)); done
mount -o remount,bind,ro /
if touch /x "$root/config/x" 2>/dev/null; then echo "it can be written" >&2; exit 99; fi
exec "$@"
`;

/** As the kubelet writes files: a folder of this moment, a link to it, and a link to each file through that. */
function project(
	folder: string,
	files: readonly (readonly [string, string])[],
	{ mode = 0o644, group = 0 } = {},
): void {
	mkdirSync(join(folder, "..2026_11_29"));
	symlinkSync("..2026_11_29", join(folder, "..data"));
	for (const [name, text] of files) {
		const path = join(folder, "..2026_11_29", name);
		writeFileSync(path, text);
		chownSync(path, 0, group);
		chmodSync(path, mode);
		symlinkSync(join("..data", name), join(folder, name));
	}
}
