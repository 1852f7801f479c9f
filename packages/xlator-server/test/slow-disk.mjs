// A disk for tests: a FUSE file system with one file, `image`, whose reads take as long as it is told, or don't come back at all. A loop
// device on that file is a disk of that kind. `node slow-disk.mjs IMAGE MOUNTPOINT`; lines on stdin: `delay MS`, `hang`, `go`, `reads`. It says
// `ready`, and answers each line with one. It ends with its stdin, and every read then fails.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import readline from 'node:readline';

const [image = '', mountpoint = ''] = process.argv.slice(2);
const Op = { LOOKUP: 1, FORGET: 2, GETATTR: 3, SETATTR: 4, OPEN: 14, READ: 15, WRITE: 16, STATFS: 17, RELEASE: 18, FSYNC: 20, FLUSH: 25, INIT: 26, OPENDIR: 27, RELEASEDIR: 29, INTERRUPT: 36, BATCH_FORGET: 42 };
const HEAD = 40;
const OUT_HEAD = 16;
const MAX_WRITE = 1 << 20;
const READERS = 4;
const [ENOSYS, ENOENT] = [38, 2];
const FUSE_INIT_FLAGS = 1 | 32 | 0x8000 | 0x400000; // async reads, large writes, async direct I/O, max_pages
const FOPEN_DIRECT_IO = 1;

const data = fs.openSync(image, 'r+');
const { size } = fs.fstatSync(data);
const device = fs.openSync('/dev/fuse', 'r+');
let delay = 0;
let reads = 0;
let hung;
let letGo = () => undefined;

const mounted = spawnSync('mount', ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other,max_read=131072', 'slow-disk', mountpoint], { stdio: ['ignore', 'inherit', 'inherit', device] });
if (mounted.status !== 0) process.exit(1);

function attributes(ino) {
  const out = Buffer.alloc(88);
  out.writeBigUInt64LE(BigInt(ino), 0);
  out.writeBigUInt64LE(BigInt(ino === 2 ? size : 0), 8);
  out.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), 16);
  out.writeUInt32LE(ino === 2 ? 0o100600 : 0o40700, 60);
  out.writeUInt32LE(1, 64);
  out.writeUInt32LE(4096, 80);
  return out;
}

function reply(unique, error, body = Buffer.alloc(0)) {
  const out = Buffer.alloc(OUT_HEAD + body.length);
  out.writeUInt32LE(out.length, 0);
  out.writeInt32LE(-error, 4);
  out.writeBigUInt64LE(unique, 8);
  body.copy(out, OUT_HEAD);
  fs.writeSync(device, out);
}

const seconds = (n) => {
  const out = Buffer.alloc(16);
  out.writeBigUInt64LE(BigInt(n), 0);
  return out;
};

async function read(unique, offset, length) {
  reads++;
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  while (hung) await hung;
  const body = Buffer.alloc(length);
  reply(unique, 0, body.subarray(0, fs.readSync(data, body, 0, length, offset)));
}

function answer(request) {
  const op = request.readUInt32LE(4);
  const unique = request.readBigUInt64LE(8);
  const node = Number(request.readBigUInt64LE(16));
  const arg = (at) => request.readUInt32LE(HEAD + at);
  const offset = () => Number(request.readBigUInt64LE(HEAD + 8));
  switch (op) {
    case Op.INIT: {
      const out = Buffer.alloc(64);
      out.writeUInt32LE(7, 0);
      out.writeUInt32LE(31, 4);
      out.writeUInt32LE(MAX_WRITE, 8);
      out.writeUInt32LE(FUSE_INIT_FLAGS, 12);
      out.writeUInt16LE(256, 16);
      out.writeUInt16LE(192, 18);
      out.writeUInt32LE(MAX_WRITE, 20);
      out.writeUInt32LE(1, 24);
      out.writeUInt16LE(256, 28);
      return reply(unique, 0, out);
    }
    case Op.LOOKUP: {
      if (request.toString('latin1', HEAD, request.length - 1) !== 'image') return reply(unique, ENOENT);
      const head = Buffer.alloc(40);
      head.writeBigUInt64LE(2n, 0);
      head.writeBigUInt64LE(3600n, 16);
      head.writeBigUInt64LE(3600n, 24);
      return reply(unique, 0, Buffer.concat([head, attributes(2)]));
    }
    case Op.GETATTR:
    case Op.SETATTR:
      return reply(unique, 0, Buffer.concat([seconds(3600), attributes(node)]));
    case Op.OPEN:
    case Op.OPENDIR: {
      const out = Buffer.alloc(16);
      out.writeUInt32LE(op === Op.OPEN ? FOPEN_DIRECT_IO : 0, 8);
      return reply(unique, 0, out);
    }
    case Op.READ:
      return void read(unique, offset(), arg(16));
    case Op.WRITE: {
      const out = Buffer.alloc(8);
      out.writeUInt32LE(fs.writeSync(data, request, HEAD + 40, arg(16), offset()), 0);
      return reply(unique, 0, out);
    }
    case Op.STATFS:
      return reply(unique, 0, Buffer.alloc(80));
    case Op.FORGET:
    case Op.BATCH_FORGET:
    case Op.INTERRUPT:
      return undefined;
    case Op.FLUSH:
    case Op.FSYNC:
    case Op.RELEASE:
    case Op.RELEASEDIR:
      return reply(unique, 0);
    default:
      return reply(unique, ENOSYS);
  }
}

function listen(buffer) {
  fs.read(device, buffer, 0, buffer.length, null, (error, length) => {
    // ENODEV: unmounted.
    if (error && error.code === 'ENODEV') process.exit(0);
    if (!error) answer(Buffer.from(buffer.subarray(0, length)));
    listen(buffer);
  });
}
for (let i = 0; i < READERS - 1; i++) listen(Buffer.alloc(MAX_WRITE + 4096));

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [word, value] = line.split(' ');
    if (word === 'delay') delay = Number(value);
    else if (word === 'hang') hung ??= new Promise((resolve) => (letGo = resolve));
    else if (word === 'go') {
      hung = undefined;
      letGo();
    }
    process.stdout.write(word === 'reads' ? `${reads}\n` : 'ok\n');
  })
  .on('close', () => process.exit(0));
process.stdout.write('ready\n');
