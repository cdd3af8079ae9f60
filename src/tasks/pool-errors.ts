/** As many calls as allowed run and wait already. */
export class PoolFull extends Error {
	override readonly name = "PoolFull";
	constructor(running: number, waiting: number) {
		super(`the pool is full: ${running} running, ${waiting} waiting`);
	}
}

/** The pool was closed before the call had ended. */
export class PoolClosed extends Error {
	override readonly name = "PoolClosed";
	constructor() {
		super("the pool was closed");
	}
}

/** The thread ended under the call: it exited, ran out of memory, or met an error that nobody caught (the `cause`). */
export class ThreadEnded extends Error {
	override readonly name = "ThreadEnded";
}
