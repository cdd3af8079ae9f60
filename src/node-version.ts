/**
 * Says which Node is needed where it is an older one. It is the first import of the package, so that it runs before
 * anything that an old Node does not have. An old Node must be able to link all that is imported behind it.
 */
const version = process.versions.node;
if (Number.parseInt(version, 10) < 24) {
	throw new Error(
		`sluice needs Node 24.22.3 or 26.10.0, or a later one of these lines, and this is ${version}.`,
	);
}

export {};
