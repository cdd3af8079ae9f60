import { printChannelTarget } from "../../config/steps/sent.ts";
import { readsOf } from "../../expression/template.ts";
import type { PublishPlan } from "../../plan/plan.ts";
import type { Scope } from "../../tasks/scope.ts";
import { blamingClient, inputsOf, prepare } from "../layout.ts";
import { SentWrite } from "../sent-write.ts";
import type { Work } from "../spot.ts";
import { prepareInstance } from "../target.ts";
import {
	type OpenedChannel,
	onlyWhatEveryStepHas,
	type WorkContext,
} from "../work.ts";

/** Sends a message to whoever listens. Without a store it is a write that is done as soon as it has begun. */
export function preparePublish(
	step: PublishPlan,
	{ layout, channels }: WorkContext,
): Work {
	const { channel, channelIndex, instance, message, ...others } = step;
	const { kind: _, ...ofEveryStep } = others;
	onlyWhatEveryStepHas(ofEveryStep);
	const { publisher, print } = channels[channelIndex] as OpenedChannel;
	const instanceOf = prepareInstance(instance, layout);
	const messageOf = prepare(message, layout);
	const inputs = inputsOf(readsOf(message), layout);
	const printMessage = inputs === null ? print : blamingClient(print);
	const call = `publish ${printChannelTarget({ channel, instance })}`;
	return ({ run, frame, scope, path, index }) => {
		if (scope.cancelled) throw scope.reason;
		const name = instanceOf(frame);
		const json = printMessage(messageOf(frame), frame.fuel, inputs);
		run.countCall();
		const published = publisher.publish(name, json);
		const write = new SentWrite(path, index);
		write.call = call;
		run.sent(write);
		const done = () => {
			write.answered(200);
			run.writeEnded(write);
		};
		if (published instanceof Promise) {
			const failed = () => run.writeEnded(write);
			published.then(done, failed);
			return untilCancelled(published, scope);
		}
		done();
		return published;
	};
}

/** What was sent is not taken back, but its step ends with its scope. */
function untilCancelled<Value>(
	value: Promise<Value>,
	scope: Scope,
): Promise<Value> {
	return new Promise((resolve, reject) => {
		const stop = scope.onCancel((reason) => reject(reason as Error));
		value.then(resolve, reject).finally(stop);
	});
}
