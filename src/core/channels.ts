/** A channel, as those see it who publish. */
export interface Publisher {
	/**
	 * Sends a message, as JSON, to everybody who listens to the instance. Throws `channel_full` if it is one instance too many
	 * and somebody is in each of the others, and `overloaded` if there is no memory for the message. A promise if a store has to say so. It
	 * rejects with `publish_unknown` if the store goes away meanwhile.
	 */
	publish(instance: string, json: string): Published | Promise<Published>;
}

/** The value of a step that publishes. */
export interface Published {
	/** The message's id: `<epoch>-<offset>`. */
	readonly id: string;
	/** How many clients listened when it was published, in all gateways. */
	readonly listeners: number;
	/** Whether the store has it, so that all gateways hear of it. Absent without a store. */
	readonly shared?: boolean;
}
