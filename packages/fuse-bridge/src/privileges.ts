import { type Fd, Iatt, IaType, type Loc, SetAttr } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { OpenFile } from './fd-table.js';
import { Fattr } from './protocol.js';
import type { Request } from './request.js';

/*
 * With HANDLE_KILLPRIV_V2 the kernel leaves it to us to take the set-user-ID and set-group-ID bits of a file that somebody without
 * CAP_FSETID changes, and asks for `security.capability` once instead of before each WRITE. Capabilities need no care here: the
 * bricks' file systems drop them themselves, whoever writes.
 */

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o10;
/** Milliseconds for which a file that was seen without the bits is believed to be so: as long as the kernel believes attributes. */
const BELIEVED_MS = 1000;

/** The mode without what a change by others takes; the same when there is nothing to take. Without S_IXGRP, S_ISGID once meant mandatory locks, and stays. */
export function withoutPrivileges(mode: number): number {
  return mode & ~S_ISUID & (mode & S_IXGRP ? ~S_ISGID : ~0);
}

/** Takes the bits that `stat` still shows. Answers the attributes after that. It is the file system's doing: the caller's rights don't matter. */
export async function killPrivileges(bridge: FuseBridge, request: Request, at: Fd | Loc, stat: Iatt): Promise<Iatt> {
  const mode = withoutPrivileges(stat.mode);
  if (stat.ia_type !== IaType.REG || mode === stat.mode) return stat;
  const wanted = new Iatt();
  wanted.mode = mode;
  const { top } = request.graph;
  const frame = bridge.ownFrame();
  const reply = 'inode' in at && 'flags' in at ? await top.fsetattr(frame, at, wanted, SetAttr.MODE, undefined) : await top.setattr(frame, at, wanted, SetAttr.MODE, undefined);
  return reply.poststat;
}

/** After a change that left the file with these attributes, whose reply doesn't tell the kernel of them. */
export async function killAfter(bridge: FuseBridge, request: Request, fd: Fd, stat: Iatt): Promise<void> {
  const left = await killPrivileges(bridge, request, fd, stat);
  if (left !== stat) await bridge.invalidator.attributes(fd.inode);
}

/** Before a WRITE of somebody without CAP_FSETID. */
export async function killBeforeWrite(bridge: FuseBridge, request: Request, file: OpenFile, fd: Fd): Promise<void> {
  const now = bridge.platform.clock.monotonic();
  if (file.unprivileged?.modes === bridge.modeChanges && now - file.unprivileged.seen < BELIEVED_MS) return;
  const modes = bridge.modeChanges;
  const { stat } = await request.graph.top.fstat(request.frame, fd, undefined);
  await killAfter(bridge, request, fd, stat);
  file.unprivileged = { modes, seen: now };
}

/** Whether a SETATTR asks for it: a truncation by somebody without CAP_FSETID, or a change of owner. */
export const asksToKill = (valid: number): boolean => (valid & Fattr.KILL_SUIDGID) !== 0 && (valid & Fattr.MODE) === 0;
