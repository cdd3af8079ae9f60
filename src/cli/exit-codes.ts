/** What every command's exit code means. */
export const exitCodes = {
	ok: 0,
	/** The command was misused, or could not do its work. */
	failed: 1,
	/** The config has problems. */
	configInvalid: 2,
} as const;
