import { type Bytes, Dict, type Fd, type Frame, type GetxattrReply, type Loc, type OptionSpec, type PlainReply, type Xdata, Xlator, type XlatorDefinition } from '@glusterts/libglusterfs';

const LABEL = 'security.selinux' as Bytes;
const STORED = 'trusted.glusterfs.selinux' as Bytes;

/** features/selinux: labels are kept on the brick under a name that the brick's own kernel doesn't interpret (spec/features.md, §13). */
class Selinux extends Xlator {
  override async setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.child.setxattr(frame, loc, renamed(dict, LABEL, STORED), flags, xdata);
  }

  override async fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.child.fsetxattr(frame, fd, renamed(dict, LABEL, STORED), flags, xdata);
  }

  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (!this.#translates(name)) return this.child.getxattr(frame, loc, name, xdata);
    const reply = await this.child.getxattr(frame, loc, STORED, xdata);
    return { ...reply, dict: renamed(reply.dict, STORED, LABEL) };
  }

  override async fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (!this.#translates(name)) return this.child.fgetxattr(frame, fd, name, xdata);
    const reply = await this.child.fgetxattr(frame, fd, STORED, xdata);
    return { ...reply, dict: renamed(reply.dict, STORED, LABEL) };
  }

  #translates(name: Bytes | undefined): boolean {
    return name === LABEL && this.options.bool('selinux');
  }
}

/** The dict itself when the key isn't in it: the usual case costs nothing. */
function renamed(dict: Dict, from: Bytes, to: Bytes): Dict {
  if (!dict.has(from)) return dict;
  const copy = new Dict();
  for (const [key, value] of dict.entries().reverse()) copy.set(key === from ? to : key, value);
  return copy;
}

const options: readonly OptionSpec[] = [{ key: 'selinux', type: 'bool', default: 'on' }];

export const selinux: XlatorDefinition = { type: 'features/selinux', options, create: (context) => new Selinux(context) };
