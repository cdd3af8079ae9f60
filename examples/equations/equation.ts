/** A config's functions stand below its folder. */
export { solutions } from "../tasks/equation.ts";
