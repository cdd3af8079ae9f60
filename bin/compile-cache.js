import { lstatSync, mkdirSync, realpathSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/**
 * Keeps what Node compiles in `~/.cache/sluice`, which halves the start of a command. Node runs what it finds there, and
 * by default it looks in the temporary directory, where any user of the machine may have put something. So there is no
 * cache if another user could write to the folder, or if the system does not tell.
 */
export function enableOwnCompileCache() {
	// Then Node has opened the folder already that this variable names.
	if (process.env.NODE_COMPILE_CACHE) return;
	const folder = ownFolder();
	if (folder === null) return;
	enableCompileCache(folder);
	// For the processes that this one starts.
	process.env.NODE_COMPILE_CACHE = folder;
}

/** Null if there is none that only this user can write to. */
function ownFolder() {
	const uid = process.getuid?.();
	if (uid === undefined) return null;
	try {
		const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
		mkdirSync(join(cache, "sluice"), { recursive: true, mode: 0o700 });
		const folder = realpathSync(join(cache, "sluice"));
		if (lstatSync(folder).uid !== uid) return null;
		return isSafe(folder, uid) ? folder : null;
	} catch {
		return null;
	}
}

/** Whether nobody but this user and root can change the folder or put another in its place. */
function isSafe(folder, uid) {
	const { uid: owner, mode } = lstatSync(folder);
	if (owner !== uid && owner !== 0) return false;
	const forOthers = (mode & 0o022) !== 0;
	// In a sticky folder, such as /tmp, others cannot replace what is ours.
	const sticky = (mode & 0o1000) !== 0;
	if (forOthers && !sticky) return false;
	const around = dirname(folder);
	return around === folder || isSafe(around, uid);
}
