// An answer as the platform's ReadableStream, for the interfaces that ask for one.

import type { Part, Stream } from "./stream.js";

type Send<C> = (chunk: C) => void;

/** What becomes of the pieces of an answer, and of its end. */
export interface Cutter<P, R, C> {
  piece(piece: P, send: Send<C>): void;
  end(result: R, send: Send<C>): void;
  /** The call has failed. What this throws is the stream's error; else the stream ends well. */
  failed(error: unknown, send: Send<C>): void;
}

/**
 * A stream of what the cutter makes of an answer; `first` comes before all. Each piece is passed on in the moment in which
 * it comes: no promise is made for it. While the reader is busy, pieces wait and are joined. Cancelling aborts the call.
 */
export function readableOf<P extends Part, R, C>(stream: Stream<P, R>, cutter: Cutter<P, R, C>, first: C[] = []): ReadableStream<C> {
  let flow: () => boolean = () => false;
  let full = () => {};
  let left = false;
  const pieces = stream.taker(() => flow() || full());
  return new ReadableStream<C>({
    start(controller) {
      const send: Send<C> = (chunk) => controller.enqueue(chunk);
      const pass = (wanted: () => boolean) => {
        for (let piece: P | undefined; wanted() && (piece = pieces.take()); ) cutter.piece(piece, send);
      };
      const end = (last: () => void) => {
        if (left) return;
        try {
          pass(() => true);
          last();
          controller.close();
        } catch (error) {
          controller.error(error);
        }
      };
      const wanted = () => (controller.desiredSize as number) > 0;
      flow = () => {
        pass(wanted);
        return wanted();
      };
      first.forEach(send);
      stream.then(
        (result) => end(() => cutter.end(result, send)),
        (error: unknown) => end(() => cutter.failed(error, send)),
      );
    },
    pull() {
      try {
        // Pending while pieces are passed on: the platform asks again only when the reader has caught up.
        return flow() ? new Promise<void>((resolve) => (full = resolve)) : undefined;
      } catch (error) {
        void pieces.leave(); // the stream has failed: nobody takes what comes
        throw error;
      }
    },
    async cancel() {
      left = true;
      await pieces.leave();
    },
  });
}
