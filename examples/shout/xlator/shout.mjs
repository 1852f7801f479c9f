import { IoVec, Xlator } from '@glusterts/libglusterfs';

/** Reads come back in capitals, as long as `option loud on`; all else passes through at no cost. */
class Shout extends Xlator {
  async readv(frame, fd, size, offset, flags, xdata) {
    const reply = await this.child.readv(frame, fd, size, offset, flags, xdata);
    if (!this.options.bool('loud')) return reply;
    const bytes = Uint8Array.from(reply.vector.toUint8Array());
    reply.vector.unref();
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] >= 0x61 && bytes[i] <= 0x7a) bytes[i] -= 0x20;
    }
    return { ...reply, vector: IoVec.from(bytes) };
  }
}

export const xlators = [
  {
    type: 'example/shout',
    options: [{ key: 'loud', type: 'bool', default: 'on' }],
    create: (context) => new Shout(context),
  },
];
