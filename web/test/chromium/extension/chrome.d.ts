/** What the test extension uses of Chromium's interface for extensions. */
declare const chrome: {
  readonly runtime: {
    sendMessage(message: unknown): Promise<unknown>;
    readonly onMessage: {
      addListener(listener: (message: any, sender: unknown, respond: (answer: unknown) => void) => boolean): void;
    };
  };
};
