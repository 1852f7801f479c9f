// A daemon that answers itself: `node processor-idling.mjs SOCKET COUNT...`: COUNT round trips one after the other, silence, and again. Prints a line when each silence is over.
import { IoVec, createPlatform } from '../dist/index.js';

const [socket, ...counts] = process.argv.slice(2);
const SILENCE_MS = 60;
const { network } = createPlatform({ daemon: true });
const echo = { onRecord: (record, transport) => (transport.send(Buffer.from(record.chunks[0] ?? []), new IoVec([])), record.unref()), onClose: () => undefined };
const listener = await network.listen({ path: socket }, () => echo);
let answered = () => undefined;
const client = await new Promise((resolve, reject) => {
  network.connect(listener.address, { onConnect: resolve, onRecord: (record) => (record.unref(), answered()), onClose: (error) => reject(error ?? new Error('closed')) });
});
for (const count of counts) {
  for (let i = 0; i < Number(count); i++) {
    await new Promise((resolve) => {
      answered = resolve;
      client.send(Buffer.from('00000000000000000000000000000000', 'hex'), new IoVec([]));
    });
  }
  await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
  console.log(`quiet after ${count}`);
}
process.exit(0);
