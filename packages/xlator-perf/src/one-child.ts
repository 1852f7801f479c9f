import { Errno, FopError, type Xlator } from '@glusterts/libglusterfs';

/** What every performance xlator's init begins with. Throws EINVAL without exactly one child. */
export function requireOneChild(xlator: Xlator): void {
  if (xlator.children.length !== 1) throw new FopError(Errno.EINVAL, undefined, `FATAL: volume (${xlator.name}) not configured with exactly one child`);
  if (xlator.parents.length === 0) xlator.log.warning(0, 'dangling volume. check volfile');
}
