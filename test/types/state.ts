import type { State } from "../../src/admin/state-page.ts";
import type { State as Read } from "../../ui/src/state.ts";

/**
 * What the admin server says at `/state` has all that the page reads of it. The page cannot import that type, because the
 * gateway stands behind it, and the types of Node.
 */
export const read: (state: State) => Read = (state) => state;
