import { CHUNK_SIZE, Errno, FopError, parseInteger } from '@glusterts/libglusterfs';

/** Why a volume can't be: GlusterFS's message and its id (spec/ec.md, §30.1). */
export class GeometryError extends FopError {
  readonly id: number;
  readonly reason: string;

  constructor(id: number, reason: string) {
    super(Errno.EINVAL, undefined, reason);
    this.id = id;
    this.reason = reason;
  }
}

const BRICKS_MAX = 31;
const DATA_MAX = 16;

/** The shape of a disperse volume, and its arithmetic (spec/ec.md, §3, §5). */
export class Geometry {
  /** All bricks. */
  readonly n: number;
  /** Bricks that hold enough to read. */
  readonly k: number;
  readonly r: number;
  /** Bytes of a stripe. */
  readonly stripe: number;
  /** One bit a brick. */
  readonly all: number;

  /** Throws GeometryError for what GlusterFS refuses. */
  constructor(n: number, redundancy: number) {
    if (n > BRICKS_MAX) throw new GeometryError(122048, 'Too many subvolumes');
    const most = Math.floor((n - 1) / 2);
    const k = n - redundancy;
    if (redundancy < 1 || redundancy > most || k > DATA_MAX) throw new GeometryError(122051, `Invalid redundancy (must be between 1 and ${most})`);
    this.n = n;
    this.k = k;
    this.r = redundancy;
    this.stripe = CHUNK_SIZE * k;
    this.all = 2 ** n - 1;
  }

  down(size: number): number {
    return size - (size % this.stripe);
  }

  up(size: number): number {
    return Math.ceil(size / this.stripe) * this.stripe;
  }

  head(offset: number): number {
    return offset % this.stripe;
  }

  /** `trusted.ec.config` of this volume's files (spec/ec.md, §4). */
  get config(): bigint {
    return (8n << 40n) | (BigInt(this.n) << 32n) | (BigInt(this.r) << 24n) | BigInt(CHUNK_SIZE);
  }
}

/**
 * The bricks that `ec-read-mask` lets reads go to: numbers with colons between them, at least k of them, each of a brick. Throws
 * GeometryError for anything else (spec/ec.md, §9).
 */
export function parseReadMask(text: string, { n, k }: Geometry): number {
  let mask = 0;
  for (const word of text.split(':').filter((each) => each !== '')) {
    const brick = parseInteger(word);
    if (brick === undefined) throw new GeometryError(122045, `In read-mask "${text}" id ${word} is not a valid integer`);
    if (brick < 0 || brick >= n) throw new GeometryError(122045, `In read-mask "${text}" id ${brick} is not in range [0 - ${n - 1}]`);
    mask |= 1 << brick;
  }
  if (countOf(mask) < k) throw new GeometryError(122045, `read-mask "${text}" should contain at least ${k} ids`);
  return mask;
}

/** Bits of a mask, lowest first. */
export function bricksOf(mask: number): number[] {
  const bricks: number[] = [];
  for (let i = 0; mask >>> i !== 0; i++) if (((mask >>> i) & 1) === 1) bricks.push(i);
  return bricks;
}

export function countOf(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Binary digits, brick 0 rightmost, as logs and statedumps have it. */
export function maskText(mask: number, n: number): string {
  return mask.toString(2).padStart(n, '0');
}
